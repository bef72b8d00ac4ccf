"""Maps of where XDP programs redirect frames to: devmap, devmap_hash, cpumap, xskmap.

A target is what user space stored: a device's number, a queue's length on a CPU, a number for an AF_XDP socket. The
machine has no devices and no sockets: every device number from 1 on is taken for one that exists, every number but 0
for a socket that is bound to the queue of its index. CPUs are the machine's own. Layouts, in words of 4 bytes:

    devmap        for each index: device, 0 for none | 0 when values have 8 bytes
    cpumap        for each index: length of the queue, 0 for none | 0 when values have 8 bytes
    xskmap        for each index: number of the socket, 0 for none | the index, which programs read as the queue
    devmap_hash   first free element | elements in use | first element of each bucket, a power of two of them
                  for each element: next of its bucket | key | device | 0

In devmap_hash the bucket of a key is its low bits, and an element goes to the front, so that keys come in the kernel's
order. Errno are the kernel's, measured on 6.18 in this order: flags, index, BPF_NOEXIST, the value. A program that is
to run on the target (the second half of values of 8 bytes) is refused, because nothing runs there.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bpfvm.core.articles import an
from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps.array import next_index
from bpfvm.emulator.maps.store import EXIST, NOEXIST, RDONLY_PROG, Answer, Store
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

LONGEST_QUEUE = 16384


class Targets(Store):
    """Targets by index. words_each: of an element."""

    words_each = 2

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        if not 0 < spec.max_entries < 1 << 32:
            raise LoadError(f"map {spec.name}: {an(spec.type)} has at least 1 entry, not {spec.max_entries}")
        self.spec = replace(spec, flags=spec.flags | RDONLY_PROG)  # programs never write there
        self.stride = 4 * self.words_each
        self._targets = system.arena.allocate(f"{spec.name} value", self.stride * spec.max_entries, "map value", False)
        self._targets.within = lambda offset: self.element(self._targets.base + offset)

    def around(self, address: int) -> int:
        index = min(max(address - self._targets.base, 0) // self.stride, self.spec.max_entries - 1)
        return self._targets.base + index * self.stride

    def label(self, address: int) -> str:
        return f"{self.spec.name} value at {(address - self._targets.base) // self.stride}"

    def target(self, index: int) -> int:
        """Address of the element at an index, 0 where none stands there."""
        address = self._targets.base + index * self.stride
        return address if index < self.spec.max_entries and self.words[address >> 2] else 0

    def lookup(self, key: bytes) -> int:
        return self.target(int.from_bytes(key, "little"))

    def user_lookup(self, key: bytes) -> Answer:
        address = self.lookup(key)
        return self.get(address) if address else -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        index = int.from_bytes(key, "little")
        if flags > EXIST:
            return -errno.EINVAL
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        if flags == NOEXIST:
            return -errno.EEXIST
        assert isinstance(value, bytes), "checked by fill, and one value is all that user space can give"
        return self.put_target(index, int.from_bytes(value[:4], "little"), int.from_bytes(value[4:], "little"))

    def put_target(self, index: int, target: int, program: int) -> int:
        """0 or a negative errno. program: a descriptor as a u32, or what stands for none."""
        if _is_program(program):
            return -errno.EINVAL
        self._store(index, target)
        return 0

    def _store(self, index: int, target: int) -> None:
        self.words[self._targets.base + index * self.stride >> 2] = target

    def user_delete(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.spec.max_entries:
            return -errno.EINVAL
        self._store(index, 0)
        return 0

    def user_next(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.spec.max_entries)

    def why(self, number: int, key: bytes, value: bytes | list[bytes]) -> str:
        if isinstance(value, bytes) and _is_program(int.from_bytes(value[4:], "little")):
            return "a value names a program that runs on the target, and nothing runs there"
        return super().why(number, key, value)


def _is_program(descriptor: int) -> bool:
    return 0 < descriptor < 1 << 31


class DevMap(Targets):
    """Devices by index. Storing device 0 deletes."""

    def put_target(self, index: int, target: int, program: int) -> int:
        return -errno.EINVAL if target >= 1 << 31 else super().put_target(index, target, program)


class CpuMap(Targets):
    """Queues by the CPU that empties them. Storing a length of 0 deletes."""

    def lookup(self, key: bytes) -> int:
        raise self.refused("map_lookup_elem")

    def user_lookup(self, key: bytes) -> Answer:
        address = self.target(int.from_bytes(key, "little"))
        return self.get(address) if address else -errno.ENOENT

    def put_target(self, index: int, target: int, program: int) -> int:
        if target > LONGEST_QUEUE:
            return -errno.EOVERFLOW
        if index >= self.system.cpus:
            return -errno.ENODEV
        if not target:
            program = 0
        return -errno.ENOMEM if super().put_target(index, target, program) else 0

    def why(self, number: int, key: bytes, value: bytes | list[bytes]) -> str:
        if number == errno.ENODEV:
            index = int.from_bytes(key, "little")
            return f"the machine has no CPU {index}, it has {self.system.cpus} (ENODEV)"
        if number == errno.EOVERFLOW:
            return f"a queue has a length of at most {LONGEST_QUEUE} (EOVERFLOW)"
        return super().why(number, key, value)


class XskMap(Targets):
    """AF_XDP sockets by index. Programs see the queue that a socket is bound to, user space nothing."""

    def target(self, index: int) -> int:
        address = super().target(index)
        return address + 4 if address else 0

    def around(self, address: int) -> int:
        return super().around(address) + 4

    def user_lookup(self, key: bytes) -> Answer:
        return -errno.EOPNOTSUPP

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        index = int.from_bytes(key, "little")
        if flags > EXIST:
            return -errno.EINVAL
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        assert isinstance(value, bytes), "checked by fill, and one value is all that user space can give"
        number = int.from_bytes(value, "little")
        if not number:
            return -errno.ENOTSOCK
        there = self.target(index)
        if there and flags == NOEXIST:
            return -errno.EEXIST
        if not there and flags == EXIST:
            return -errno.ENOENT
        self._store(index, number)
        self.words[(self._targets.base + index * self.stride >> 2) + 1] = index
        return 0


class DevMapHash(Store):
    """Devices by any key. Device 0 is none that exists."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self.spec = replace(spec, flags=spec.flags | RDONLY_PROG)
        self._buckets = 1 << (spec.max_entries - 1).bit_length()
        table = system.arena.allocate(f"{spec.name} buckets", 4 * (2 + self._buckets), "map", False, False)
        self._memory = system.arena.allocate(f"{spec.name} value", 16 * spec.max_entries, "map value", False)
        self._memory.within = lambda offset: self.element(self._memory.base + offset)
        self._free, self._count, self._first = (table.base >> 2) + 0, (table.base >> 2) + 1, (table.base >> 2) + 2
        for index in reversed(range(spec.max_entries)):
            self._release(self._memory.base + 16 * index)

    def around(self, address: int) -> int:
        index = min(max(address - self._memory.base, 0) // 16, self.spec.max_entries - 1)
        return self._memory.base + 16 * index + 8

    def lookup(self, key: bytes) -> int:
        element = self._find(int.from_bytes(key, "little"))
        return element + 8 if element else 0

    def target(self, index: int) -> int:
        """Address of the device under a key, 0 where none stands there."""
        return self.lookup(index.to_bytes(4, "little"))

    def user_lookup(self, key: bytes) -> Answer:
        address = self.lookup(key)
        return self.get(address) if address else -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        assert isinstance(value, bytes), "checked by fill, and one value is all that user space can give"
        number, device = int.from_bytes(key, "little"), int.from_bytes(value[:4], "little")
        if flags > EXIST or not device:
            return -errno.EINVAL
        element = self._find(number)
        if element and flags == NOEXIST:
            return -errno.EEXIST
        if device >= 1 << 31 or _is_program(int.from_bytes(value[4:], "little")):
            return -errno.EINVAL
        if element:
            self.user_delete(key)  # what is stored again goes to the front, too
        element = self.words[self._free]
        if not element:
            return -errno.E2BIG
        self._insert(element, number)
        self.words[(element >> 2) + 2] = device
        return 0

    def user_delete(self, key: bytes) -> int:
        number = int.from_bytes(key, "little")
        at = self._first + (number & self._buckets - 1)
        words = self.words
        while words[at]:
            element = words[at]
            if words[(element >> 2) + 1] == number:
                words[at] = words[element >> 2]
                words[self._count] -= 1
                self._release(element)
                return 0
            at = element >> 2
        return -errno.ENOENT

    def user_next(self, key: bytes | None) -> bytes | int:
        words, bucket = self.words, 0
        element = self._find(int.from_bytes(key, "little")) if key is not None else 0
        if element:
            if words[element >> 2]:
                return words[(words[element >> 2] >> 2) + 1].to_bytes(4, "little")
            bucket = (words[(element >> 2) + 1] & self._buckets - 1) + 1
        for at in range(self._first + bucket, self._first + self._buckets):
            if words[at]:
                return words[(words[at] >> 2) + 1].to_bytes(4, "little")
        return -errno.ENOENT

    def _find(self, number: int) -> int:
        element = self.words[self._first + (number & self._buckets - 1)]
        while element and self.words[(element >> 2) + 1] != number:
            element = self.words[element >> 2]
        return element

    def _insert(self, element: int, number: int) -> None:
        words, at = self.words, self._first + (number & self._buckets - 1)
        words[self._free] = words[element >> 2]
        words[element >> 2], words[(element >> 2) + 1], words[at] = words[at], number, element
        words[self._count] += 1

    def _release(self, element: int) -> None:
        self.words[element >> 2], self.words[self._free] = self.words[self._free], element


TYPES: Mapping[str, MapClass] = {"cpumap": CpuMap, "devmap": DevMap, "devmap_hash": DevMapHash, "xskmap": XskMap}
