"""One buffer as a reader goes through it: the records that it gives out at the moment, and those lost."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import length_hint
from typing import Any, TypeAlias

from bpfvm.kernel.readers.span import MOST, Batch, Buffer
from bpfvm.kernel.readers.typed import Decoder

_BLOCK = 1 << 12  # records of a block at most: they are still in the cache when they are looked at


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that found no room in a buffer. count: since it was told last; total: since the reader was opened."""

    map: str
    cpu: int
    count: int
    total: int

    def __str__(self) -> str:
        return (
            f"map {self.map}: {self.count} events found no room in the buffer of CPU {self.cpu} and are lost, "
            f"{self.total} in all; read more often, or give pages= more"
        )


OnLost: TypeAlias = Callable[[Lost], None]


class LostEvents(RuntimeWarning):
    """Events found no room in a buffer; the text says how many."""


class Source:
    """Gives out a buffer's records, and gives their room back when the next are asked for.

    Whoever asks, each record is given out once: an iteration that was broken off leaves the rest to the next.
    """

    def __init__(self, name: str, cpu: int, buffer: Buffer, decoder: Decoder, on_lost: OnLost | None = None) -> None:
        """name: the map's. cpu: -1 for a buffer of all."""
        self.name, self.cpu, self.buffer, self.decoder, self._on_lost = name, cpu, buffer, decoder, on_lost
        self._batch: Batch | None = None
        self._items: Iterator[Any] = iter(())
        self._values: Iterator[Any] = iter(())
        self._told, self._last = 0, buffer.lost
        self._closed = False

    @property
    def lost(self) -> int | None:
        """Events that found no room since it was opened; None where the kernel does not count them."""
        return self._last if self._closed else self.buffer.lost

    @property
    def end(self) -> int:
        """Where the kernel is."""
        return self.buffer.ends[1]

    def values(self, end: int | None = None) -> Iterator[Any] | None:
        """The events at hand, which stay there until they are taken; None where none is ready before `end`."""
        if self._batch is not None and length_hint(self._items):
            return self._values
        batch = self._next(MOST, end)
        if batch is None:
            return None
        self._items, self._values = self.decoder.take(batch)
        self._batch = batch
        return self._values

    def blocks(self, copy: bool) -> Iterator[Any] | None:
        """Arrays of the records at hand; views are valid until the source is asked for more."""
        batch = self._next(_BLOCK, None)
        if batch is None:
            return None
        self._batch, self._items = batch, iter(())
        self._items, self._values = self.decoder.blocks(batch, copy)
        return self._values

    def settle(self) -> None:
        """Give the room of what was taken back; what was not stays in the buffer."""
        batch, self._batch = self._batch, None
        if batch is not None:
            left = length_hint(self._items)
            deque(self._items, 0)  # an iteration that is still about must not give out again what stays
            self.buffer.commit(batch.position(batch.count - left))

    def tell(self) -> None:
        """Tell what was lost since it was told last: a warning, where nobody else wants to know."""
        total = self.lost
        if total is None or total == self._told:
            return
        one, self._told = Lost(self.name, self.cpu, total - self._told, total), total
        if self._on_lost is not None:
            self._on_lost(one)
        else:
            warnings.warn(str(one), LostEvents, stacklevel=4)

    def close(self) -> None:
        """Leave what was not taken; the count of the lost stays. Again does nothing."""
        if self._closed:
            return
        self.settle()
        self._closed, self._last = True, self.buffer.lost
        try:
            self.tell()
        finally:
            self.buffer.close()

    def _next(self, most: int, end: int | None) -> Batch | None:
        self.settle()
        if self._closed or (end is not None and self.buffer.ends[0] >= end):
            return None
        return self.buffer.scan(most)
