"""Records found in a buffer: many of one size in a row, or what else came, each by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

FEWEST, MOST = 8, 256  # records of one span: events that are kept keep the memory of their span


@dataclass(frozen=True, slots=True)
class Span:
    """`count` records of one size in the shared memory.

    data: from the first header to the end of the last record, `stride` bytes each: `head` bytes of header, `size` of
    payload, the rest padding. Up to `head` bytes may follow. start: the position of the first.
    """

    data: memoryview
    start: int
    count: int
    stride: int
    head: int
    size: int

    def position(self, taken: int) -> int:
        """Behind the first `taken` records."""
        return self.start + taken * self.stride


@dataclass(frozen=True, slots=True)
class Scattered:
    """Payloads copied out, each with the position behind its record and what was passed over after it."""

    start: int
    payloads: list[bytes] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.payloads)

    def position(self, taken: int) -> int:
        """Behind the first `taken` records."""
        return self.ends[taken - 1] if taken else self.start


Batch: TypeAlias = "Span | Scattered"


class Buffer(Protocol):
    """One buffer that the kernel writes to."""

    @property
    def ends(self) -> tuple[int, int]:
        """Where user space is, and where the kernel is."""

    def scan(self, most: int) -> Batch | None:
        """The next records, at most `most`, which stay there until `commit`; None where none is ready."""

    def commit(self, position: int) -> None:
        """What stands before the position may be written over."""

    @property
    def lost(self) -> int | None:
        """Records that found no room since the buffer was opened; None where the kernel does not count them."""

    def close(self) -> None:
        """Let go of it; views that are about stay valid. Again does nothing."""


class Window:
    """How many records are worth looking at in one go: more when all were of one size, few when they were not."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = FEWEST

    def alike(self, words: memoryview, most: int) -> int:
        """How many of the first `words`, which are headers, equal the first."""
        count = len(words)
        if words.tobytes() == words[:1].tobytes() * count:
            if count >= self.size:
                self.size = min(2 * self.size, most)
            return count
        self.size = FEWEST
        first = words[0]
        return next(at for at in range(1, count) if words[at] != first)
