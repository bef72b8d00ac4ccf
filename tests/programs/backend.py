"""Functions that are hard on the back end: more values at once than registers, copies that wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bpfvm import Array, be16, bpf, s8, s16, s32, s64, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1
backend_counts = Array(u64, 4)
backend_narrow = Array(s32, 2)
backend_bytes = Array(u8, 4)


@bpf.func
def backend_share(a: s64, b: s64) -> s64:
    """A subprogram with a fault."""
    return a // b


def many_live(a: u64, b: u64) -> u64:
    """Twenty values that are all read after the last was made, twice."""
    c, d, e, f, g = a ^ b, a + b, a * 3, b * 5, a - b
    h, i, j, k, w = c >> 3, d >> 5, e ^ 77, f + 99, g | 1
    m, n, o, p, q = h * c, i * d, j * e, k * f, w * g
    r, s, t, u, v = m ^ h, n ^ i, o + j, p - k, q * w
    first = c + d * 2 + e * 3 + f * 5 + g * 7 + h * 11 + i * 13 + j * 17 + k * 19 + w * 23
    second = m * 29 + n * 31 + o * 37 + p * 41 + q * 43 + r * 47 + s * 53 + t * 59 + u * 61 + v * 67
    return first ^ second ^ (a * v - b * c)


def many_live_across_calls(a: s64, b: s64) -> s64:
    """More values than registers survive a call; a caller that goes on by its own fault."""
    c, d, e, f, g = a ^ 1, b ^ 2, a + 3, b - 4, a * 5
    h = backend_share(a, b)
    i = backend_share(c, d) * 3 + backend_share(e, f if f else s64(1))
    return h * 7 + i * 11 + c * 13 + d * 17 + e * 19 + f * 23 + g * 29


def many_live_in_a_loop(a: u32, n: u16) -> u64:
    """Twelve values go round, each turn in another place: copies that wait for one another in rings."""
    c, d, e, f, g, h = u64(a), u64(1), u64(2), u64(3), u64(4), u64(5)
    i, j, k, w, m, o = u64(6), u64(7), u64(8), u64(9), u64(10), u64(11)
    for _ in range(n & 63):
        c, d, e, f, g, h = d, e, f, g, h, c + i
        i, j = j, i
        k, w, m, o = o, k, w, m ^ c
    return c + d * 3 + e * 5 + f * 7 + g * 11 + h * 13 + i * 17 + j * 19 + k * 23 + w * 29 + m * 31 + o * 37


def rotated(a: u32, b: u32, c: u32, n: u16) -> u64:
    """A ring of three and a pair that change places, with one value that leaves the ring."""
    d = 0
    while n > 0:
        a, b, c, d = b, c, a, a ^ d
        n -= 1
    return u64(a) * 1_000_003 + u64(b) * 1009 + c + d


def wide_constants(a: u64, b: s64) -> u64:
    """Constants past every width of an immediate, in comparisons and arithmetic, on both sides."""
    t = a ^ 0xFFFF_FFFF_8000_0000
    t += 0x8000_0000
    t ^= 0x7FFF_FFFF
    t *= 0x1_0000_0001
    t |= 0xFFFF_FFFF
    if a > 0x8000_0000:
        t += 1
    if a >= 0xFFFF_FFFF_FFFF_FFF0:
        t += 2
    if a > 0x1_2345_6789:
        t += 4
    if b < -0x8000_0001:
        t += 8
    if b > 0x7FFF_FFFF:
        t += 16
    if b >= -0x8000_0000:
        t += 32
    return t


def narrow_and_wide(a: s8, b: s16, c: s32, d: s64) -> s64:
    """Signs through every width; a comparison of each with the others."""
    t = s64(a) * 3 + s64(b) * 5 + s64(c) * 7
    t += s8(d) + s16(d) * 2 + s32(d) * 4
    if a < b:
        t += 1
    if c <= a:
        t += 2
    if d > c:
        t += 4
    if s32(d) < s16(d):
        t += 8
    return t ^ (d >> 7)


def swapped(a: u64) -> u64:
    """Bytes in the other order, part of a word only."""
    return u64(be16(a)) * 65536 + be16(a >> 16)


def counted(a: u32, b: s32) -> u64:
    """Atomic additions and plain stores to maps, in one order with loads."""
    backend_counts[a & 3] += a
    backend_narrow[1] = b
    backend_narrow[0] -= 5
    if backend_narrow[1] < 0:
        backend_counts[0] |= 1 << 40
    return u64(backend_counts[a & 3] + u64(backend_narrow[0]) + u64(backend_narrow[1]))


def elements_of_bytes(a: u8, b: u16) -> u8:
    """A store of one byte."""
    backend_bytes[a & 3] = b
    return u8(backend_bytes[a & 3])


def truths(a: bool, b: bool) -> bool:
    """The sum of two truth values is a number, whose truth is asked for."""
    return a + b  # type: ignore[return-value]


def sum_of_truths(a: bool, b: bool) -> u64:
    """A sum of truth values may stand before a u64, which a truth value may not."""
    c = a + b
    return c + u64(4) + (c & 1) * 2 + (a ^ b) + (a > b)


PAIRS = [(0, 0), (1, 2), (M64, 3), (1 << 63, M64), (0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210)]
TRUTHS = [(0, 0), (0, 1), (1, 0), (1, 1)]

CASES: list[tuple[Callable[..., Any], Sequence[tuple[int, ...]]]] = [
    (many_live, PAIRS),
    (many_live_across_calls, [(7, 2), (M64 - 6, 2), (5, 0), (1 << 63, M64), (100, 4), (2, 2)]),
    (many_live_in_a_loop, [(0, 0), (1, 1), (7, 2), (9, 63), (M32, 40)]),
    (rotated, [(1, 2, 3, 0), (1, 2, 3, 1), (1, 2, 3, 2), (M32, 0, 7, 100), (5, 6, 7, 9)]),
    (wide_constants, [*PAIRS, (0x8000_0000, 1 << 31), (0x8000_0001, M64 - 2**31), (0x1_2345_678A, M64 - 2**31 - 1),
                      (M64 - 15, 2**31 - 1), (M64 - 16, 0)]),
    (narrow_and_wide, [(0, 0, 0, 0), (M64, M64, M64, M64),
                       (127, M64 - 127, 5, 1 << 63), (M64 - 9, 32767, 1 << 31, 1 << 31)]),
    (swapped, [(0x0102_0304,), (0xFFFF_00FF,), (0x8000_0001,)]),
    (counted, [(0, 0), (1, 5), (2, M64), (3, M64 - 4), (M32, 2**31 - 1)]),
    (elements_of_bytes, [(0, 1), (3, 255), (1, 0x1234)]),
    (truths, TRUTHS),
    (sum_of_truths, TRUTHS),
]  # fmt: skip
