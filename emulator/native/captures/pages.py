"""Pages of a file in the arena, for programs that run on packets where they are.

They come by faults: the kernel maps some around each. To ask for all beforehand (MADV_POPULATE_READ) takes 80 to
280 ns a page, more than twice as long, for the kernel then walks to each of them.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from functools import cache

from bpfvm.core.errors import Unavailable
from bpfvm.emulator.memory import Arena
from bpfvm.emulator.native.captures.mapping import put_file, put_zeros
from bpfvm.emulator.native.captures.shortened import Watched

MADV_DONTNEED = 4  # madvise(2)
PAGE = mmap.PAGESIZE
HUGE = 1 << 21  # bytes that one entry of a page table maps, where the file's are in one piece and at such an address
WINDOW = 1 << 26  # bytes of a file that are mapped at a time: what stays resident of it
WIDE = 4 * WINDOW  # for threads: each window has an end that some wait at, and they let go of pages themselves


class Pages:
    """A window in the arena, and what is in it. base, size: guest address of its begin, and bytes.

    window, unit: bytes of a file that fit in, from a multiple of so many bytes on.
    """

    def __init__(self, arena: Arena, size: int) -> None:
        self._arena, self.window = arena, size
        self._watched: Watched | None = None
        self.unit = HUGE if size >= 4 * HUGE else PAGE
        self.region = arena.allocate("capture", size + self.unit, "packet")
        self.region.foreign = True
        self.base = self.region.base + -(arena.host + self.region.base) % self.unit
        self.size = self.region.base + self.region.size - self.base

    def map(self, number: int, offset: int, size: int) -> None:
        """Put pages of a file there, from a multiple of `unit` on. Changes of a program's stay its own.

        Unavailable where the host refuses."""
        place = self._arena.host + self.base
        _or_unavailable(put_file(place, size, number, offset))
        if self._watched is not None:
            self._watched.close()
        self._watched = Watched(place, size)
        whole = -(-size // PAGE) * PAGE
        if whole < self.size:
            _or_unavailable(put_zeros(place + whole, self.size - whole))

    @property
    def cut(self) -> bool:
        """Whether zeros stand where the file that was mapped last had been cut short."""
        return self._watched is not None and self._watched.cut

    def drop(self, start: int, end: int) -> None:
        """Let go of pages that nobody needs any more, but of none that is not wholly in between."""
        start, end = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        if start < end:
            _madvise()(self._arena.host + start, end - start, MADV_DONTNEED)

    def close(self) -> None:
        """Put memory of the arena's own in place of the file's."""
        if self._watched is not None:
            self._watched.close()
            self._watched = None
        if self._arena.is_open:
            _or_unavailable(put_zeros(self._arena.host + self.base, self.size))


@cache
def _madvise() -> Callable[..., int]:
    """madvise(2), for advice that Python's own module does not give."""
    call = ctypes.CDLL(None, use_errno=True).madvise
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return call


def _or_unavailable(error: int) -> None:
    if error:
        raise Unavailable(f"the host does not map the capture: {os.strerror(error)}")
