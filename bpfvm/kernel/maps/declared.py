"""Declared maps in users' hands while programs are attached in the kernel: a store for each, over bpf(2).

A store has a descriptor of its own, so that a map lives as long as anything that uses it, whatever was attached first.
"""

from __future__ import annotations

import errno
import select
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from bpfvm.kernel.host.sizes import BYTE_ORDER
from bpfvm.kernel.maps.calls import Answer, Calls
from bpfvm.kernel.maps.inner import opened
from bpfvm.kernel.maps.mapped import Mapped, is_mapped
from bpfvm.kernel.maps.table import Closeable, Table
from bpfvm.kernel.readers import PerfReader, Reader, RingReader
from bpfvm.kernel.readers.perf import PAGES
from bpfvm.kernel.readers.source import Lost
from bpfvm.kernel.readers.struct_event import structs
from bpfvm.lang.maps.losses import SIZE
from bpfvm.lang.userspace import Store
from bpfvm.lang.userspace.blocks import joined
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    import numpy

_BREATH = 0.0005  # seconds after something was said to be there: more comes, or a record that is not submitted yet
_EXIST = 2  # BPF_EXIST
_BLOCKS = 64


class KernelRecords:
    """The events of one map in the kernel. made: whether they are values of the declared struct, else bytes."""

    def __init__(self, map: Closeable, declared: Any = None) -> None:
        """declared: bpfvm.lang.maps.Events, where there is one."""
        self.counts: list[Count] = []  # of the objects that send here
        self._reader: Reader
        kind = structs(getattr(declared, "event", None), map.spec.type != "ringbuf")
        self.made = kind is not None
        if map.spec.type == "ringbuf":
            self._reader = RingReader(map, kind, timeout=0)
        else:
            self._reader = PerfReader(map, kind, pages=getattr(declared, "pages", PAGES), timeout=0, on_lost=_counted)

    @property
    def lost(self) -> int | None:
        """Events that found no room: what the programs count; else what perf tells, and None of a ring."""
        return sum(one.now for one in self.counts) if self.counts else self._reader.lost

    def read(self) -> Sequence[Any]:
        """What is there now."""
        return self._reader.read()

    def parts(self) -> Iterator[Iterator[Any]]:
        """The same, as many at a time as lie in a row."""
        return self._reader.parts()

    def blocks(self, of: numpy.dtype[Any]) -> Iterable[numpy.ndarray[Any, Any]]:
        """The same as arrays, each made when it is asked for; not all: more may come as fast as they are taken."""
        return islice(self._reader.blocks(), _BLOCKS) if self.made else joined(self.read(), of)

    def fileno(self) -> int:
        """Ready where there is something."""
        return self._reader.fileno()

    def close(self) -> None:
        """Give the buffer back."""
        self._reader.close()


class Count:
    """A count that programs keep in a section of one variable (bpfvm.lang.maps.losses). now: what it is."""

    def __init__(self, table: Table) -> None:
        self._table = table.duplicate()
        self._memory = Mapped(table.spec, self._table.behind.fd)

    @property
    def now(self) -> int:
        return int.from_bytes(self._memory.slot(0, SIZE), BYTE_ORDER)

    def close(self) -> None:
        """Give the map back."""
        self._table.close()


def _counted(lost: Lost) -> None:
    """Nothing: the sum is asked for."""


class KernelStore:
    """One declared map in the kernel. Close it with its last user."""

    def __init__(self, table: Table, declared: Any = None) -> None:
        """table: its owner's, which may be closed before this. declared: the map as users declared it."""
        self.table = table.duplicate()
        self._map = self.table.behind
        self.spec: MapSpec = table.spec
        self._calls = Calls(self._map)
        self.cpus = self._calls.cpus
        self._records: KernelRecords | None = None
        self._declared = declared
        self._memory: Mapped | None = None
        if self.spec.type == "perf_event_array":  # there is nowhere to put events before somebody reads
            self._records = KernelRecords(self._map, self._declared)

    def sys_lookup(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_ELEM."""
        return self._calls.sys_lookup(key, flags)

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int:
        """BPF_MAP_UPDATE_ELEM."""
        return self._calls.sys_update(key, value, flags)

    def put(self, key: bytes, descriptor: int) -> int:
        """BPF_MAP_UPDATE_ELEM of what stands there by its descriptor or number."""
        return self._calls.update_raw(key, descriptor.to_bytes(4, BYTE_ORDER))

    def sys_delete(self, key: bytes) -> int:
        """BPF_MAP_DELETE_ELEM."""
        return self._calls.sys_delete(key)

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM."""
        return self._calls.sys_lookup_and_delete(key, flags)

    def pairs(self) -> Iterator[tuple[bytes, bytes | list[bytes]]]:
        """Every element, some thousands a call."""
        return self.table.pairs()

    def patch(self, key: bytes, offset: int, data: bytes) -> int:
        """A part of a value: in memory where the kernel shares it; else read, changed and stored, so that what a
        program stores to the rest in between is lost."""
        if is_mapped(self.spec):
            self._memory = self._memory or Mapped(self.spec, self._map.fd)
            if not self._memory.writeable:
                return -errno.EPERM
            slot = self._memory.slot(int.from_bytes(key, BYTE_ORDER), self.spec.value_size)
            slot[offset : offset + len(data)] = data
            return 0
        found = self._calls.sys_lookup(key)
        if isinstance(found, int):
            return found
        assert isinstance(found, bytes), "values of one CPU are stored whole"
        return self._calls.sys_update(key, found[:offset] + data + found[offset + len(data) :], _EXIST)

    def send(self, message: bytes) -> int:
        """Into a ring that programs drain."""
        return self._calls.send(message)

    def inner(self, key: bytes) -> Store | None:
        """The map at `key`."""
        number = self._calls.number_at(key)
        found = opened(self.spec, self._calls, number) if number > 0 else None
        if found is None:
            return None
        try:
            made = KernelStore(Table(found, None, BYTE_ORDER))
        finally:
            found.close()
        weakref.finalize(made, made.behind.close)
        return made

    @property
    def behind(self) -> Closeable:
        """The map itself."""
        return self._map

    @property
    def records(self) -> KernelRecords | None:
        """Of a ring or perf buffer."""
        if self._records is None and self.spec.type == "ringbuf":
            self._records = KernelRecords(self._map, self._declared)
        return self._records

    def count(self, table: Table) -> None:
        """Take what an object counts of the events that find no room here."""
        records = self.records
        assert records is not None, "only maps of events lose them"
        records.counts.append(Count(table))

    def close(self) -> None:
        """Close the descriptor."""
        if self._records is not None:
            for one in self._records.counts:
                one.close()
            self._records.close()
        self._map.close()


class KernelSpace:
    """The kernel as declared maps see it: its time is the clock's, its addresses are those of this host's processes."""

    def clock(self) -> int:
        """ns of the clock that only goes forward."""
        return time.monotonic_ns()

    def pause(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """Until one of `fds` is ready, at most so long."""
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        if poll.poll(seconds * 1000) and fds:
            time.sleep(_BREATH)
        return True

    async def pause_async(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """The same in asyncio."""
        import asyncio

        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        for fd in fds:
            loop.add_reader(fd, lambda: None if ready.done() else ready.set_result(None))
        try:
            done, _ = await asyncio.wait([ready], timeout=seconds)
        finally:
            for fd in fds:
                loop.remove_reader(fd)
            ready.cancel()
        if done:
            await asyncio.sleep(_BREATH)
        return True

    def frames(self, addresses: Sequence[int], pid: int | None) -> list[Any]:
        """Functions of the kernel, or of the process `pid`."""
        from bpfvm.kernel.host.symbols import kernel_frames, process_frames

        return list(kernel_frames(addresses) if pid is None else process_frames(pid, addresses))


def stores(tables: Mapping[str, Table], names: Mapping[str, Any]) -> dict[Any, Callable[[], KernelStore]]:
    """What makes a store of each declared map. names: of the object, with the declarations."""
    return {one: partial(KernelStore, tables[name], one) for name, one in names.items()}


__all__ = ["KernelRecords", "KernelSpace", "KernelStore", "stores"]
