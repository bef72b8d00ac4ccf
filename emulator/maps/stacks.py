"""BPF_MAP_TYPE_STACK_TRACE and BPF_MAP_TYPE_CGROUP_ARRAY: maps of what the machine has none of.

Nothing can be stored in them: no call stack leads to an emulated program, and a cgroup is stored by its descriptor. So
they hold nothing in the arena. Errno are the kernel's for an empty map, measured on 6.18.
"""

from __future__ import annotations

import errno

from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps.array import next_index
from bpfvm.emulator.maps.store import Answer, Store


class StackTrace(Store):
    """Call stacks by number. There is room for a power of two of them."""

    def user_lookup(self, key: bytes) -> Answer:
        return -errno.ENOENT

    def user_pop(self, key: bytes) -> Answer:
        return -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        return -errno.EINVAL

    def user_delete(self, key: bytes) -> int:
        room = 1 << (self.spec.max_entries - 1).bit_length()
        return -errno.ENOENT if int.from_bytes(key, "little") < room else -errno.E2BIG

    def user_next(self, key: bytes | None) -> bytes | int:
        return -errno.ENOENT

    def check_value(self, value: bytes | list[bytes]) -> None:
        raise LoadError(f"map {self.spec.name}: call stacks are stored by programs only")


class CgroupArray(Store):
    """Cgroups by index."""

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        if flags:
            return -errno.EINVAL
        return -errno.EBADF if int.from_bytes(key, "little") < self.spec.max_entries else -errno.E2BIG

    def user_delete(self, key: bytes) -> int:
        return -errno.ENOENT if int.from_bytes(key, "little") < self.spec.max_entries else -errno.E2BIG

    def user_next(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.spec.max_entries)

    def check_value(self, value: bytes | list[bytes]) -> None:
        raise LoadError(f"map {self.spec.name}: a cgroup is stored by its descriptor, and the machine has none")
