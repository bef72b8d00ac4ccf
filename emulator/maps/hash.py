"""BPF_MAP_TYPE_HASH and BPF_MAP_TYPE_PERCPU_HASH: tables (table.py) of elements that a slab (slab.py) hands out.

Without BPF_F_NO_PREALLOC an update of a key that is there takes the CPU's spare element and makes the old one the
spare; with it, it allocates one and frees the old one. Either way a value moves when its key is updated, and a pointer
to the old value reads what it was until that is used again. Per-CPU values, and all under BPF_F_LOCK, stay in place.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpfvm.core.machine import Entries
from bpfvm.emulator.maps.slab import Slab
from bpfvm.emulator.maps.store import EXIST, LOCK, NOEXIST, Answer, PerCpu, Store
from bpfvm.emulator.maps.table import Table
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME, FLAGS

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

NO_PREALLOC = FLAGS["no_prealloc"]


def refused_flags(found: int, flags: int) -> int:
    """-EEXIST and -ENOENT for an update of a key that is there (`found`) or not."""
    if flags & ~LOCK == NOEXIST and found:
        return -errno.EEXIST
    return -errno.ENOENT if flags & ~LOCK == EXIST and not found else 0


class Hashed(Store):
    """What all maps over a table have in common: finding, walking, deleting.

    extra: bytes that the kind of map adds to each element. spare: elements beyond `capacity`.
    """

    def __init__(self, system: System, spec: MapSpec, extra: int = 0, spare: int = 0) -> None:
        super().__init__(system, spec)
        entries = self.capacity = self.rounded(system.cpus)
        self._cpus = system.cpus if BY_NAME[spec.type].per_cpu else 1
        self.table = Table(system, spec, extra, self._cpus, entries)
        self.slab = Slab(system, spec.name, self.table.size, entries + spare, self.element)

    def rounded(self, cpus: int) -> int:
        """What the kernel makes of max_entries."""
        return self.spec.max_entries

    def key_around(self, address: int) -> int:
        key = self.slab.start(address) + self.table.key
        return key if key <= address < key + self.spec.key_size else 0

    def around(self, address: int) -> int:
        first = self.slab.start(address) + self.table.value
        return first + min(max(address - first, 0) // self.stride, self._cpus - 1) * self.stride

    def reload(self) -> None:
        self.table.reload()

    def walk(self) -> Iterator[tuple[int, int]]:
        table = self.table
        mine = self.system.cpu * self.stride if self._cpus > 1 else 0
        for element in table.walk():
            yield element + table.key, element + table.value + mine

    def delete(self, key: bytes) -> int:
        return self.user_delete(key)

    def user_delete(self, key: bytes) -> int:
        element = self.table.find(key)
        if not element:
            return -errno.ENOENT
        self.table.remove(element)
        self.release(element)
        return 0

    def release(self, element: int) -> None:
        """Let go of an element that is in no bucket."""
        self.clear_element(element)
        self.slab.free(element)

    def clear_element(self, element: int, also: str = "") -> None:
        """Zero what is the kernel's in an element's values."""
        for cpu in range(self._cpus if self.fields else 0):
            self.clear(element + self.table.value + cpu * self.stride, also)

    def user_lookup(self, key: bytes) -> Answer:
        found = self.table.get(key)
        return self.shown(found) if found else -errno.ENOENT

    def user_pop(self, key: bytes) -> Answer:
        value = self.user_lookup(key)
        if not isinstance(value, int):
            self.user_delete(key)
        return value

    def user_next(self, key: bytes | None) -> bytes | int:
        return self.table.next_key(key)

    def walked(self) -> Entries:
        """All elements by the bytes of their keys, without a look-up for each key."""
        table = self.table
        found = [(table.key_of(element), self.shown(element + table.value)) for element in table.walk()]
        return sorted(found, key=lambda one: one[0])


class HashMap(Hashed):
    """A hash map."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec, spare=system.cpus)
        self.is_preallocated = not spec.flags & NO_PREALLOC

    def lookup(self, key: bytes) -> int:
        return self.table.get(key)

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        if flags & ~LOCK > EXIST or (flags & LOCK and not self.has_lock):
            return -errno.EINVAL
        found = self.table.get(key)
        refused = refused_flags(found, flags)
        if refused:
            return refused
        if found and flags & LOCK:
            self.put(found, value)
            return 0
        return self._replace(key, value, found)

    def _replace(self, key: bytes, value: bytes, found: int) -> int:
        """Store in an element of its own; found: the value that is there under `key`, or 0."""
        table, slab = self.table, self.slab
        if not found and len(table) >= self.capacity:
            return -errno.E2BIG
        old = found - table.value if found else 0
        element = slab.swap(old) if old and self.is_preallocated else 0
        element = element or slab.allocate()
        self.clear_element(element, also="lock")
        self.put(element + table.value, value)
        if old:
            table.remove(old)
            self.clear_element(old)
        table.insert(element, key, old)
        if old and not self.is_preallocated:
            slab.free(old)
        return 0

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        assert isinstance(value, bytes), "checked by fill"
        return self.update(key, value, flags)

    def entries(self) -> Entries:
        return self.walked()


class PerCpuHashMap(Hashed, PerCpu):
    """A hash map with a value for each CPU; a program's update of a new key leaves zeros on the other CPUs."""

    def lookup(self, key: bytes) -> int:
        found = self.table.get(key)
        return found and found + self.system.cpu * self.stride

    def lookup_percpu(self, key: bytes, cpu: int) -> int:
        found = self.table.get(key) if cpu < self.system.cpus else 0
        return found and found + cpu * self.stride

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        return self.store(key, value, flags)

    def store(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        """Update the values of all CPUs, or with one value that of the CPU that runs."""
        if flags > EXIST:
            return -errno.EINVAL
        found = self.table.get(key)
        refused = refused_flags(found, flags)
        if refused:
            return refused
        if found:
            self.put_cpus(found, value)
            return 0
        element = self.slab.allocate() if len(self.table) < self.capacity else 0
        if not element:
            return -errno.E2BIG
        self.begin(element + self.table.value, value)
        self.table.insert(element, key)
        return 0

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        return self.store(key, value, flags)

    def entries(self) -> Entries:
        return self.walked()


TYPES: Mapping[str, MapClass] = {"hash": HashMap, "percpu_hash": PerCpuHashMap}
