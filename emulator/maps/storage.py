"""Storage that belongs to objects of the kernel: sk_storage, inode_storage, task_storage, cgrp_storage, and the older
cgroup_storage and percpu_cgroup_storage. Layouts:

    by object    u32 first element in use | for each element, in a slab (slab.py): u32 next in use | u32 the slab's
                 | u64 address of the object | value
    of a cgroup  one value, percpu: one for each CPU

A program's object is the memory that a helper or its context gave it, or a place in the kernel's memory that the input
gives; a context's socket is another one in each run. User space has no descriptors of any here: there is nothing that
it could look up or store. The cgroup storage is that of the one cgroup that a program runs for; it is zero at the
beginning of each run, as in BPF_PROG_TEST_RUN (measured on 6.18).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Entries
from bpfvm.emulator.maps.slab import Slab
from bpfvm.emulator.maps.store import EXIST, Answer, Store
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

HEADER = 16
MOST = 1 << 20  # objects that have a value at a time


class ObjectStorage(Store):
    """Values by object."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        place = system.arena.allocate(f"{spec.name} objects", 8, "map", False, False)
        self._first = place.base >> 2
        self._slab = Slab(system, spec.name, HEADER + self.stride, MOST, self.element)
        self._values: dict[int, int] = {}  # object -> address of its value
        system.sources.append(self)

    def around(self, address: int) -> int:
        return self._slab.start(address) + HEADER

    def reload(self) -> None:
        self._values.clear()
        element = self.words[self._first]
        while element:
            self._values[int.from_bytes(self.view[element + 8 : element + 16], "little")] = element + HEADER
            element = self.words[element >> 2]

    def begin(self) -> None:
        """The sockets of the contexts of earlier runs are gone."""
        for owner in list(self._values):
            place = self.system.arena.find(owner)
            if place is not None and place.kind == "socket":
                self.remove(owner)

    def take(self) -> tuple[list[bytes], int]:
        """No records."""
        return [], 0

    def value_of(self, owner: int) -> int:
        """Address of the value of the object at `owner`, 0 where it has none."""
        return self._values.get(owner, 0)

    def add(self, owner: int, value: bytes | None) -> int:
        """A value for an object that has none, of zeros where none is given: its address, 0 where there is no room."""
        element = self._slab.allocate()
        if not element:
            return 0
        self.words[element >> 2], self.words[self._first] = self.words[self._first], element
        self.view[element + 8 : element + 16] = owner.to_bytes(8, "little")
        address = self._values[owner] = element + HEADER
        self.view[address : address + self.stride] = bytes(self.stride)
        if value is not None:
            self.put(address, value)
        return address

    def remove(self, owner: int) -> int:
        """0, or -ENOENT."""
        address = self._values.pop(owner, 0)
        if not address:
            return -errno.ENOENT
        element, at = address - HEADER, self._first
        while self.words[at] != element:
            at = self.words[at] >> 2
        self.words[at] = self.words[element >> 2]
        self.clear(address)
        self._slab.free(element)
        return 0

    def user_lookup(self, key: bytes) -> Answer:
        return -errno.EBADF

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        return -errno.EBADF

    def user_delete(self, key: bytes) -> int:
        return -errno.EBADF

    def entries(self) -> Entries:
        """None: user space looks one up by its object's descriptor."""
        return []

    def fill(self, entries: Entries) -> None:
        """LoadError for any entry."""
        if entries:
            raise LoadError(
                f"map {self.spec.name}: its values belong to objects of the kernel, which only programs name"
            )


class CgroupStorage(Store):
    """The value of the cgroup that the program runs for."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self._cpus = system.cpus if spec.type == "percpu_cgroup_storage" else 1
        self._value = system.arena.allocate(f"{spec.name} value", self.stride * self._cpus, "map value")
        self._value.within = lambda offset: self.element(self._value.base + offset)
        system.sources.append(self)

    def around(self, address: int) -> int:
        return self._value.base + min(max(address - self._value.base, 0) // self.stride, self._cpus - 1) * self.stride

    def local(self) -> int:
        """Address of the value, on the CPU that runs."""
        return self._value.base + (self.system.cpu * self.stride if self._cpus > 1 else 0)

    def begin(self) -> None:
        """Zero for each run."""
        self._value.data[:] = bytes(self._value.size)

    def take(self) -> tuple[list[bytes], int]:
        """No records."""
        return [], 0

    def user_lookup(self, key: bytes) -> Answer:
        return -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        return -errno.EINVAL if flags not in (0, EXIST) else -errno.ENOENT

    def user_delete(self, key: bytes) -> int:
        return -errno.EINVAL

    def user_next(self, key: bytes | None) -> bytes | int:
        return -errno.ENOENT

    def fill(self, entries: Entries) -> None:
        """LoadError for any entry."""
        if entries:
            raise LoadError(
                f"map {self.spec.name}: its values belong to cgroups that a program is attached to; none is"
            )


TYPES: Mapping[str, MapClass] = {
    "cgroup_storage": CgroupStorage,
    "cgrp_storage": ObjectStorage,
    "inode_storage": ObjectStorage,
    "percpu_cgroup_storage": CgroupStorage,
    "sk_storage": ObjectStorage,
    "task_storage": ObjectStorage,
}
