"""Declared maps in users' hands over an emulator: a store for each, and the time that a capture tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bpfvm.core.machine import Result
from bpfvm.lang.userspace import Store
from bpfvm.lang.userspace.blocks import joined
from bpfvm.lang.userspace.store import Answer, drained
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    import numpy

    from bpfvm.emulator.system import System


class EmulatedRecords:
    """Events that runs gave, until they are read. lost: those that found no room."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self.made = False
        self.lost: int | None = 0

    def add(self, records: Sequence[bytes], lost: int) -> None:
        """What one run gave."""
        self._waiting += records
        self.lost = (self.lost or 0) + lost

    def read(self) -> Sequence[bytes]:
        """What is there now."""
        return list(drained(self._waiting))

    def parts(self) -> Iterator[Iterator[bytes]]:
        """The same, one after the other."""
        return iter((drained(self._waiting),) if self._waiting else ())

    def blocks(self, of: numpy.dtype[Any]) -> Sequence[numpy.ndarray[Any, Any]]:
        """The same as one array."""
        return joined(self.read(), of)

    def fileno(self) -> int:
        """None is needed."""
        return -1


class EmulatedStore:
    """One declared map in an emulator."""

    def __init__(self, system: System, name: str) -> None:
        self._system, self._map = system, system.maps[name]
        self.spec: MapSpec = self._map.spec
        self.cpus = system.cpus if "percpu" in self.spec.type else 1
        self._records = EmulatedRecords() if self.spec.type in ("ringbuf", "perf_event_array") else None

    def sys_lookup(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_ELEM."""
        return self._map.sys_lookup(key, flags)

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int:
        """BPF_MAP_UPDATE_ELEM."""
        return self._map.sys_update(key, value, flags)

    def sys_delete(self, key: bytes) -> int:
        """BPF_MAP_DELETE_ELEM."""
        return self._map.sys_delete(key)

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM."""
        return self._map.sys_lookup_and_delete(key, flags)

    def pairs(self) -> Iterator[tuple[bytes, bytes | list[bytes]]]:
        """Every element; of queues and stacks in the order of leaving, under their numbers."""
        if self._records is not None:
            return iter(())
        if self.spec.type in ("queue", "stack"):
            left = self._map.entries()[:: -1 if self.spec.type == "stack" else 1]
            return ((at.to_bytes(4, "big"), value) for at, (_, value) in enumerate(left))
        return iter(self._map.entries())

    def patch(self, key: bytes, offset: int, data: bytes) -> int:
        """Store a part of a value: no program runs meanwhile."""
        found = self._map.sys_lookup(key)
        if isinstance(found, int):
            return found
        assert isinstance(found, bytes), "values of one CPU are stored whole"
        return self._map.sys_update(key, found[:offset] + data + found[offset + len(data) :])

    def send(self, message: bytes) -> int:
        """Into a ring that programs drain."""
        return self._map.send(message)

    def inner(self, key: bytes) -> Store | None:
        """The map at `key`."""
        found = self._map.sys_lookup(key)
        name = found.decode() if isinstance(found, bytes) else ""
        return EmulatedStore(self._system, name) if name in self._system.maps else None

    @property
    def records(self) -> EmulatedRecords | None:
        """Of a ring or perf buffer."""
        return self._records

    def take(self, result: Result) -> None:
        """Keep what a run sent through this map."""
        if self._records is not None:
            name = self.spec.name
            self._records.add(result.events.get(name, ()), result.lost.get(name, 0))


__all__ = ["EmulatedRecords", "EmulatedStore"]
