"""The hash of hash maps and bloom filters: Bob Jenkins' lookup3 (2006, public domain), over little-endian words.

It is what the kernel computes (compared on 6.18 by the order of keys under BPF_F_ZERO_SEED), so that with the seed 0,
which all maps here have, keys come in the order of such a map and a bloom filter errs on the same values.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from bpfvm.core.bits import M32

START = 0xDEAD_BEEF


def jhash(data: bytes, seed: int = 0) -> int:
    """32 bits of `data`, of any length."""
    words = _words(len(data)).unpack(data + bytes(-len(data) % 4))
    a = b = c = (START + len(data) + seed) & M32
    at, left = 0, len(words)
    while left > 3:
        a, b, c = _mix(a + words[at], b + words[at + 1], c + words[at + 2])
        at, left = at + 3, left - 3
    if not left:
        return c
    if left > 2:
        c += words[at + 2]
    if left > 1:
        b += words[at + 1]
    return _final(a + words[at] & M32, b & M32, c & M32)


@lru_cache(maxsize=64)
def _words(size: int) -> struct.Struct:
    return struct.Struct(f"<{(size + 3) // 4}I")


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    """Twelve bytes into the state; the sums may carry past 32 bits."""
    b, c = b & M32, c & M32
    a = (a - c ^ (c << 4 | c >> 28)) & M32
    c = c + b & M32
    b = (b - a ^ (a << 6 | a >> 26)) & M32
    a = a + c & M32
    c = (c - b ^ (b << 8 | b >> 24)) & M32
    b = b + a & M32
    a = (a - c ^ (c << 16 | c >> 16)) & M32
    c = c + b & M32
    b = (b - a ^ (a << 19 | a >> 13)) & M32
    a = a + c & M32
    c = (c - b ^ (b << 4 | b >> 28)) & M32
    return a, b + a & M32, c


def _final(a: int, b: int, c: int) -> int:
    c = ((c ^ b) - (b << 14 | b >> 18)) & M32
    a = ((a ^ c) - (c << 11 | c >> 21)) & M32
    b = ((b ^ a) - (a << 25 | a >> 7)) & M32
    c = ((c ^ b) - (b << 16 | b >> 16)) & M32
    a = ((a ^ c) - (c << 4 | c >> 28)) & M32
    b = ((b ^ a) - (a << 14 | a >> 18)) & M32
    return ((c ^ b) - (b << 24 | b >> 8)) & M32
