"""BPF_MAP_TYPE_ARRAY: a flat run of values, each rounded up to 8 bytes, all zero at first.

Results are the kernel's, measured on 6.18, tested in this order: flags other than BPF_F_LOCK that are not one of the
three are -EINVAL, an index past the end is -E2BIG for update and no value for lookup, BPF_NOEXIST is -EEXIST because
every index exists, BPF_F_LOCK without a spin lock in the value is -EINVAL. Delete is -EINVAL.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Entries
from bpfvm.emulator.maps.store import EXIST, LOCK, NOEXIST, Plain
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System


def next_index(key: bytes | None, entries: int) -> bytes | int:
    """BPF_MAP_GET_NEXT_KEY of every map whose keys are indexes below `entries`."""
    index = int.from_bytes(key, "little") if key is not None else entries
    if index >= entries:
        return bytes(4)
    return (index + 1).to_bytes(4, "little") if index + 1 < entries else -errno.ENOENT


class Indexes:
    """Where for_each_map_elem shows an index to programs: memory of its own, one place for each loop in another."""

    def __init__(self, system: System, name: str) -> None:
        self._system, self._name = system, name
        self._idle: list[Region] = []

    def walk(self, entries: int) -> Iterator[tuple[int, int]]:
        """Address of the key, and the index that it holds."""
        place = self._idle.pop() if self._idle else self._made()
        try:
            for index in range(entries):
                place.data[:] = index.to_bytes(4, "little")
                yield place.base, index
        finally:
            self._idle.append(place)

    def _made(self) -> Region:
        return self._system.arena.allocate(f"{self._name} key", 4, "map key", writable=False)


class ArrayMap(Plain):
    """One array. Values stay at their addresses for good."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self.values: Region = system.arena.allocate(f"{spec.name} value", self.stride * spec.max_entries, "map value")
        self.values.within = lambda offset: self.element(self.values.base + offset)
        self._indexes = Indexes(system, spec.name)
        if spec.initial is not None:
            if len(spec.initial) != spec.value_size:
                raise LoadError(
                    f"map {spec.name}: initial contents of {octets(len(spec.initial))} for a value of {spec.value_size}"
                )
            self.values.data[: spec.value_size] = spec.initial

    def around(self, address: int) -> int:
        index = min(max(address - self.values.base, 0) // self.stride, self.spec.max_entries - 1)
        return self.values.base + index * self.stride

    def label(self, address: int) -> str:
        return f"{self.spec.name} value at {address - self.values.base}"

    def direct(self, offset: int) -> Pointer:
        """What an lddw of the map's value loads. The kernel has it for arrays of one entry, as data sections are."""
        spec = self.spec
        if spec.max_entries != 1:
            raise LoadError(
                f"map {spec.name}: its value is addressed directly, which takes 1 entry, not {spec.max_entries}"
            )
        if not 0 <= offset < spec.value_size:
            raise LoadError(f"map {spec.name}: offset {offset} is outside of its value of {octets(spec.value_size)}")
        return self.element(self.values.base).moved(offset)

    def walk(self) -> Iterator[tuple[int, int]]:
        for key, index in self._indexes.walk(self.spec.max_entries):
            yield key, self.values.base + index * self.stride

    def lookup(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        return self.values.base + index * self.stride if index < self.spec.max_entries else 0

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        if flags & ~LOCK > EXIST:
            return -errno.EINVAL
        address = self.lookup(key)
        if not address:
            return -errno.E2BIG
        if flags & NOEXIST:
            return -errno.EEXIST
        if flags & LOCK and not self.has_lock:
            return -errno.EINVAL
        self.put(address, value)
        self.clear(address)
        return 0

    def delete(self, key: bytes) -> int:
        return -errno.EINVAL

    def user_next(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.spec.max_entries)

    def entries(self) -> Entries:
        base, stride = self.values.base, self.stride
        return [
            (index.to_bytes(4, "little"), self.get(base + index * stride)) for index in range(self.spec.max_entries)
        ]


TYPES: Mapping[str, MapClass] = {"array": ArrayMap}
