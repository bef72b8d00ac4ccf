"""Functions that call subprograms: compiled once for all calls, with the kernel's verifier or by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bpfvm import bpf, s8, s16, s32, s64, struct, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1
BASE = 40


@bpf.func
def gcd(a: u32, b: u32) -> u32:
    """A loop, and so a fault of its own: LoopLimit."""
    while b != 0:
        a, b = b, a % b
    return a


@bpf.func
def divided(a: s64, b: s64) -> s64:
    """A fault at a line of the subprogram."""
    return a // b


@bpf.func
def of_five(a: u8, b: s8, c: u16, d: s16, e: u32) -> s64:
    """As many numbers as a call passes."""
    return s64(a * 2 - b) * c - d + e


@bpf.func
def chain(a: u32, b: u32, c: u32) -> u64:
    """A subprogram that calls others, and passes on by what fault they ended."""
    first = u64(gcd(a, b)) + c
    return first + u64(divided(s64(a), s64(c)))


@bpf.func
def flags(a: u32, b: bool, c: int):  # type: ignore[no-untyped-def]
    """No declared result: what it returns says it."""
    if b:
        return a > c
    return bool(a != 0 and c < 0)


@bpf.func
def nothing(a: u32):  # type: ignore[no-untyped-def]
    """Returns None."""
    assert a != 3, "three"


@bpf.func
def never(a: u32):  # type: ignore[no-untyped-def]
    """Never returns."""
    raise LookupError("always")


@bpf.func
def with_constant(a: u32) -> u64:
    """What it captures is part of it."""
    return u64(a) + BASE


@bpf.global_func
def scaled(a: s32, b: u8) -> s64:
    """Verified by itself; a fault that it can end by."""
    return s64(a) * 3 // b


@bpf.global_func
def bits(a: u64) -> u32:
    """Verified by itself, without a fault."""
    count = 0
    for i in range(64):
        count += (a >> i) & 1
    return count


@bpf.inline
def written_out(a: u32, b: u32) -> u32:
    """As a function without a mark."""
    return a // b


@bpf.func
def unsigned_or_not(a: int) -> s64:
    """Called with a bool, a number and a u64's value: one copy for each class."""
    return s64(a + 1)


TABLE = tuple(range(3, 203, 7))


@struct
class SubPoint:
    """Passed by its address."""

    x: s32 = 0
    y: s32 = 0


@struct
class SubPair:
    """Holds two, one at an odd place."""

    a: SubPoint
    tag: u16 = 0
    b: SubPoint


@bpf.func
def weighted(p: SubPoint, k: s32) -> s64:
    """Reads what the caller has."""
    return s64(p.x * k + p.y)


@bpf.func
def moved(p: SubPoint, by: s32) -> None:
    """Changes it."""
    p.x = s32(p.x + by)
    p.y = s32(p.y - by)


@bpf.func
def crossed(a: SubPoint, b: SubPoint) -> None:
    """Two that may be one."""
    a.x = b.y
    b.y = a.y
    a.y = b.x


@bpf.func
def total_of(buf, n: u8) -> u64:  # type: ignore[no-untyped-def]
    """An array of bytes, with a fault where `n` is past it."""
    total = u64(0)
    for i in range(n):
        total += buf[i]
    return total


@bpf.func
def looked_up(i: u8) -> u32:
    """Constants of its own."""
    return TABLE[i]


def by_reference(a: s32, b: s32, n: u8) -> s64:
    p = SubPoint(x=a, y=b)
    moved(p, 3)
    q = SubPair(a=p, b=SubPoint(x=b), tag=7)
    moved(q.b, a)
    crossed(q.a, q.b)
    crossed(p, p)
    buf = u8[8]()
    buf[1] = 200
    buf[3] = n
    return weighted(p, 3) + weighted(q.a, 5) * 7 + weighted(q.b, 11) + s64(total_of(buf, n)) + q.tag


def from_tables(i: u8, j: u8) -> u64:
    return u64(looked_up(i)) * 1000 + looked_up(j & 15)


def common_divisor(a: u32, b: u32) -> u64:
    return u64(gcd(a, b)) * 1000 + gcd(a, 12)


def quotients(a: s64, b: s64) -> s64:
    total = divided(a, b)
    if total > 100:
        total += divided(b, s64(7))
    return total


def five(a: u8, b: s8, c: u16, d: s16, e: u32) -> s64:
    return of_five(a, b, c, d, e) - of_five(255, -128, c, -(2**15), M32)


def chained(a: u32, b: u32, c: u32) -> u64:
    return chain(a, b, c) ^ chain(c, a, b)


def many_kinds(a: u32, b: bool, c: s32) -> u64:
    last = 1 if not flags(a, not b, c) else 0
    return u64(u64(flags(a, b, c)) * 10 + flags(7, a == 5, -1) + last)


def effects_only(a: u32) -> u64:
    nothing(a)
    return u64(a)


def ends_there(a: u32) -> u64:
    if a > 10:
        never(a)
    return u64(a) + with_constant(a)


def in_a_loop(a: u32, n: u8) -> u64:
    total = u64(0)
    for i in range(n):
        total += gcd(a ^ i, i + 1)
        if total > 100_000:
            break
    return total


def independent(a: s32, b: u8, c: u64) -> s64:
    return scaled(a, b) + s64(bits(c)) - s64(bits(u64(0)))


def mixed(a: u32, b: u32) -> u64:
    x = written_out(a, b)
    y = gcd(a, b) if x else 3
    return u64(x) * y + u64(unsigned_or_not(a == b)) + u64(unsigned_or_not(b)) + u64(unsigned_or_not(int(u64(a))))


PAIRS = [(0, 0), (0, 5), (5, 0), (12, 18), (M32, 1), (M32, M32), (1 << 31, 3), (97, 89)]

CASES: list[tuple[Callable[..., Any], Sequence[tuple[int, ...]]]] = [
    (common_divisor, PAIRS),
    (quotients, [(7, 2), (M64 - 6, 2), (1000, 3), (1 << 63, M64), (5, 0), (0, 1), ((1 << 63) - 1, 1)]),
    (five, [(0, 0, 0, 0, 0), (255, M64 - 127, 65535, M64 - 32767, M32), (1, 2, 3, 4, 5)]),
    (chained, [(1, 2, 3), (12, 18, 7), (0, 0, 0), (M32, 5, 1), (5, M32, 0)]),
    (many_kinds, [(0, 0, 0), (1, 1, 0), (5, 0, M64), (M32, 1, 2**31 - 1), (0, 1, M64)]),
    (effects_only, [(0,), (3,), (M32,)]),
    (ends_there, [(0,), (10,), (11,), (M32,)]),
    (in_a_loop, [(0, 0), (12, 20), (M32, 255), (1, 1)]),
    (independent, [(0, 1, 0), (M64, 7, M64), (2**31 - 1, 255, 1 << 63), (5, 0, 3)]),
    (mixed, PAIRS),
    (by_reference, [(1, 2, 3), (M64 - 4, 7, 8), (5, 6, 9), (2**31 - 1, 1 << 31, 0), (0, 0, 255)]),
    (from_tables, [(0, 0), (5, 9), (28, 255), (29, 1), (255, 255)]),
]
