"""Pages of a file in the arena, for programs that run on packets where they are.

They come by faults: the kernel maps some around each. To ask for all beforehand (MADV_POPULATE_READ) takes 280 ns a
page, more than twice as long, for the kernel then walks to each of them.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from functools import cache

from bpfvm.core.errors import Unavailable
from bpfvm.emulator.memory import Arena

MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE = 2, 0x10, 0x20, 0x4000  # mmap(2)
MADV_DONTNEED, MADV_POPULATE_READ = 4, 22  # madvise(2); the second from Linux 5.14 on
PAGE = mmap.PAGESIZE
HUGE = 1 << 21  # bytes that one entry of a page table maps, where the file's are in one piece and at such an address
WINDOW = 1 << 26  # bytes of a file that are mapped at a time: what stays resident of it


class Pages:
    """A window in the arena, and what is in it. base, size: guest address of its begin, and bytes.

    window, unit: bytes of a file that fit in, from a multiple of so many bytes on.
    """

    def __init__(self, arena: Arena, size: int) -> None:
        self._arena, self.window = arena, size
        self.unit = HUGE if size >= 4 * HUGE else PAGE
        self.region = arena.allocate("capture", size + self.unit, "packet")
        self.region.foreign = True
        self.base = self.region.base + -(arena.host + self.region.base) % self.unit
        self.size = self.region.base + self.region.size - self.base

    def map(self, number: int, offset: int, size: int) -> None:
        """Put pages of a file there, from a multiple of `unit` on. Changes of a program's stay its own.

        Unavailable where the host refuses."""
        self._map(0, size, MAP_PRIVATE | MAP_FIXED, number, offset)
        whole = -(-size // PAGE) * PAGE
        if whole < self.size:
            self._map(whole, self.size - whole, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE)

    def fetch(self, start: int, end: int) -> None:
        """Make pages ready at once, not by a fault now and then; a host that does not know that has faults."""
        self._advise(start // PAGE * PAGE, end, MADV_POPULATE_READ)

    def drop(self, start: int, end: int) -> None:
        """Let go of pages that nobody needs any more, but of none that is not wholly in between."""
        self._advise(-(-start // PAGE) * PAGE, end // PAGE * PAGE, MADV_DONTNEED)

    def close(self) -> None:
        """Put memory of the arena's own in place of the file's."""
        if self._arena.is_open:
            self._map(0, self.size, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE)

    def _map(self, start: int, size: int, flags: int, number: int = -1, offset: int = 0) -> None:
        where = self._arena.host + self.base + start
        if _mmap()(where, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, number, offset) != where:
            raise Unavailable(f"the host does not map the capture: {os.strerror(ctypes.get_errno())}")

    def _advise(self, start: int, end: int, advice: int) -> None:
        if start < end:
            _madvise()(self._arena.host + start, end - start, advice)


@cache
def _madvise() -> Callable[..., int]:
    """madvise(2), for advice that Python's own module does not give."""
    call = ctypes.CDLL(None, use_errno=True).madvise
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return call


@cache
def _mmap() -> Callable[..., int]:
    """mmap(2), which Python's own module has no address for."""
    call = ctypes.CDLL(None, use_errno=True).mmap
    call.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    )  # fmt: skip
    call.restype = ctypes.c_void_p
    return call
