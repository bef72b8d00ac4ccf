"""What user space can ask of a map in the kernel, one system call an operation: the answer, or the errno as a number.

The methods are those of the emulator's maps (`emulator.maps.MapStore`), so that both can be asked the same.
"""

from __future__ import annotations

import ctypes
from typing import TypeAlias

from bpfvm.kernel.elements import BYTE_ORDER, object_id, possible_cpus
from bpfvm.kernel.maps import KernelMap
from bpfvm.kernel.sys import (
    MAP_DELETE_ELEM,
    MAP_GET_NEXT_KEY,
    MAP_LOOKUP_AND_DELETE,
    MAP_LOOKUP_ELEM,
    MAP_UPDATE_ELEM,
    MapElement,
    address,
    bpf,
)
from bpfvm.tables.maps import BY_NAME

Answer: TypeAlias = "bytes | list[bytes] | int"  # a value, one value a CPU, or a negative errno

_NO_DESCRIPTOR = (1 << 31) - 1
_NAMED = ("prog", "map")


class Calls:
    """bpf(2) on one map. What stands in maps by descriptor and id has a name here; unknown names are no descriptor."""

    def __init__(self, map: KernelMap) -> None:
        spec, row = map.spec, BY_NAME[map.spec.type]
        self._fd, self._named = map.fd, map.named
        self._cpus = possible_cpus() if row.per_cpu else 0
        self._size, self._stride = spec.value_size, (spec.value_size + 7) // 8 * 8 if row.per_cpu else spec.value_size
        self._holds = row.holds if row.holds in _NAMED else ""
        self._given = row.name == "bloom_filter"
        self._ids: dict[int, str] = {}  # what stands in such maps comes out by id
        self._key = ctypes.create_string_buffer(max(spec.key_size, 1))
        self._key_size = spec.key_size
        self._value = ctypes.create_string_buffer(self._stride * max(self._cpus, 1))

    def sys_lookup(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_ELEM. `key` of a bloom filter is the value that is asked for."""
        if self._given:
            self._value.raw = key
            return self._call(MAP_LOOKUP_ELEM, b"", flags) or self._shown()
        return self._call(MAP_LOOKUP_ELEM, key, flags) or self._shown()

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int:
        """BPF_MAP_UPDATE_ELEM."""
        if isinstance(value, list):
            self._value.raw = b"".join(one.ljust(self._stride, b"\0") for one in value)
        elif self._holds:
            number = self._named.get(value.decode(errors="replace"), _NO_DESCRIPTOR)
            self._value.raw = number.to_bytes(4, BYTE_ORDER)
        else:
            self._value.raw = value
        return self._call(MAP_UPDATE_ELEM, key, flags)

    def sys_delete(self, key: bytes) -> int:
        """BPF_MAP_DELETE_ELEM."""
        return self._call(MAP_DELETE_ELEM, key, 0)

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM."""
        return self._call(MAP_LOOKUP_AND_DELETE, key, flags) or self._shown()

    def next_key(self, key: bytes | None) -> bytes | int:
        """BPF_MAP_GET_NEXT_KEY."""
        if key is not None and self._key_size:
            self._key.raw = key
        found = ctypes.create_string_buffer(max(self._key_size, 1))
        attr = MapElement(
            map_fd=self._fd.number, key=address(self._key) if key is not None and self._key_size else 0,
            value=address(found),
        )  # fmt: skip
        try:
            bpf(MAP_GET_NEXT_KEY, attr)
        except OSError as error:
            return -(error.errno or 0)
        return found.raw

    def _call(self, command: int, key: bytes, flags: int) -> int:
        if self._key_size:
            self._key.raw = key
        attr = MapElement(
            map_fd=self._fd.number, key=address(self._key) if self._key_size else 0, value=address(self._value),
            flags=flags,
        )  # fmt: skip
        if command == MAP_DELETE_ELEM:
            attr.value = 0
        try:
            bpf(command, attr)
        except OSError as error:
            return -(error.errno or 0)
        return 0

    def _shown(self) -> bytes | list[bytes]:
        value, size, stride = self._value.raw, self._size, self._stride
        if self._cpus:
            return [value[cpu * stride : cpu * stride + size] for cpu in range(self._cpus)]
        if not self._holds:
            return value[:size]
        number = int.from_bytes(value[:4], BYTE_ORDER)
        if len(self._ids) < len(self._named):
            self._ids = {object_id(fd, self._holds): name for name, fd in self._named.items()}
        return self._ids.get(number, str(number)).encode()
