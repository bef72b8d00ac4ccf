"""What is in a file of packets, read in pieces from front to back; a file that was cut short meanwhile is an error.

It is read, not mapped: who touches a mapped page that its file has lost gets a signal, which Python cannot answer. A
piece stays as long as views of it do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from struct import Struct
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.files import read_at

PIECE = 1 << 20  # bytes that are read at a time; what a terminal can show of progress
_HEAD = 4096  # bytes that are read first: who walks through the file by other means needs no more of it


class Contents:
    """name: what messages call the file. size: bytes that it had when it was opened.

    view: the piece that is held, which begins at `base` and ends before `held`.
    """

    def __init__(self, source: bytes | int, name: str) -> None:
        """source: everything, or a descriptor of a regular file, which is closed with the contents."""
        self.name, self.number = name, None
        self.base, self.view = 0, memoryview(b"")
        if isinstance(source, bytes):
            self.view, self.size = memoryview(source), len(source)
        else:
            self.number, self.size = source, os.fstat(source).st_size
            self._hold(0, _HEAD)
        self.held = len(self.view)

    def ahead(self, at: int, least: int) -> memoryview:
        """What is held from `at` on, read if need be: `least` bytes or more, or all up to the end."""
        if at < self.base or self.held < min(at + least, self.size):
            self._hold(at, max(least, PIECE))
        return self.view[at - self.base :]

    def part(self, start: int, stop: int) -> memoryview:
        """Bytes of the file, which has so many."""
        if self.base <= start and stop <= self.held:
            return self.view[start - self.base : stop - self.base]
        return memoryview(self._read(start, stop - start))

    def unpack(self, form: Struct, at: int) -> tuple[Any, ...]:
        """The fields at a place of the file, which has so many bytes."""
        if self.base <= at and at + form.size <= self.held:
            return form.unpack_from(self.view, at - self.base)
        return form.unpack(self._read(at, form.size))

    def search(self, pattern: re.Pattern[bytes], width: int, start: int, end: int) -> Iterator[int]:
        """Where `pattern` matches from `start` on, before `end`. It looks at `width` bytes to each side at most."""
        while start < end:
            before = max(start - width, 0)
            view = self.ahead(before, 4 * width)
            stop = end if before + len(view) >= end else before + len(view) - width
            for found in pattern.finditer(view, start - before, min(stop + width - 1, end) - before):
                if found.start() >= stop - before:
                    break
                yield found.start() + before
            start = stop

    def check(self, cut: bool = False) -> None:
        """LoadError where the file was cut short since it was opened. cut: whether somebody has seen that."""
        left = os.fstat(self.number).st_size if self.number is not None else self.size
        if cut or left < self.size:
            raise LoadError(
                f"{self.name}: somebody cut it short while it was read: it had {octets(self.size)} and has {left};"
                " copy the file, and run again on the copy"
            )

    def close(self) -> None:
        """Close the file. What is held stays, and views of it."""
        number, self.number = self.number, None
        if number is not None:
            os.close(number)

    def _hold(self, at: int, size: int) -> None:
        self.view = memoryview(self._read(at, min(size, self.size - at)))
        self.base, self.held = at, at + len(self.view)

    def _read(self, at: int, size: int) -> bytes:
        """LoadError where the file does not have so many bytes any more, or cannot be read."""
        if self.number is None:
            raise ValueError(f"{self.name} was closed")
        try:
            found = read_at(self.number, at, size)
        except OSError as error:
            raise LoadError(f"{self.name}: {error.strerror or error}") from None
        if len(found) < size:
            self.check(cut=True)
        return found
