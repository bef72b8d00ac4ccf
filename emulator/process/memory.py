"""The memory of an emulated process: pages that are mapped once, strings, words, what a program may read of it."""

from __future__ import annotations

import struct
from typing import Any

from bpfvm.core.errors import Unavailable

PAGE = 1 << 12
MOST = 1 << 30  # bytes of one process


class Memory:
    """What is mapped. Everything can be read, written and executed: protections are not what is tested here."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine
        self._pages: set[int] = set()

    def map(self, address: int, size: int) -> None:
        """Zeroed pages wherever none are yet. Unavailable past MOST bytes."""
        first, last = address // PAGE, -(-(address + size) // PAGE)
        if (last - first + len(self._pages)) * PAGE > MOST:
            raise Unavailable(f"the process asks for more memory than {MOST} bytes")
        missing = [page for page in range(first, last) if page not in self._pages]
        self._pages.update(missing)
        for start, end in _runs(missing):
            self._machine.mem_map(start * PAGE, (end - start) * PAGE)

    def write(self, address: int, data: bytes) -> None:
        """MemoryFault where something is not mapped."""
        if not self._mapped(address, len(data)):
            raise MemoryFault(address)
        self._machine.mem_write(address, bytes(data))

    def read(self, address: int, size: int) -> bytes:
        """MemoryFault where something is not mapped."""
        if not self._mapped(address, size):
            raise MemoryFault(address)
        return bytes(self._machine.mem_read(address, size)) if size else b""

    def read_user(self, address: int, size: int) -> bytes | None:
        """`size` bytes, or None where something is not mapped: what bpf_probe_read_user answers by."""
        return self.read(address, size) if self._mapped(address, size) else None

    def text(self, address: int, most: int = PAGE) -> bytes:
        """Bytes up to a zero, at most `most`."""
        found = b""
        while len(found) < most:
            piece = self.read(address + len(found), PAGE - (address + len(found)) % PAGE)
            head, end, _ = piece.partition(b"\0")
            found += head
            if end:
                break
        return found[:most]

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """Unsigned 64-bit words."""
        return struct.unpack(f"<{count}Q", self.read(address, 8 * count))

    def _mapped(self, address: int, size: int) -> bool:
        if not 0 <= address < 1 << 47 or not 0 <= size <= MOST:
            return False
        return all(page in self._pages for page in range(address // PAGE, -(-(address + size) // PAGE)))


class MemoryFault(Exception):
    """A system call was given an address that is not mapped: -EFAULT."""


def _runs(pages: list[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as (first, behind the last)."""
    runs: list[tuple[int, int]] = []
    for page in pages:
        if runs and runs[-1][1] == page:
            runs[-1] = (runs[-1][0], page + 1)
        else:
            runs.append((page, page + 1))
    return runs
