"""A mapped file that is read once from front to back: pages that were passed are given back.

A mapped page counts as memory of the process for as long as it stays in the page tables, so a file of a gigabyte that
was read to its end would be a gigabyte of it. Given back, a page is still in the file and comes again when it is asked
for: views of it stay good.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import suppress

from bpfvm.obj.shortened import Watched, address

STRIDE = 1 << 20  # bytes that are read before the pages behind are given back; what a terminal can show of progress


class Pages:
    """view: all bytes of the file. at: about how far it was read. close: when nobody reads it any more."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data = data
        self._watched = Watched(address(data), len(data)) if isinstance(data, mmap.mmap) else None
        self.view = memoryview(data)
        self.at = 0

    def __len__(self) -> int:
        return len(self._data)

    @property
    def cut(self) -> bool:
        """Whether zeros were read where the file had been cut short."""
        return self._watched is not None and self._watched.cut

    def passed(self, at: int) -> int:
        """Everything before `at` was read. The place at which to call again."""
        if isinstance(self._data, mmap.mmap):
            start, end = (place // mmap.PAGESIZE * mmap.PAGESIZE for place in (self.at, at))
            if end > start:
                self._data.madvise(mmap.MADV_DONTNEED, start, end - start)
        self.at = at
        return at + STRIDE

    def begin(self) -> int:
        """Reading starts at the front, again perhaps. The place at which to call `passed` first."""
        self.at = 0
        return STRIDE

    def search(self, pattern: re.Pattern[bytes], width: int, start: int, end: int) -> Iterator[int]:
        """Where `pattern`, which looks at `width` bytes at most, matches from `start` on and before `end`.

        Pages that were searched in vain are given back.
        """
        while start < end:
            stop = min(start + STRIDE, end)
            for found in pattern.finditer(self.view, start, min(stop + width - 1, end)):
                if found.start() >= stop:
                    break
                yield found.start()
            self.passed(stop)
            start = stop

    def close(self) -> None:
        """Unmap the file. Views that somebody still holds keep it mapped until they are gone."""
        self.view.release()
        if self._watched is not None:
            self._watched.close()
        if isinstance(self._data, mmap.mmap):
            with suppress(BufferError):
                self._data.close()
