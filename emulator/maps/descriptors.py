"""Arrays that user space fills with descriptors of the host's objects, of which the machine has none."""

from __future__ import annotations

import errno

from bpfvm.emulator.maps.array import next_index
from bpfvm.emulator.maps.store import Store


class DescriptorArray(Store):
    """What they answer user space (errno as on 6.18): no descriptor is taken, nothing is there to be deleted."""

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        if flags:
            return -errno.EINVAL
        return -errno.EBADF if int.from_bytes(key, "little") < self.spec.max_entries else -errno.E2BIG

    def user_delete(self, key: bytes) -> int:
        return -errno.ENOENT if int.from_bytes(key, "little") < self.spec.max_entries else -errno.E2BIG

    def user_next(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.spec.max_entries)
