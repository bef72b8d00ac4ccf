"""What user space can ask of a map in the kernel, one system call an operation: the answer, or the errno as a number.

The methods are those of the emulator's maps (`emulator.maps.MapStore`), so that both can be asked the same. Threads may
share one: each call has buffers of its own while it lasts.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Mapping
from typing import Protocol, TypeAlias

from bpfvm.kernel.host.sizes import BYTE_ORDER, object_id, possible_cpus
from bpfvm.kernel.maps.batch import descriptor
from bpfvm.kernel.readers.ring import stride
from bpfvm.kernel.readers.user_ring import UserRing
from bpfvm.kernel.sys import (
    MAP_DELETE_ELEM,
    MAP_GET_NEXT_KEY,
    MAP_LOOKUP_AND_DELETE,
    MAP_LOOKUP_ELEM,
    MAP_UPDATE_ELEM,
    Fd,
    MapElement,
    address,
    bpf,
)
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME

Answer: TypeAlias = "bytes | list[bytes] | int"  # a value, one value a CPU, or a negative errno

NO_DESCRIPTOR = (1 << 31) - 1
NAMED = ("prog", "map")


class Opened(Protocol):
    """A map behind a descriptor. named: what may stand in it, name -> descriptor."""

    @property
    def spec(self) -> MapSpec: ...

    @property
    def fd(self) -> Fd: ...

    @property
    def named(self) -> Mapping[str, int]: ...


class _Room:
    """Buffers of one call, with the attribute that points to them."""

    __slots__ = ("attr", "key", "value")

    def __init__(self, key_size: int, value_size: int) -> None:
        self.key = ctypes.create_string_buffer(max(key_size, 1))
        self.value = ctypes.create_string_buffer(max(value_size, 1))
        self.attr = MapElement(key=address(self.key) if key_size else 0, value=address(self.value))


class Calls:
    """bpf(2) on one map. What stands in maps by descriptor and id has a name here; unknown names are no descriptor."""

    def __init__(self, map: Opened) -> None:
        self.spec, row = map.spec, BY_NAME[map.spec.type]
        self._fd, self.named = map.fd, map.named
        self.cpus = possible_cpus() if row.per_cpu else 1
        self._per_cpu = row.per_cpu
        self._size = self.spec.value_size
        self._stride = (self._size + 7) // 8 * 8 if row.per_cpu else self._size
        self._holds = row.holds if row.holds in NAMED else ""
        self._given = row.name == "bloom_filter"
        self._ids: dict[int, str] = {}  # what stands in such maps comes out by id
        self._free: list[_Room] = []

    def sys_lookup(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_ELEM. `key` of a bloom filter is the value that is asked for."""
        if self._given:
            return self._asked(MAP_LOOKUP_ELEM, b"", flags, key)
        return self._asked(MAP_LOOKUP_ELEM, key, flags)

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int:
        """BPF_MAP_UPDATE_ELEM."""
        if isinstance(value, list):
            data = b"".join(one.ljust(self._stride, b"\0") for one in value)
        elif self._holds:
            data = self.named.get(value.decode(errors="replace"), NO_DESCRIPTOR).to_bytes(4, BYTE_ORDER)
        else:
            data = value
        return self.update_raw(key, data, flags)

    def update_raw(self, key: bytes, data: bytes, flags: int = 0) -> int:
        """BPF_MAP_UPDATE_ELEM of the bytes as the kernel takes them: a descriptor for what holds programs or maps."""
        room = self._room()
        try:
            ctypes.memmove(room.value, data, min(len(data), len(room.value)))
            return self._call(MAP_UPDATE_ELEM, room, key, flags)
        finally:
            self._free.append(room)

    def sys_delete(self, key: bytes) -> int:
        """BPF_MAP_DELETE_ELEM."""
        room = self._room()
        room.attr.value = 0  # the kernel wants no value here
        try:
            return self._call(MAP_DELETE_ELEM, room, key, 0)
        finally:
            room.attr.value = address(room.value)
            self._free.append(room)

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM."""
        return self._asked(MAP_LOOKUP_AND_DELETE, key, flags)

    def send(self, message: bytes) -> int:
        """A message into a user ring buffer; -EINVAL for other types of map."""
        if self.spec.type != "user_ringbuf":
            return -errno.EINVAL
        with UserRing.of(self._fd, self.spec.name, self.spec.max_entries) as ring:
            if stride(len(message)) > ring.free:
                return -errno.ENOSPC
            ring.send(message)
        return 0

    def next_key(self, key: bytes | None) -> bytes | int:
        """BPF_MAP_GET_NEXT_KEY."""
        room = _Room(self.spec.key_size, self.spec.key_size)
        if key is None:
            room.attr.key = 0
        number = self._call(MAP_GET_NEXT_KEY, room, key or b"", 0)
        return number or room.value.raw[: max(self.spec.key_size, 1)]

    def number_at(self, key: bytes) -> int:
        """The id of the program or map at `key`, or a negative errno."""
        room = self._room()
        try:
            return self._call(MAP_LOOKUP_ELEM, room, key, 0) or int.from_bytes(room.value.raw[:4], BYTE_ORDER)
        finally:
            self._free.append(room)

    def name_of(self, number: int) -> str:
        """The name of the program or map of this id; the id in decimal for what others put there."""
        if len(self._ids) < len(self.named):
            self._ids = {object_id(fd, self._holds): name for name, fd in self.named.items()}
        return self._ids.get(number, str(number))

    def _asked(self, command: int, key: bytes, flags: int, value: bytes = b"") -> Answer:
        room = self._room()
        try:
            if value:
                ctypes.memmove(room.value, value, min(len(value), len(room.value)))
            return self._call(command, room, key, flags) or self._shown(room.value.raw)
        finally:
            self._free.append(room)

    def _room(self) -> _Room:
        try:
            return self._free.pop()
        except IndexError:
            return _Room(self.spec.key_size, self._stride * self.cpus)

    def _call(self, command: int, room: _Room, key: bytes, flags: int) -> int:
        if key:
            ctypes.memmove(room.key, key, min(len(key), len(room.key)))
        attr = room.attr
        attr.map_fd, attr.flags = descriptor(self.spec, self._fd), flags
        try:
            bpf(command, attr)
        except OSError as error:
            return -(error.errno or 0)
        return 0

    def _shown(self, value: bytes) -> bytes | list[bytes]:
        size, stride = self._size, self._stride
        if self._per_cpu:
            return [value[cpu * stride : cpu * stride + size] for cpu in range(self.cpus)]
        if not self._holds:
            return value[:size]
        return self.name_of(int.from_bytes(value[:4], BYTE_ORDER)).encode()
