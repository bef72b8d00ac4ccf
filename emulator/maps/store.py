"""What all maps have in common: memory, fields that are the kernel's, the checks of bpf(2), refusals of the rest.

A type overrides what it can do: `lookup` and its kin for programs, `user_lookup` and its kin for user space, which are
called once the system call's own checks are passed. Order of those, measured on 6.18: unknown flags of a lookup
(-EINVAL), what BPF_F_RDONLY and BPF_F_WRONLY forbid (-EPERM), BPF_F_LOCK without a lock in the value (-EINVAL).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Entries
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.maps.declaration import check
from bpfvm.emulator.maps.fields import special_fields
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.memory import MapRegion, Pointer, Region
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME, FLAGS

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

Answer: TypeAlias = "bytes | list[bytes] | int"  # a value, one value a CPU, or a negative errno

ANY, NOEXIST, EXIST, LOCK = 0, 1, 2, 4  # flags of BPF_MAP_UPDATE_ELEM
RDONLY, WRONLY = FLAGS["rdonly"], FLAGS["wronly"]  # what user space may only do
RDONLY_PROG, WRONLY_PROG = FLAGS["rdonly_prog"], FLAGS["wronly_prog"]  # what programs may only do
ENOTSUPP = 524  # include/linux/errno.h; no uapi header and no table of Python has it


def padded(size: int) -> int:
    """`size` rounded up to the 8 bytes that values and keys are aligned to."""
    return (size + 7) & ~7


class Store:
    """One map.

    fields: what in a value is the kernel's. has_lock: whether a value has a lock, which BPF_F_LOCK takes.
    stride: bytes from one CPU's value to the next.
    """

    handle: MapRegion

    def __init__(self, system: System, spec: MapSpec) -> None:
        """LoadError for a declaration that the kernel refuses."""
        check(spec)
        self.system, self.spec = system, spec
        self.view = system.arena.view
        self.words = self.view.cast("I")  # in the host's byte order, as all tiers read them
        self.stride = padded(spec.value_size)
        self.fields = special_fields(spec, system.spec.btf)
        self.has_lock = any(one.kind == "lock" for one in self.fields)
        self._elements: dict[int, Region] = {}

    # the machine

    def element(self, address: int) -> Pointer:
        """A pointer to `address`, bounded by the key or the value around it, or the nearest value."""
        region = self._elements.get(address)
        if region is None:
            region = self._bounded(address)
        return Pointer(region, address - region.base)

    def _bounded(self, address: int) -> Region:
        """What `address` is in; one region an element, because it knows the pointers that are stored there."""
        key = self.key_around(address)
        base = key or self.around(address)
        region = self._elements.get(base)
        if region is None:
            spec, size = self.spec, self.spec.key_size if key else self.spec.value_size
            name, kind = (f"{spec.name} key", "map key") if key else (self.label(base), "map value")
            region = self._elements[base] = Region(
                name, base, size, kind, self.view[base : base + size],
                not key and not spec.flags & RDONLY_PROG, not spec.flags & WRONLY_PROG, owner=self,
            )  # fmt: skip
        return region

    def key_around(self, address: int) -> int:
        """Where the key begins that `address` is in, 0 where it is in none."""
        return 0

    def around(self, address: int) -> int:
        """Where the value begins that `address` is in, or the nearest one."""
        return address

    def label(self, address: int) -> str:
        """What faults call the value that begins at `address`."""
        return f"{self.spec.name} value"

    def direct(self, offset: int) -> Pointer:
        """LoadError: the kernel addresses values of arrays only."""
        raise LoadError(f"map {self.spec.name}: its value is addressed directly, which takes an array of 1 entry")

    def reload(self) -> None:
        """Nothing is kept beside the arena."""

    def walk(self) -> Iterator[tuple[int, int]]:
        raise self.refused("for_each_map_elem")

    # programs

    def lookup(self, key: bytes) -> int:
        raise self.refused("map_lookup_elem")

    def lookup_percpu(self, key: bytes, cpu: int) -> int:
        raise self.refused("map_lookup_percpu_elem")

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        raise self.refused("map_update_elem")

    def delete(self, key: bytes) -> int:
        raise self.refused("map_delete_elem")

    def push(self, value: bytes, flags: int) -> int:
        raise self.refused("map_push_elem")

    def pop(self) -> tuple[int, bytes]:
        raise self.refused("map_pop_elem")

    def peek(self) -> tuple[int, bytes]:
        raise self.refused("map_peek_elem")

    def contains(self, value: bytes) -> int:
        raise self.refused("map_peek_elem")

    def refused(self, helper: str) -> Stop:
        """The machine fault of a call that no kernel would have loaded."""
        return Stop("helper", f"map {self.spec.name}: {refusal(self.spec.type, helper)}")

    # user space: memory that it shares with the kernel

    def send(self, message: bytes) -> int:
        """A message into a ring that programs drain; -EINVAL for other types."""
        return -errno.EINVAL

    # user space: the system call

    def sys_lookup(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_ELEM."""
        if flags & ~LOCK:
            return -errno.EINVAL
        if self.spec.flags & WRONLY:
            return -errno.EPERM
        if flags and not self.has_lock:
            return -errno.EINVAL
        return self.user_lookup(key)

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int:
        """BPF_MAP_UPDATE_ELEM."""
        if self.spec.flags & RDONLY:
            return -errno.EPERM
        if flags & LOCK and not self.has_lock:
            return -errno.EINVAL
        return self.user_update(key, value, flags)

    def sys_delete(self, key: bytes) -> int:
        """BPF_MAP_DELETE_ELEM."""
        return -errno.EPERM if self.spec.flags & RDONLY else self.user_delete(key)

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM."""
        if flags & ~LOCK:
            return -errno.EINVAL
        if self.spec.flags & (RDONLY | WRONLY):
            return -errno.EPERM
        if flags and not self.has_lock:
            return -errno.EINVAL
        return self.user_pop(key)

    def next_key(self, key: bytes | None) -> bytes | int:
        """BPF_MAP_GET_NEXT_KEY."""
        return -errno.EPERM if self.spec.flags & WRONLY else self.user_next(key)

    # user space: what a type does

    def user_lookup(self, key: bytes) -> Answer:
        return -ENOTSUPP

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        return -ENOTSUPP

    def user_delete(self, key: bytes) -> int:
        return -ENOTSUPP

    def user_pop(self, key: bytes) -> Answer:
        return -ENOTSUPP

    def user_next(self, key: bytes | None) -> bytes | int:
        return -ENOTSUPP

    def entries(self) -> Entries:
        """Every element that user space can read: keys that are numbers in their order, others by their bytes."""
        found: Entries = []
        key = self.user_next(None)
        while isinstance(key, bytes):
            value = self.user_lookup(key)
            if not isinstance(value, int):
                found.append((key, value))
            key = self.user_next(key)
        if BY_NAME[self.spec.type].key_size == 4:
            return sorted(found, key=lambda one: int.from_bytes(one[0], "little"))
        return sorted(found, key=lambda one: one[0])

    def fill(self, entries: Entries) -> None:
        """Store `entries` as user space does. LoadError for one that the map cannot hold."""
        for key, value in entries:
            self._check_entry(key, value)
            number = -self.sys_update(key, value)
            if number:
                raise LoadError(f"map {self.spec.name}: {self.why(number, key, value)}")

    def why(self, number: int, key: bytes, value: bytes | list[bytes]) -> str:
        """In words, why an update was refused with this errno."""
        name = errno.errorcode.get(number, "ENOTSUPP" if number == ENOTSUPP else str(number))
        if number == errno.E2BIG and "array" in self.spec.type:
            return f"index {int.from_bytes(key, 'little')} is not below {self.spec.max_entries}"
        which = f"key {key.hex()} (in hex)" if key else "this value"
        if number in (errno.E2BIG, errno.ENOSPC):
            return f"there is no room for {which}, max_entries is {self.spec.max_entries} ({name})"
        if number == errno.EPERM:
            return f"its flags ({self.spec.flags:#x}) forbid user space to write it ({name})"
        return f"{which} cannot be stored ({name})"

    def _check_entry(self, key: bytes, value: bytes | list[bytes]) -> None:
        name, spec = self.spec.name, self.spec
        if len(key) != spec.key_size:
            raise LoadError(f"map {name}: a key must be {octets(spec.key_size)}, not {len(key)}")
        self.check_value(value)

    def check_value(self, value: bytes | list[bytes]) -> None:
        """LoadError for what is no value of the declared size."""
        if not isinstance(value, bytes) or len(value) != self.spec.value_size:
            raise LoadError(f"map {self.spec.name}: a value must be {octets(self.spec.value_size)}")

    # values in memory

    def put(self, address: int, value: bytes) -> None:
        """Write a value, all but what is the kernel's."""
        if not self.fields:
            self.view[address : address + len(value)] = value
            return
        at = 0
        for one in self.fields:
            self.view[address + at : address + one.offset] = value[at : one.offset]
            at = one.offset + one.size
        self.view[address + at : address + len(value)] = value[at:]

    def get(self, address: int) -> bytes:
        """A value as user space sees it: zeros where it is the kernel's, 1 for a count of references."""
        value = self.view[address : address + self.spec.value_size]
        if not self.fields:
            return bytes(value)
        seen = bytearray(value)
        for one in self.fields:
            seen[one.offset : one.offset + one.size] = (one.kind == "count").to_bytes(one.size, "little")
        return bytes(seen)

    def shown(self, address: int) -> bytes | list[bytes]:
        """What user space sees of the value at an address."""
        return self.get(address)

    def clear(self, address: int, also: str = "") -> None:
        """Zero what is the kernel's in a value that is let go of: a timer of zeros is cancelled. also: "lock"."""
        for one in self.fields:
            if one.kind != "lock" or also:
                self.view[address + one.offset : address + one.offset + one.size] = bytes(one.size)


class Plain(Store):
    """A map of one value a key, which user space reads and changes as programs do."""

    def user_lookup(self, key: bytes) -> Answer:
        address = self.lookup(key)
        return self.shown(address) if address else -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        assert isinstance(value, bytes), "checked by fill, and one value is all that user space can give"
        return self.update(key, value, flags)

    def user_delete(self, key: bytes) -> int:
        return self.delete(key)


class PerCpu(Store):
    """A map with a value for each CPU, `stride` bytes apart; user space sees all of them at once."""

    def check_value(self, value: bytes | list[bytes]) -> None:
        """LoadError for what is no list of values, one a CPU."""
        size, cpus = self.spec.value_size, self.system.cpus
        if not isinstance(value, list) or len(value) != cpus:
            raise LoadError(f"map {self.spec.name}: a value must be a list of {cpus}, one a CPU")
        if any(len(one) != size for one in value):
            raise LoadError(f"map {self.spec.name}: each CPU's value must be {octets(size)}")

    def shown(self, address: int) -> bytes | list[bytes]:
        """The values of all CPUs, of which `address` is the first."""
        return [self.get(address + cpu * self.stride) for cpu in range(self.system.cpus)]

    def begin(self, address: int, value: bytes | list[bytes]) -> None:
        """The first values of an element: zeros where none is given."""
        size = self.stride * self.system.cpus
        self.view[address : address + size] = bytes(size)
        self.put_cpus(address, value)

    def put_cpus(self, address: int, value: bytes | list[bytes]) -> None:
        """Write the values of all CPUs, the first at `address`, or with one value that of the CPU that runs."""
        if isinstance(value, list):
            for cpu, one in enumerate(value):
                self.put(address + cpu * self.stride, one)
        else:
            self.put(address + self.system.cpu * self.stride, value)
