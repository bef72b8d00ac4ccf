"""Memory that an input gives, by address: what programs on probes read of a process and of the kernel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate


class Blocks:
    """Bytes from each address on."""

    def __init__(self, blocks: Mapping[int, bytes]) -> None:
        self._blocks = sorted((at, bytes(data)) for at, data in blocks.items())
        self._bases = [base for base, _ in self._blocks]
        self._ends = list(accumulate((base + len(data) for base, data in self._blocks), max))  # of all up to one

    def read_user(self, address: int, size: int) -> bytes | None:
        """`size` bytes, None where no block holds all of them."""
        at = bisect_right(self._bases, address) - 1
        while at >= 0 and self._ends[at] >= address + size:
            base, data = self._blocks[at]
            if address + size <= base + len(data):
                return data[address - base : address - base + size]
            at -= 1
        return None
