"""Twenty plain functions of scalars, each with inputs that reach its edges. Every machine must agree on all of them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from bpfvm import be16, s8, s16, s32, s64, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1
MIN64 = 2**63  # the word of s64's least value


class Level(enum.IntEnum):
    """A captured constant with a name."""

    LOW = 10
    HIGH = 1000


def wrapped_difference(now: u64, then: u64) -> u64:
    """u64 wraps: a clock that went round still gives the time that passed."""
    return now - then


def exact_sum(a: u32, b: u32) -> u64:
    """Narrow operands add up exactly; only the cast cuts."""
    total = a + b
    if total > 0xFFFF_FFFF:
        return total - u32(total)
    return total


def distance(a: u32, b: u32) -> u32:
    """A difference of unsigned numbers may be negative."""
    d = a - b
    if d < 0:
        d = -d
    return d


def floor_division(a: s64, b: s64) -> s64:
    """Rounds toward minus infinity; s64.min // -1 wraps; a zero divisor ends the program."""
    return a // b


def floor_modulo(a: s64, b: s64) -> s64:
    """The sign of the result is the divisor's."""
    return a % b


def halves(a: s32) -> s64:
    """Division and modulo by a power of two, of negative numbers too."""
    return s64(a // 8) * 100 + a % 8


def hash_of(a: u32, b: u32) -> u32:
    """A product past 64 bits, wanted modulo 2**32 only."""
    return (a * 2654435761 + b * 40503 * a * b) & 0xFFFF_FFFF


def shifts(a: u64, n: s32) -> u64:
    """Counts of 64 and more shift everything out; a negative count ends the program."""
    return (a << n) ^ (a >> n)


def signed_shift(a: s64, n: u8) -> s64:
    """`>>` of a negative number keeps the sign however far it goes."""
    return a >> n


def across_signs(a: s64, b: u64) -> u8:
    """Comparisons compare values: s64(-1) is less than any u64."""
    less = a < b
    equal = a == b
    return less * 2 + equal


def in_band(low: u16, x: s32, high: u16) -> bool:
    """A chain of comparisons."""
    return low <= x < high


def first_set(a: u32, b: u32, c: u32) -> u32:
    """`and` and `or` give an operand, and stop early."""
    return (a and b) or c


def clamped(x: s32) -> s32:
    """min and max with captured constants."""
    return min(max(x, Level.LOW), Level.HIGH)


def middle(a: s16, b: s16, c: s16) -> s16:
    """Swaps until the three are in order."""
    if a > b:
        a, b = b, a
    if b > c:
        b, c = c, b
    if a > b:
        a, b = b, a
    return b


def magnitude(a: s64) -> u64:
    """abs of s64.min wraps to itself; as u64 it is 2**63."""
    return u64(abs(a))


def casts(a: u64) -> s64:
    """Each cast cuts to its own width and sign."""
    return s64(u8(a)) + s8(a) + s16(a) * 2 - s32(a) + be16(a)


def share(part: u32, whole: u32) -> u32:
    """Nobody divides by zero here: the test proves it."""
    return part * 100 // whole if whole else 0


def mean(a: u32, b: u32, n: u8) -> u32:
    """Division by zero is a fault at its own line."""
    total = a + b
    return u32(
        total
        // n
    )  # fmt: skip


def bucket(size: u32) -> u8:
    """Nested tests."""
    if size < 128:
        if size < 64:
            kind = 0
        else:
            kind = 1
    elif size < 512:
        kind = 2
    else:
        kind = 3 if size < 1500 else 4
    return kind


def parity(x: u32) -> bool:
    """Folds the bits onto each other, and gives a truth value."""
    x ^= x >> 16
    x ^= x >> 8
    x ^= x >> 4
    return (0x6996 >> (x & 15)) & 1 == 1


def quotient_and_rest(a: s32, b: s32) -> s64:
    """divmod makes both at once."""
    q, r = divmod(a, b)
    if (seen := q * b + r) != a:
        return -1
    return s64(seen) * 0 + q * 1000 + r


def power(x: s16) -> s64:
    """A constant exponent."""
    return x**3 - 2**10


CASES: list[tuple[Callable[..., Any], list[tuple[int, ...]]]] = [
    (wrapped_difference, [(3, 5), (5, 3), (0, 0), (0, M64), (M64, 0), (MIN64, MIN64 - 1)]),
    (exact_sum, [(0, 0), (1, 2), (M32, 0), (M32, 1), (M32, M32)]),
    (distance, [(0, 0), (1, 0), (0, 1), (M32, 0), (0, M32), (7, 7)]),
    (floor_division, [(7, 2), (M64 - 6, 2), (7, M64 - 1), (M64 - 6, M64 - 1), (MIN64, M64), (MIN64, 1), (5, 0)]),
    (floor_modulo, [(7, 2), (M64 - 6, 2), (7, M64 - 1), (M64 - 6, M64 - 1), (MIN64, M64), (MIN64, 3), (5, 0)]),
    (halves, [(0,), (7,), (8,), (M64,), (M64 - 7,), (M64 - 8,), (2**31 - 1,), (M64 - 2**31 + 1,)]),
    (hash_of, [(0, 0), (1, 1), (M32, M32), (M32, 1), (12345, 67890)]),
    (shifts, [(1, 0), (1, 63), (M64, 64), (M64, 1), (5, 1000), (5, M64), (5, M64 - 2**31 + 1), (MIN64, 63)]),
    (signed_shift, [(M64, 0), (M64, 63), (M64, 64), (MIN64, 255), (MIN64 - 1, 62), (MIN64 - 1, 64), (40, 3)]),
    (across_signs, [(M64, 0), (M64, M64), (0, 0), (5, 5), (5, 6), (MIN64, MIN64), (MIN64 - 1, MIN64 - 1)]),
    (in_band, [(10, 10, 20), (10, 20, 20), (10, 9, 20), (0, M64, 5), (65535, 65535, 65535), (0, 65534, 65535)]),
    (first_set, [(0, 0, 0), (1, 0, 7), (1, 2, 7), (0, 2, 7), (M32, M32, 0)]),
    (clamped, [(0,), (10,), (11,), (1000,), (1001,), (M64,), (M64 - 2**31 + 1,)]),
    (middle, [(1, 2, 3), (3, 2, 1), (2, 3, 1), (M64, 0, 1), (0, 0, 0), (M64 - 2**15 + 1, 5, 2**15 - 1)]),
    (magnitude, [(0,), (1,), (M64,), (MIN64,), (MIN64 - 1,), (MIN64 + 1,)]),
    (casts, [(0,), (0x80,), (0x8000,), (0x8000_0000,), (M64,), (0x1234_5678_9ABC_DEF0,), (MIN64,)]),
    (share, [(0, 0), (1, 3), (50, 100), (M32, 1), (M32, M32), (3, 0)]),
    (mean, [(1, 2, 3), (M32, M32, 1), (0, 0, 255), (1, 1, 0)]),
    (bucket, [(0,), (63,), (64,), (127,), (128,), (511,), (512,), (1499,), (1500,), (M32,)]),
    (parity, [(0,), (1,), (3,), (7,), (M32,), (0x8000_0000,), (0x8001_0000,)]),
    (quotient_and_rest, [(7, 2), (M64 - 6, 2), (7, M64 - 1), (0, 5), (M64 - 2**31 + 1, M64), (1, 0)]),
    (power, [(0,), (1,), (M64,), (2**15 - 1,), (M64 - 2**15 + 1,), (7,)]),
]
