"""What of this host the kernel sizes and orders the contents of maps by."""

from __future__ import annotations

import ctypes
import functools
import sys
from pathlib import Path
from typing import Literal

from bpfvm.kernel.sys import OBJ_GET_INFO_BY_FD, ObjectInfo, bpf

BYTE_ORDER: Literal["little", "big"] = sys.byteorder
POSSIBLE = Path("/sys/devices/system/cpu/possible")  # what the kernel sizes per-CPU values by, not those online


@functools.cache
def possible_cpus() -> int:
    """How many values a per-CPU element has."""
    last = POSSIBLE.read_text(encoding="ascii").strip().split(",")[-1]
    return int(last.rpartition("-")[2]) + 1


def object_id(fd: int, what: str) -> int:
    """The kernel's id of the program or map behind a descriptor: the second word of its information."""
    words = (ctypes.c_uint32 * 2)()
    attr = ObjectInfo(fd=fd, info_len=ctypes.sizeof(words), info=ctypes.addressof(words))
    bpf(OBJ_GET_INFO_BY_FD, attr)
    return int(words[1])
