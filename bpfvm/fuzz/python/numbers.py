"""Numbers worth trying: ends of types, powers of two and what stands beside them."""

from __future__ import annotations

import random
from functools import cache

from bpfvm.core.bits import M64, S64_MIN
from bpfvm.lang.types.interval import Interval

_RANDOM = 0.15
# What types of C end at, and what machines treat apart.
_ENDS = tuple(sorted({sign * (1 << power) + by for power in (7, 8, 15, 16, 31, 32, 63, 64) for sign in (1, -1)
                      for by in (-1, 0, 1)} | {-1, 0, 1}))  # fmt: skip


@cache
def _ends(lo: int, hi: int) -> tuple[int, ...]:
    return tuple(sorted({lo, hi, *(one for one in (lo + 1, hi - 1, *_ENDS) if lo <= one <= hi)}))


@cache
def edges(lo: int, hi: int) -> tuple[int, ...]:
    """The edges from lo to hi: 0, both ends, and 2**k, 2**k - 1, 2**k + 1 of either sign."""
    near = {sign * (1 << power) + by for power in range(65) for sign in (1, -1) for by in (-1, 0, 1)}
    return tuple(sorted({lo, hi} | {one for one in near | {0} if lo <= one <= hi}))


def inside(rng: random.Random, among: Interval) -> int:
    """A number of the interval: small, an end of some type, an edge, or any."""
    choice = rng.random()
    if choice < 0.25:
        small = among.meet(Interval(-9, 33))
        if small is not None:
            return rng.randint(small.lo, small.hi)
    if choice < 0.55:
        return rng.choice(_ends(among.lo, among.hi))
    if choice < 1 - _RANDOM:
        return rng.choice(edges(among.lo, among.hi))
    width = rng.randint(1, 64)
    some = among.meet(Interval(-(1 << width - 1), (1 << width) - 1)) or among
    return rng.randint(some.lo, some.hi)


def constant(rng: random.Random) -> int:
    """A number that may stand in a program."""
    if rng.random() < 0.5:
        return rng.randint(-3, 20)
    return inside(rng, Interval(S64_MIN, M64))
