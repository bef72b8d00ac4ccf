"""The memory of an array that the kernel shares with user space (BPF_F_MMAPABLE, Linux 5.5): no call for a value.

Values lie side by side, each at a multiple of 8 bytes (array_map_alloc). What is stored here is seen by programs at
once, and the other way round. A frozen map can be read only.
"""

from __future__ import annotations

import errno
import mmap

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.kernel.maps.batch import descriptor
from bpfvm.kernel.sys import Fd, error_name
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import FLAGS


def is_mapped(spec: MapSpec) -> bool:
    """Whether the map's values can be mapped."""
    return spec.type == "array" and bool(spec.flags & FLAGS["mmapable"])


class Mapped:
    """The values of one array. stride: bytes from one to the next. writeable: whether it may be stored to."""

    def __init__(self, spec: MapSpec, fd: Fd) -> None:
        """Raises UsageError for a map whose values are not shared, Unavailable for what the kernel refuses."""
        if not is_mapped(spec):
            raise UsageError(
                f"map {spec.name}: the values of {spec.type} maps without flag BPF_F_MMAPABLE are no memory of this "
                "process; use to_numpy() for a copy, or declare an array with that flag"
            )
        self.stride = (spec.value_size + 7) // 8 * 8
        size = self.stride * spec.max_entries
        self.memory, self.writeable = _mapped(spec, descriptor(spec, fd), size)

    def slot(self, index: int, size: int) -> memoryview:
        """The `size` bytes of a value."""
        return memoryview(self.memory)[index * self.stride : index * self.stride + size]


def _mapped(spec: MapSpec, number: int, size: int) -> tuple[mmap.mmap, bool]:
    refused = 0
    for access in (mmap.PROT_READ | mmap.PROT_WRITE, mmap.PROT_READ):
        try:
            return mmap.mmap(number, size, mmap.MAP_SHARED, access), access != mmap.PROT_READ
        except OSError as error:
            refused = error.errno or 0
            if refused not in (errno.EPERM, errno.EACCES):
                break
    raise Unavailable(f"map {spec.name}: its memory cannot be mapped ({error_name(refused)})")
