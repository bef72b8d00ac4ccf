"""BPF_MAP_TYPE_ARRAY: a flat run of values, each rounded up to 8 bytes, all zero at first.

Results are the kernel's, measured on 6.18, tested in this order: flags other than BPF_F_LOCK that are not one of the
three are -EINVAL, an index past the end is -E2BIG for update and no value for lookup, BPF_NOEXIST is -EEXIST because
every index exists, BPF_F_LOCK without a spin lock in the value is -EINVAL. Delete is -EINVAL.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Entries
from bpfvm.emulator.memory import MapRegion, Pointer, Region
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

ANY, NOEXIST, EXIST, LOCK = 0, 1, 2, 4  # flags of BPF_MAP_UPDATE_ELEM
RDONLY_PROG, WRONLY_PROG = 0x80, 0x100  # flags of BPF_MAP_CREATE: what programs may not do


class ArrayMap:
    """One array. Values stay at their addresses for good."""

    handle: MapRegion

    def __init__(self, system: System, spec: MapSpec) -> None:
        if spec.key_size != 4 or spec.value_size < 1 or spec.max_entries < 1:
            raise LoadError(
                f"map {spec.name}: an array has keys of 4 bytes, values of at least 1 and at least 1 entry, "
                f"not {spec.key_size}, {spec.value_size}, {spec.max_entries}"
            )
        self.spec = spec
        self.stride = (spec.value_size + 7) // 8 * 8
        self.values: Region = system.arena.allocate(f"{spec.name} value", self.stride * spec.max_entries, "map value")
        self.values.within = lambda offset: self.element(self.values.base + offset)
        self._elements: dict[int, Region] = {}
        if spec.initial is not None:
            if len(spec.initial) != spec.value_size:
                raise LoadError(
                    f"map {spec.name}: initial contents of {len(spec.initial)} bytes for a value of {spec.value_size}"
                )
            self.values.data[: spec.value_size] = spec.initial

    def element(self, address: int) -> Pointer:
        """A pointer to the value around `address`, or to the nearest one."""
        index = min(max(address - self.values.base, 0) // self.stride, self.spec.max_entries - 1)
        region = self._elements.get(index)
        if region is None:
            at, size, flags = index * self.stride, self.spec.value_size, self.spec.flags
            region = self._elements[index] = Region(
                f"{self.spec.name} value at {at}", self.values.base + at, size, "map value",
                self.values.data[at : at + size], not flags & RDONLY_PROG, not flags & WRONLY_PROG,
            )  # fmt: skip
        return Pointer(region, address - region.base)

    def direct(self, offset: int) -> Pointer:
        """What an lddw of the map's value loads. The kernel has it for arrays of one entry, as data sections are."""
        spec = self.spec
        if spec.max_entries != 1:
            raise LoadError(
                f"map {spec.name}: its value is addressed directly, which takes 1 entry, not {spec.max_entries}"
            )
        if not 0 <= offset < spec.value_size:
            raise LoadError(f"map {spec.name}: offset {offset} is outside of its value of {spec.value_size} bytes")
        return self.element(self.values.base).moved(offset)

    def lookup(self, key: bytes) -> int:
        """The address of the value under `key` (4 bytes), or 0."""
        index = int.from_bytes(key, "little")
        return self.values.base + index * self.stride if index < self.spec.max_entries else 0

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        """0, or a negative errno."""
        if flags & ~LOCK > EXIST:
            return -errno.EINVAL
        address = self.lookup(key)
        if not address:
            return -errno.E2BIG
        if flags & NOEXIST:
            return -errno.EEXIST
        if flags & LOCK:
            return -errno.EINVAL
        at = address - self.values.base
        self.values.data[at : at + len(value)] = value
        return 0

    def delete(self, key: bytes) -> int:
        """-EINVAL: an array keeps every index."""
        return -errno.EINVAL

    def reload(self) -> None:
        """All is in the arena."""

    def entries(self) -> Entries:
        """Every index with its value."""
        size, stride = self.spec.value_size, self.stride
        data = self.values.data
        return [
            (index.to_bytes(4, "little"), bytes(data[index * stride : index * stride + size]))
            for index in range(self.spec.max_entries)
        ]

    def fill(self, entries: Entries) -> None:
        """Store `entries` over what is there. LoadError for one that the map cannot hold."""
        for key, value in entries:
            if len(key) != self.spec.key_size:
                raise LoadError(f"map {self.spec.name}: a key must be {self.spec.key_size} bytes, not {len(key)}")
            if not isinstance(value, bytes) or len(value) != self.spec.value_size:
                raise LoadError(f"map {self.spec.name}: a value must be {self.spec.value_size} bytes")
            if self.update(key, value, ANY):
                index = int.from_bytes(key, "little")
                raise LoadError(f"map {self.spec.name}: index {index} is not below {self.spec.max_entries}")
