"""BPF_MAP_TYPE_PERCPU_ARRAY: an array with a value for each CPU, those of one index side by side.

Programs get errno in the order of arrays (array.py). User space gives and takes the values of all CPUs.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpfvm.emulator.maps.array import Indexes, next_index
from bpfvm.emulator.maps.store import EXIST, LOCK, NOEXIST, Answer, PerCpu
from bpfvm.emulator.memory import Region
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System


class PerCpuArrayMap(PerCpu):
    """One such array. Values stay at their addresses for good."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self._step = self.stride * system.cpus
        self.values: Region = system.arena.allocate(f"{spec.name} value", self._step * spec.max_entries, "map value")
        self.values.within = lambda offset: self.element(self.values.base + offset)
        self._indexes = Indexes(system, spec.name)

    def around(self, address: int) -> int:
        number = max(address - self.values.base, 0) // self.stride
        return self.values.base + min(number, self.spec.max_entries * self.system.cpus - 1) * self.stride

    def label(self, address: int) -> str:
        return f"{self.spec.name} value at {address - self.values.base}"

    def walk(self) -> Iterator[tuple[int, int]]:
        first = self.values.base + self.system.cpu * self.stride
        for key, index in self._indexes.walk(self.spec.max_entries):
            yield key, first + index * self._step

    def lookup(self, key: bytes) -> int:
        return self.lookup_percpu(key, self.system.cpu)

    def lookup_percpu(self, key: bytes, cpu: int) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.spec.max_entries or cpu >= self.system.cpus:
            return 0
        return self.values.base + index * self._step + cpu * self.stride

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EINVAL if flags & ~LOCK > EXIST else self._store(key, value, flags)

    def _store(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        first = self.lookup_percpu(key, 0)
        if not first:
            return -errno.E2BIG
        if flags & NOEXIST:
            return -errno.EEXIST
        if flags & LOCK:  # no value of this type can have a lock
            return -errno.EINVAL
        self.put_cpus(first, value)
        for cpu in range(self.system.cpus) if isinstance(value, list) else (self.system.cpu,):
            self.clear(first + cpu * self.stride)
        return 0

    def delete(self, key: bytes) -> int:
        return -errno.EINVAL

    def user_lookup(self, key: bytes) -> Answer:
        first = self.lookup_percpu(key, 0)
        return self.shown(first) if first else -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        return -errno.EINVAL if flags > EXIST else self._store(key, value, flags)

    def user_delete(self, key: bytes) -> int:
        return -errno.EINVAL

    def user_next(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.spec.max_entries)


TYPES: Mapping[str, MapClass] = {"percpu_array": PerCpuArrayMap}
