"""What intervals say of comparisons and operators, and what comparisons say of intervals."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.lang.types.interval import Interval

# An exact value beyond this many bits is only "some integer": it keeps compile time bounded for `x ** 64 ** 64`.
_TRACKED_BITS = 1 << 13
_WRITTEN = 1 << 128  # numbers up to here are written out in messages
ANY = Interval(-(1 << _TRACKED_BITS), 1 << _TRACKED_BITS)


def bounded(range: Interval) -> Interval:
    """`range`, or ANY once a bound is past it. Values past ANY exist; an operation on ANY gives ANY or forgets it."""
    return range if range.within(ANY) and range != ANY else ANY


Pair = tuple[Interval, Interval]


def _from(range: Interval, lo: int) -> Interval | None:
    return Interval(max(range.lo, lo), range.hi) if lo <= range.hi else None


def _to(range: Interval, hi: int) -> Interval | None:
    return Interval(range.lo, min(range.hi, hi)) if hi >= range.lo else None


def _pair(a: Interval | None, b: Interval | None) -> Pair | None:
    return None if a is None or b is None else (a, b)


def _less(a: Interval, b: Interval) -> Pair | None:
    return _pair(_to(a, b.hi - 1), _from(b, a.lo + 1))


def _less_equal(a: Interval, b: Interval) -> Pair | None:
    return _pair(_to(a, b.hi), _from(b, a.lo))


def _equal(a: Interval, b: Interval) -> Pair | None:
    return _pair(a.meet(b), b.meet(a))


def _without(a: Interval, value: int | None) -> Interval | None:
    if value is None or value not in (a.lo, a.hi):
        return a
    if a.lo == a.hi:
        return None
    return Interval(a.lo + 1, a.hi) if value == a.lo else Interval(a.lo, a.hi - 1)


def _unequal(a: Interval, b: Interval) -> Pair | None:
    return _pair(_without(a, b.constant), _without(b, a.constant))


def _swapped(test: Callable[[Interval, Interval], Pair | None]) -> Callable[[Interval, Interval], Pair | None]:
    def other_way(a: Interval, b: Interval) -> Pair | None:
        both = test(b, a)
        return None if both is None else (both[1], both[0])

    return other_way


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison. jump: the test's name in the IR without its sign. inverse: the node class of its negation.

    holds: what both operands can still be where it is true, None where it can not be true at all.
    """

    symbol: str
    jump: str
    inverse: type[ast.cmpop]
    holds: Callable[[Interval, Interval], Pair | None]


COMPARISONS: Mapping[type[ast.cmpop], Comparison] = {
    ast.Eq: Comparison("==", "eq", ast.NotEq, _equal),
    ast.NotEq: Comparison("!=", "ne", ast.Eq, _unequal),
    ast.Lt: Comparison("<", "lt", ast.GtE, _less),
    ast.LtE: Comparison("<=", "le", ast.Gt, _less_equal),
    ast.Gt: Comparison(">", "gt", ast.LtE, _swapped(_less)),
    ast.GtE: Comparison(">=", "ge", ast.Lt, _swapped(_less_equal)),
}


def power(base: Interval, exponent: int) -> Interval:
    """Of base ** exponent, for a constant exponent of 0 or more."""
    ends = (base.lo**exponent, base.hi**exponent)
    lowest = 0 if exponent and exponent % 2 == 0 and 0 in base else min(ends)
    return Interval(lowest, max(ends))


def low_bits(bits: int) -> Interval:
    """Of x % 2**bits."""
    return Interval(0, (1 << bits) - 1)


def shown(value: int) -> str:
    """A number for messages: past 128 bits by its size."""
    if abs(value) < _WRITTEN:
        return str(value)
    sign, size = "-" if value < 0 else "", abs(value)
    if size & (size - 1) == 0:
        return f"{sign}2**{size.bit_length() - 1}"
    return f"{sign}(2**{size.bit_length()} - 1)" if size & (size + 1) == 0 else f"about {sign}2**{size.bit_length()}"
