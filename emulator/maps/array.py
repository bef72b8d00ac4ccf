"""BPF_MAP_TYPE_ARRAY: a flat run of values, each rounded up to 8 bytes, all zero at first.

Results are the kernel's, measured on 6.18: an index past the end is -E2BIG for update and no value for lookup,
BPF_NOEXIST is -EEXIST because every index exists, delete is -EINVAL, as are flags that are not known.
"""

from __future__ import annotations

import errno

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Entries
from bpfvm.emulator.memory import Arena, Region
from bpfvm.obj.model import MapSpec

ANY, NOEXIST, EXIST = range(3)  # flags of BPF_MAP_UPDATE_ELEM


class ArrayMap:
    """One array. Values stay at their addresses for good."""

    def __init__(self, arena: Arena, spec: MapSpec) -> None:
        if spec.key_size != 4 or spec.value_size < 1 or spec.max_entries < 1:
            raise LoadError(
                f"map {spec.name}: an array has keys of 4 bytes, values of at least 1 and at least 1 entry, "
                f"not {spec.key_size}, {spec.value_size}, {spec.max_entries}"
            )
        self.spec = spec
        self.stride = (spec.value_size + 7) // 8 * 8
        self.values: Region = arena.allocate(f"{spec.name} value", self.stride * spec.max_entries, "map value")
        if spec.initial is not None:
            self.values.data[: len(spec.initial)] = spec.initial

    def lookup(self, key: bytes) -> int:
        """The address of the value under `key` (4 bytes), or 0."""
        index = int.from_bytes(key, "little")
        return self.values.base + index * self.stride if index < self.spec.max_entries else 0

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        """0, or a negative errno."""
        if flags > EXIST:
            return -errno.EINVAL
        address = self.lookup(key)
        if not address:
            return -errno.E2BIG
        if flags == NOEXIST:
            return -errno.EEXIST
        at = address - self.values.base
        self.values.data[at : at + len(value)] = value
        return 0

    def delete(self, key: bytes) -> int:
        """-EINVAL: an array keeps every index."""
        return -errno.EINVAL

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
            if not isinstance(value, bytes) or len(value) != self.spec.value_size:
                raise LoadError(f"map {self.spec.name}: a value must be {self.spec.value_size} bytes")
            if self.update(key, value, ANY):
                index = int.from_bytes(key, "little")
                raise LoadError(f"map {self.spec.name}: index {index} is not below {self.spec.max_entries}")
