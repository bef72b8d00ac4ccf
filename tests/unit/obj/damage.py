"""Files damaged on purpose, the same on every run."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 30, 1 << 63, (1 << 64) - 1)


def damaged(files: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` files: bits turned, cut off, numbers replaced by extreme ones, stretches moved over others."""
    source = random.Random(seed)
    for _ in range(count):
        data = bytearray(source.choice(files))
        for _ in range(source.choice((1, 1, 2, 5))):
            source.choice((_flip, _cut, _extreme, _small, _move))(data, source)
        yield bytes(data)


def _flip(data: bytearray, source: random.Random) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def _cut(data: bytearray, source: random.Random) -> None:
    del data[source.randrange(len(data) + 1) :]


def _extreme(data: bytearray, source: random.Random) -> None:
    size = source.choice((1, 2, 4, 8))
    if len(data) >= size:
        at = source.randrange(0, len(data) - size + 1) // size * size
        number = source.choice(EXTREMES) & ((1 << 8 * size) - 1)
        data[at : at + size] = number.to_bytes(size, source.choice(("little", "big")))


def _small(data: bytearray, source: random.Random) -> None:
    """A small number where another was: an id or an index that names something else."""
    if len(data) >= 4:
        at = source.randrange(len(data) // 4) * 4
        data[at : at + 4] = struct.pack(source.choice("<>") + "I", source.randrange(40))


def _move(data: bytearray, source: random.Random) -> None:
    if len(data) >= 64:
        size = source.randrange(1, 64)
        there, here = (source.randrange(len(data) - size + 1) for _ in range(2))
        data[there : there + size] = data[here : here + size]
