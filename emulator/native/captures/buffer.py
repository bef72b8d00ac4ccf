"""Memory in the arena that parts of a file are read to, one behind another, in place of pages of the file.

A mapped file costs a fault for each piece that its pages come in, and one more for each page that a program stores to,
which is copied then: up to ten times as long as it takes to read the file. Large pieces are faster where they are.
"""

from __future__ import annotations

import ctypes
from functools import cache

from bpfvm.emulator.memory import Arena
from bpfvm.emulator.native.captures.words import Walk

ROOM = 1 << 19  # bytes that are read at a time: they stay in a core's cache, and hold the largest record
PART = 1 << 24  # bytes of a file that tell whether it is better mapped or read
TRIALS = 3  # parts of a file that each way is tried on
GAIN = 1.05  # how many times as long a mapped part takes that is better read: a small one takes more than its share
CLEAR = 4  # the same, where to try each once is enough: the very first part finds caches cold


class Buffer:
    """One of a thread. base: its guest address. least: bytes that a part has, at least, that tells something."""

    def __init__(self, arena: Arena, least: int) -> None:
        region = arena.allocate("capture", ROOM, "packet")
        region.foreign = True
        self.base, self.least = region.base, least
        self._mapped: list[float] = []
        self._read: list[float] = []

    @property
    def decided(self) -> bool:
        """Whether both ways were tried."""
        read, mapped = self._read, self._mapped
        return len(read) == TRIALS or (len(read) == len(mapped) == 1 and mapped[0] > CLEAR * read[0])

    @property
    def reads(self) -> bool:
        """Whether the next part of a file is read: both ways are tried in turn, then it is the faster one."""
        if self.decided:
            return GAIN * min(self._read) < min(self._mapped)
        return len(self._read) < len(self._mapped)

    def took(self, seconds: float, size: int) -> None:
        """So long it took to go through a part of so many bytes."""
        if size >= self.least and not self.decided:
            (self._read if self.reads else self._mapped).append(seconds / size)

    def take(self, walk: Walk, number: int, start: int, end: int) -> None:
        """Let a loop read the file with that descriptor between two places in it."""
        walk.at = walk.end = walk.buffer = self.base
        walk.file, walk.front, walk.size = number, start, end
        walk.room, walk.pread = ROOM, _pread()


@cache
def _pread() -> int:
    """The host's address of pread(2)."""
    return ctypes.cast(ctypes.CDLL(None).pread, ctypes.c_void_p).value or 0
