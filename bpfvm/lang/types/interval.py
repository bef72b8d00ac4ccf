"""Intervals of exact integers: what the compiler knows of a value. Bounds are Python ints, so they never wrap."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.core.bits import M64, S64_MAX, S64_MIN


@dataclass(frozen=True, slots=True)
class Interval:
    """All integers from lo to hi, both included; never empty."""

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise ValueError(f"empty interval [{self.lo}, {self.hi}]")

    def __contains__(self, value: int) -> bool:
        return self.lo <= value <= self.hi

    def __str__(self) -> str:
        return f"[{self.lo}, {self.hi}]"

    def within(self, other: Interval) -> bool:
        """Whether every value of this interval is one of `other`."""
        return other.lo <= self.lo and self.hi <= other.hi

    def union(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        return Interval(min(self.lo, other.lo), max(self.hi, other.hi))

    def meet(self, other: Interval) -> Interval | None:
        """What both hold, or None when that is nothing."""
        lo, hi = max(self.lo, other.lo), min(self.hi, other.hi)
        return Interval(lo, hi) if lo <= hi else None

    @property
    def constant(self) -> int | None:
        """The only value, where there is only one."""
        return self.lo if self.lo == self.hi else None

    @property
    def exact(self) -> bool:
        """Whether a 64-bit register holds each value without loss, as a signed or as an unsigned number."""
        return self.within(S64) or self.within(U64)

    @property
    def signed(self) -> bool:
        """Whether a register that holds the value must be read as signed."""
        return self.lo < 0


U64 = Interval(0, M64)
S64 = Interval(S64_MIN, S64_MAX)
BOOL = Interval(0, 1)


def of_bits(bits: int, signed: bool) -> Interval:
    """The range of a two's complement or unsigned number of `bits` bits."""
    return Interval(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else Interval(0, (1 << bits) - 1)


def add(a: Interval, b: Interval) -> Interval:
    return Interval(a.lo + b.lo, a.hi + b.hi)


def sub(a: Interval, b: Interval) -> Interval:
    return Interval(a.lo - b.hi, a.hi - b.lo)


def mul(a: Interval, b: Interval) -> Interval:
    corners = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    return Interval(min(corners), max(corners))


def _divisors(b: Interval) -> list[Interval]:
    """The negative and the positive part of b: division by zero ends the program, so 0 gives no result."""
    parts = (b.meet(Interval(min(b.lo, -1), -1)), b.meet(Interval(1, max(b.hi, 1))))
    return [part for part in parts if part is not None]


def floordiv(a: Interval, b: Interval) -> Interval:
    """Of a // b. A divisor that is only ever 0 gives [0, 0]: nothing is computed."""
    corners = [x // y for part in _divisors(b) for x in (a.lo, a.hi) for y in (part.lo, part.hi)]
    return Interval(min(corners), max(corners)) if corners else Interval(0, 0)


def mod(a: Interval, b: Interval) -> Interval:
    """Of a % b, whose sign is the divisor's."""
    result = None
    for part in _divisors(b):
        if part.lo > 0:
            if a.lo >= 0 and a.hi < part.lo:
                one = a
            else:
                one = Interval(0, min(part.hi - 1, a.hi) if a.lo >= 0 else part.hi - 1)
        else:
            one = Interval(part.lo + 1, 0)
        result = one if result is None else result.union(one)
    return result or Interval(0, 0)


def _bits(*intervals: Interval) -> int:
    """Bits of the widest bound, its sign left out: every value lies in [-2**n, 2**n)."""
    return max(max(one.lo.bit_length() if one.lo >= 0 else (~one.lo).bit_length(), one.hi.bit_length() if one.hi >= 0
                   else (~one.hi).bit_length()) for one in intervals)  # fmt: skip


def and_(a: Interval, b: Interval) -> Interval:
    if a.lo >= 0 and b.lo >= 0:
        return Interval(0, min(a.hi, b.hi))
    if a.lo >= 0 or b.lo >= 0:
        return Interval(0, a.hi if a.lo >= 0 else b.hi)
    bits = _bits(a, b)
    return Interval(-(1 << bits), max(a.hi, b.hi, -1))


def or_(a: Interval, b: Interval) -> Interval:
    bits = _bits(a, b)
    if a.lo >= 0 and b.lo >= 0:
        return Interval(max(a.lo, b.lo), (1 << bits) - 1)
    return Interval(-(1 << bits), -1 if a.hi < 0 or b.hi < 0 else (1 << bits) - 1)


def xor(a: Interval, b: Interval) -> Interval:
    bits = _bits(a, b)
    if (a.lo >= 0 and b.lo >= 0) or (a.hi < 0 and b.hi < 0):
        return Interval(0, (1 << bits) - 1)
    return Interval(-(1 << bits), (1 << bits) - 1)


def lshift(a: Interval, b: Interval) -> Interval:
    """Of a << b; a negative count ends the program. Counts must be bounded by the caller before this is asked."""
    counts = (max(b.lo, 0), max(b.hi, 0))
    corners = [x << y for x in (a.lo, a.hi) for y in counts]
    return Interval(min(corners), max(corners))


def rshift(a: Interval, b: Interval) -> Interval:
    """Of a >> b; a negative count ends the program."""
    corners = [x >> y for x in (a.lo, a.hi) for y in (max(b.lo, 0), max(b.hi, 0))]
    return Interval(min(corners), max(corners))


def neg(a: Interval) -> Interval:
    return Interval(-a.hi, -a.lo)


def invert(a: Interval) -> Interval:
    return Interval(~a.hi, ~a.lo)


def pos(a: Interval) -> Interval:
    return a


def abs_(a: Interval) -> Interval:
    if a.lo >= 0:
        return a
    return Interval(max(0, -a.hi), max(-a.lo, a.hi))
