"""mmap(2) at an address, which Python's own module has no call for."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from functools import cache

MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE = 2, 0x10, 0x20, 0x4000


def put_file(place: int, size: int, number: int, offset: int) -> int:
    """Pages of the file with that descriptor, whose changes stay here, in place of what is mapped there: 0 or errno."""
    return _put(place, size, MAP_PRIVATE | MAP_FIXED, number, offset)


def put_zeros(place: int, size: int) -> int:
    """Zeros in place of what is mapped there: 0 or errno."""
    return _put(place, size, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)


def _put(place: int, size: int, flags: int, number: int, offset: int) -> int:
    found = _mmap()(place, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, number, offset)
    return 0 if found == place else ctypes.get_errno()


@cache
def _mmap() -> Callable[..., int]:
    call = ctypes.CDLL(None, use_errno=True).mmap
    call.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    )  # fmt: skip
    call.restype = ctypes.c_void_p
    return call
