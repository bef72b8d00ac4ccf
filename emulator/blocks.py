"""Memory that an input gives, by address: what programs on probes read of a process and of the kernel."""

from __future__ import annotations

from collections.abc import Mapping


class Blocks:
    """Bytes from each address on."""

    def __init__(self, blocks: Mapping[int, bytes]) -> None:
        self._blocks = sorted((at, bytes(data)) for at, data in blocks.items())

    def read_user(self, address: int, size: int) -> bytes | None:
        """`size` bytes, None where no block holds all of them."""
        for base, data in self._blocks:
            if base <= address and address + size <= base + len(data):
                return data[address - base : address - base + size]
        return None
