"""BPF_MAP_TYPE_STACK_TRACE and BPF_MAP_TYPE_CGROUP_ARRAY: call stacks that programs were in; cgroups, of which
there are none.

A stack's number is its hash below the number of places, so equal stacks have equal numbers on every machine and in the
kernel. A cgroup is stored by its descriptor, and nothing can be. Errno are the kernel's, measured on 6.18.
"""

from __future__ import annotations

import errno
import struct
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps.descriptors import DescriptorArray
from bpfvm.emulator.maps.jhash import jhash
from bpfvm.emulator.maps.store import Answer, Store
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import FLAGS

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

FRAME, BUILD_ID_BYTES = 8, 32  # bytes of an address; of struct bpf_stack_build_id
_IP = 2  # BPF_STACK_BUILD_ID_IP: an address, because the file that it is in is not known
_HEAD = struct.Struct("<II")  # of a place: how many frames, 0 where it is empty; their hash


def cells(frames: Sequence[int], by_file: bool) -> bytes:
    """Frames as they are stored: addresses, or struct bpf_stack_build_id."""
    if by_file:
        return b"".join(struct.pack("<I20xQ", _IP, one) for one in frames)
    return struct.pack(f"<{len(frames)}Q", *frames)


class StackTrace(Store):
    """Call stacks by number. There is room for a power of two of them; depth: frames of each."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self._by_file = bool(spec.flags & FLAGS["stack_build_id"])
        self.depth = spec.value_size // (BUILD_ID_BYTES if self._by_file else FRAME)
        self._room = 1 << (spec.max_entries - 1).bit_length()
        self._size = _HEAD.size + self.stride
        self._places = system.arena.allocate(
            f"{spec.name} value", self._room * self._size, "stacks", writable=False, readable=False
        )
        self._held: list[int] = []  # numbers of those that are there, in order

    def reload(self) -> None:
        self._held = [at for at in range(self._room) if self._head(at)[0]]

    def keep(self, frames: Sequence[int], fast: bool, reuse: bool) -> int:
        """The number of a stack, which is stored. fast: an equal hash is enough. reuse: another stack with this number
        makes room; else it is -EEXIST."""
        plain = cells(frames, False)
        hashed = jhash(plain)
        number, data = hashed & self._room - 1, cells(frames, self._by_file)
        count, known = self._head(number)
        if count:
            if known == hashed and (fast or (count == len(frames) and self._data(number)[: len(data)] == data)):
                return number
            if not reuse:
                return -errno.EEXIST
        else:
            insort(self._held, number)
        at = number * self._size
        _HEAD.pack_into(self._places.data, at, len(frames), hashed)
        self._places.data[at + _HEAD.size : at + self._size] = data.ljust(self.stride, b"\0")
        return number

    def _head(self, number: int) -> tuple[int, int]:
        count, hashed = _HEAD.unpack_from(self._places.data, number * self._size)
        return count, hashed

    def _data(self, number: int) -> bytes:
        at = number * self._size + _HEAD.size
        return bytes(self._places.data[at : at + self.spec.value_size])

    def user_lookup(self, key: bytes) -> Answer:
        number = int.from_bytes(key, "little")
        return self._data(number) if number < self._room and self._head(number)[0] else -errno.ENOENT

    def user_pop(self, key: bytes) -> Answer:
        found = self.user_lookup(key)
        if not isinstance(found, int):
            self.user_delete(key)
        return found

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        return -errno.EINVAL

    def user_delete(self, key: bytes) -> int:
        number = int.from_bytes(key, "little")
        if number >= self._room:
            return -errno.E2BIG
        if not self._head(number)[0]:
            return -errno.ENOENT
        _HEAD.pack_into(self._places.data, number * self._size, 0, 0)
        self._held.remove(number)
        return 0

    def user_next(self, key: bytes | None) -> bytes | int:
        last = int.from_bytes(key, "little") if key is not None else self._room
        at = bisect_right(self._held, last) if last < self._room else 0
        return self._held[at].to_bytes(4, "little") if at < len(self._held) else -errno.ENOENT

    def check_value(self, value: bytes | list[bytes]) -> None:
        raise LoadError(f"map {self.spec.name}: call stacks are stored by programs only")


class CgroupArray(DescriptorArray):
    """Cgroups by index."""

    def check_value(self, value: bytes | list[bytes]) -> None:
        raise LoadError(f"map {self.spec.name}: a cgroup is stored by its descriptor, and the machine has none")


TYPES: Mapping[str, MapClass] = {"cgroup_array": CgroupArray, "stack_trace": StackTrace}
