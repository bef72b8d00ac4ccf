"""Events: records that a program gives to user space, through a ring buffer or through perf's buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import UsageError
from bpfvm.lang import userspace
from bpfvm.lang.active import Machine, active
from bpfvm.lang.helpers.dynptrs import reserved
from bpfvm.lang.maps.base import Map, Memory, element, packed
from bpfvm.lang.types.layout import Layout, View, image_of, size_of, view
from bpfvm.lang.types.structs import StructType
from bpfvm.lang.userspace.blocks import dtype_of
from bpfvm.lang.userspace.values import decoded, plain
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    import numpy

ROOM = 1 << 18  # bytes of a ring that says nothing of them
PAGE = 4096
PAGES = 64  # of a perf buffer that says nothing of them
_CURRENT_CPU = 0xFFFFFFFF  # BPF_F_CURRENT_CPU


class Events(Map, ABC):
    """A map of records of one type."""

    event: Any

    def __init__(self, event: Any, max_entries: int, name: str | None) -> None:
        self.event = element(type(self).__name__, "event", event)
        super().__init__(max_entries, name)

    def submit(self, event: Any) -> None:
        """Give one record to user space, and drop it where there is no room."""
        self._send(packed(self.event, event))

    def output(self, data: Any) -> None:
        """Give bytes to user space, an array, a struct or a constant; drop them where there is no room."""
        if not isinstance(data, bytes | View):
            raise TypeError(f"{self.called}.output takes bytes, an array or a struct, not {type(data).__name__}")
        self._send(bytes(data))

    def __iter__(self) -> Iterator[Any]:
        """Events in user space, as they come: it waits, and ends with Ctrl-C, SIGTERM or when what is attached closes.

        What is not of the type, but came by `output`, is bytes.
        """
        if active() is not None:
            return super().__iter__()  # type: ignore[no-any-return]
        return userspace.events(self, self.called, self._take())

    async def __aiter__(self) -> AsyncIterator[Any]:
        """The same in asyncio."""
        async for one in userspace.events_async(self, self.called, self._take()):
            yield one

    def blocks(self) -> Iterator[numpy.ndarray[Any, Any]]:
        """The same, many at a time: structured arrays of numpy. UsageError for types that it has no like of, and for
        events of another size."""
        of = dtype_of(self.event)
        return userspace.events(self, self.called, lambda records: ([one] for one in records.blocks(of)))

    def read(self) -> list[Any]:
        """The events that are there now; it does not wait."""
        records = self._store_behind().records
        if records is None:
            return []
        found = records.read()
        return list(found if records.made else map(self._made(), found))

    @property
    def lost(self) -> int | None:
        """Events that found no room: programs that are attached count them, and emulators; None where nobody does."""
        records = self._store_behind().records
        return records.lost if records is not None else None

    def _take(self) -> userspace.Take:
        make = self._made()
        return lambda records: userspace.taken(records, make)

    def _made(self) -> Callable[[bytes], Any]:
        """What makes an event of a record."""
        kind, sizes = self.event, self._sizes()
        if not isinstance(kind, StructType):
            return lambda data: decoded(kind, data) if len(data) in sizes else data
        cls, new, put = plain(kind), object.__new__, object.__setattr__

        def make(data: bytes) -> Any:
            if len(data) not in sizes:
                return data
            made = new(cls)
            put(made, "_bpf", (data, 0, True))
            return made

        return make

    def _sizes(self) -> tuple[int, ...]:
        """Bytes of a record of the type."""
        return (size_of(self.event),)

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """The helper that copies a record."""


class Ring(Events):
    """BPF_MAP_TYPE_RINGBUF of `size` bytes: `evs.submit(Event(...))`, or a record that is filled in its place:

    e = evs.reserve()
    if e is not None:
        e.pid = 1
        e.submit()          # or e.discard(): one of both on every way
    """

    type = "ringbuf"
    usage = "evs.submit(Event(...)), evs.reserve(), evs.output(data)"

    def __init__(self, event: Any, size: int = ROOM, name: str | None = None) -> None:
        if not isinstance(size, int) or size < PAGE or size & (size - 1):
            raise UsageError(f"Ring: a ring has a power of two of bytes, from {PAGE} on, not {size!r}")
        super().__init__(event, size, name)

    def reserve(self) -> Any:
        """A new record, with the values that the type's own have, or None where there is no room."""
        if not isinstance(self.event, Layout):
            raise TypeError(f"{self.called}: records of {self.event.__name__} are submitted whole: evs.submit(n)")
        on = self._machine()
        address = on.helper("ringbuf_reserve", on.handle(self), size_of(self.event), 0)
        if not address:
            return None
        on.store(address, image_of(self.event))
        return view(self.event, Record(on, address), address)

    def reserve_dynptr(self, size: int) -> Any:
        """A new record of `size` bytes, of zeros or what stood there before, as a dynptr: d.write(data), d.submit()."""
        on = self._machine()
        return reserved(on, self, size)

    def _send(self, data: bytes) -> None:
        on = self._machine()
        on.helper("ringbuf_output", on.handle(self), on.place(data), len(data), 0)


class Record(Memory):
    """The memory of a record that a program has reserved."""

    __slots__ = ("_address",)

    def __init__(self, on: Machine, address: int) -> None:
        super().__init__(on)
        self._address = address

    def end(self, helper: str) -> None:
        """Give the record to user space, or drop it."""
        self._on.helper(helper, self._address, 0)


class PerfEvents(Events):
    """BPF_MAP_TYPE_PERF_EVENT_ARRAY: records through a buffer of each CPU, for kernels before 5.8; they are read CPU by
    CPU, those of several in no order: use a Ring, or sort by a time in the record. pages: of 4096 bytes in each buffer,
    a power of two."""

    type = "perf_event_array"
    usage = "evs.submit(Event(...)), evs.output(data)"

    def __init__(self, event: Any, name: str | None = None, *, pages: int = PAGES) -> None:
        if not isinstance(pages, int) or pages < 1 or pages & (pages - 1):
            raise UsageError(f"PerfEvents: a buffer has a power of two of pages, not {pages!r}")
        super().__init__(event, 1, name)
        self.pages = pages
        self.max_entries = 0  # as many as there are CPUs

    def spec(self, name: str) -> MapSpec:
        return replace(super().spec(name), key_size=4, value_size=4)  # CPUs, and what the kernel keeps of each

    def _sizes(self) -> tuple[int, ...]:
        size = size_of(self.event)
        return size, (size + 4 + 7) // 8 * 8 - 4  # perf pads

    def _send(self, data: bytes) -> None:
        on = self._machine()
        on.helper("perf_event_output", on.context_address(), on.handle(self), _CURRENT_CPU, on.place(data), len(data))
