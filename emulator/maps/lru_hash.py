"""BPF_MAP_TYPE_LRU_HASH and BPF_MAP_TYPE_LRU_PERCPU_HASH: tables that make room by giving up old elements.

What lru_list.py hands out may have been another key's a moment ago. The kernel takes an element before it looks the key
up (not so for per-CPU values under BPF_EXIST), so an update that is refused, or stores in place, still may drop others.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpfvm.emulator.maps.hash import Hashed, refused_flags
from bpfvm.emulator.maps.lru_list import EXTRA, USED, CommonLru, PerCpuLru
from bpfvm.emulator.maps.store import EXIST, PerCpu
from bpfvm.emulator.maps.table import HEADER
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import FLAGS

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

NO_COMMON_LRU = FLAGS["no_common_lru"]


class LruHashed(Hashed):
    """What both have in common. A list's address of an element is that of its links, behind the table's."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec, EXTRA)
        kind = PerCpuLru if spec.flags & NO_COMMON_LRU else CommonLru
        self.lists: CommonLru | PerCpuLru = kind(
            system, spec.name, self.capacity, lambda: self.slab.allocate() + HEADER, self._drop
        )
        self.mark = self.table.value - HEADER - USED  # from a value back to its element's mark

    def rounded(self, cpus: int) -> int:
        """Each CPU's own lists have an equal share."""
        entries = self.spec.max_entries
        return -(-entries // cpus) * cpus if self.spec.flags & NO_COMMON_LRU else entries

    def release(self, element: int) -> None:
        self.clear_element(element)
        self.lists.push(element + HEADER)

    def use(self, found: int) -> int:
        """Mark the element of a value as used; 0 stays 0."""
        if found:
            self.words[found - self.mark >> 2] = 1
        return found

    def take(self) -> int:
        """An element that is in no table, or 0."""
        node = self.lists.pop()
        return node - HEADER if node else 0

    def _drop(self, node: int) -> None:
        self.table.remove(node - HEADER)
        self.clear_element(node - HEADER)


class LruHashMap(LruHashed):
    """An LRU hash map. Every update stores in another element."""

    def lookup(self, key: bytes) -> int:
        return self.use(self.table.get(key))

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        if flags > EXIST:
            return -errno.EINVAL
        element = self.take()
        if not element:
            return -errno.ENOMEM
        self.put(element + self.table.value, value)
        found = self.table.get(key)
        refused = refused_flags(found, flags)
        if refused:
            self.release(element)
            return refused
        old = found - self.table.value if found else 0
        if old:
            self.table.remove(old)
        self.table.insert(element, key, old)
        if old:
            self.use(element + self.table.value)
            self.release(old)
        return 0

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        assert isinstance(value, bytes), "checked by fill"
        return self.update(key, value, flags)


class LruPerCpuHashMap(LruHashed, PerCpu):
    """An LRU hash map with a value for each CPU, which stay in place."""

    def lookup(self, key: bytes) -> int:
        found = self.use(self.table.get(key))
        return found and found + self.system.cpu * self.stride

    def lookup_percpu(self, key: bytes, cpu: int) -> int:
        found = self.use(self.table.get(key)) if cpu < self.system.cpus else 0
        return found and found + cpu * self.stride

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        return self._store(key, value, flags)

    def _store(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        if flags > EXIST:
            return -errno.EINVAL
        element = 0
        if flags != EXIST:
            element = self.take()
            if not element:
                return -errno.ENOMEM
        found = self.table.get(key)
        refused = refused_flags(found, flags)
        if not refused and found:
            self.put_cpus(self.use(found), value)
        elif not refused:
            self.begin(element + self.table.value, value)
            self.table.insert(element, key)
            return 0
        if element:
            self.lists.push(element + HEADER)
        return refused

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        return self._store(key, value, flags)


TYPES: Mapping[str, MapClass] = {"lru_hash": LruHashMap, "lru_percpu_hash": LruPerCpuHashMap}
