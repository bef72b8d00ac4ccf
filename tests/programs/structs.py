"""Structs on the stack: fields of all widths, methods, references, copies."""

from __future__ import annotations

import enum
from collections.abc import Callable
from copy import copy
from typing import Annotated, Any

from bpfvm import be16, be32, be64, bits, s8, s16, s32, s64, struct, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1


class Kind(enum.IntEnum):
    """A field of it is a u32."""

    NONE = 0
    ARG = 1
    RET = 2


class Sign(enum.IntEnum):
    """A field of it is an s32."""

    LESS = -1
    MORE = 1


@struct
class Point:
    """Two numbers, and what they do."""

    x: s32 = 0
    y: s32 = 0

    def norm(self) -> int:
        """Reads its own fields."""
        return self.x * self.x + self.y * self.y

    def move(self, dx: int, dy: int = 1) -> None:
        """Changes them."""
        self.x += dx
        self.y += dy

    def swapped(self) -> Point:
        """Makes another one."""
        return Point(x=self.y, y=self.x)

    @property
    def total(self) -> int:
        """A property."""
        return self.x + self.y

    @staticmethod
    def unit() -> Point:
        """No object."""
        return Point(x=1)

    @classmethod
    def diagonal(cls, side: int) -> Point:
        """The class itself."""
        return cls(x=s32(side), y=s32(side))


@struct
class Wide:
    """Every width, with padding between."""

    a: u8 = 0
    b: u64 = 0
    c: s8 = 0
    d: u16 = 0
    e: s16 = 0
    f: u32 = 7
    g: s64 = 0
    h: bool = False
    i: be16 = 0
    j: be32 = 0x01020304
    k: be64 = 0
    kind: Kind = Kind.ARG
    sign: Sign = Sign.LESS
    small: Annotated[Kind, u8] = Kind.RET


@struct
class Line:
    """Structs inside of a struct."""

    start: Point = Point(x=3)
    end: Point = Point()
    width: u8 = 1


@struct(packed=True)
class Packed:
    """No padding."""

    a: u8 = 0
    b: u32 = 0
    c: u16 = 0
    d: u64 = 0


@struct
class Flags:
    """Bit-fields, two units of them."""

    low: Annotated[int, bits(u8, 3)] = 0
    high: Annotated[int, bits(u8, 5)] = 17
    wide: Annotated[int, bits(u32, 20)] = 0
    sign: Annotated[int, bits(s32, 5)] = -1
    next: Annotated[int, bits(u32, 30)] = 0
    rest: u16 = 0


@struct
class Shared:
    """The unit of a bit-field begins in the byte of the field before it."""

    flag: bool = False
    part: Annotated[int, bits(u32, 12)] = 5
    rest: u8 = 0


@struct
class Money:
    """Operators of the user's."""

    cents: s64 = 0

    def __add__(self, other: Money) -> Money:
        return Money(cents=self.cents + other.cents)

    def __iadd__(self, other: Money) -> Money:
        self.cents += other.cents
        return self

    def __mul__(self, by: int) -> Money:
        return Money(cents=self.cents * by)

    def __rmul__(self, by: int) -> Money:
        return self * by

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.cents // 100 == other.cents // 100

    def __lt__(self, other: Money) -> bool:
        return self.cents < other.cents

    def __bool__(self) -> bool:
        return self.cents != 0

    def __getitem__(self, place: int) -> int:
        return self.cents // 100 if place == 0 else self.cents % 100

    def __setitem__(self, place: int, value: int) -> None:
        self.cents = self[0] * 100 + value if place else value * 100 + self[1]

    def __contains__(self, coin: int) -> bool:
        return self.cents % coin == 0


def fields(a: u32, b: u32) -> u64:
    """Stores and loads."""
    p = Point(x=s32(a))
    p.y = s32(b)
    p.x = p.x ^ p.y
    return u64(p.x) ^ u64(p.y) << 32


def defaults(a: u8) -> u64:
    """What is not given is the default, or zero."""
    w = Wide(a=a)
    return u64(w.a + w.b + w.c + w.d + w.f + w.j + w.kind * 3 + w.sign * 1000 + w.small)


def every_width(a: u64) -> u64:
    """Each field keeps its bits."""
    w = Wide()
    w.a = u8(a)
    w.b = a
    w.c = s8(a)
    w.d = u16(a)
    w.e = s16(a)
    w.f = u32(a)
    w.g = s64(a)
    w.h = bool(a & 2)
    return u64(w.a) + w.b * 3 + u64(w.c) * 5 + w.d * 7 + u64(w.e) * 11 + w.f * 13 + u64(w.g) * 17 + w.h


def byte_orders(a: u64) -> u64:
    """Big-endian fields hold the number that was stored."""
    w = Wide(i=u16(a), j=u32(a), k=a)
    w.i = u16(w.i + 1)
    w.k += w.j
    return w.k ^ u64(w.i) << 48 ^ w.j


def enums(a: u32) -> u32:
    """Fields of enums are numbers."""
    w = Wide(kind=Kind.RET)
    if a > 5:
        w.kind = Kind.NONE
        w.small = Kind.ARG
    match w.kind:
        case Kind.NONE:
            return 100 + w.small
        case Kind.RET:
            return u32(w.sign + 5)
    return 0


def truths(a: u32) -> u32:
    """A bool keeps the truth of what is stored."""
    w = Wide(h=bool(a))
    first = w.h
    w.h = not w.h
    return 10 * first + w.h


def bit_fields(a: u32, b: u32) -> u64:
    """Neighbours in one unit."""
    g = Flags(low=a & 7, wide=b & 0xFFFFF)
    before = g.high
    g.high = a >> 3 & 31
    g.sign = (b & 31) - 16
    g.next = a & 0x3FFFFFFF
    g.rest = u16(b)
    g.low ^= 5
    return u64(g.low + g.high * 8 + g.wide * 256 + g.next + before + g.rest) ^ u64(g.sign) << 50


def shared_units(a: u32, b: u8) -> u64:
    """A bit-field's unit with bytes of other fields, stored in any order, copied, compared."""
    p = Shared(part=a & 0xFFF, flag=bool(b & 1), rest=b)
    q = copy(p)
    q.flag = not q.flag
    q.part ^= 1
    return u64(p.flag + p.part * 2 + p.rest * 10_000) + u64(q.flag + q.part * 3 + q.rest) * 1_000_000 + (p == q)


def packed_fields(a: u32, b: u64) -> u64:
    """Fields at odd addresses."""
    p = Packed(a=u8(a), b=a, c=u16(b), d=b)
    p.b += p.a & 1 and -1
    p.d ^= p.b
    return p.d + p.c + p.a


def aliases(a: u32) -> u32:
    """Two names of one object."""
    p = Point(x=1)
    q = p
    q.x = s32(a >> 1)
    q.y += 4
    return u32(p.x + p.y)


def copies(a: u32) -> u64:
    """A copy is an object of its own."""
    p = Point(x=s32(a >> 4), y=2)
    q = copy(p)
    q.x += 1
    p.y = 9
    return u64(p.x * 3 + p.y * 5 + q.x * 7 + q.y * 11)


def nested(a: u32, b: u32) -> u64:
    """A struct in a struct is stored as its bytes, and read as a reference."""
    line = Line(width=3)
    p = Point(x=s32(a), y=5)
    line.end = p
    p.y = 6
    line.end.y += 1
    start = line.start
    start.y = s32(b)
    return u64(line.start.x + line.start.y * 2 + line.end.y * 3 + line.width) ^ u64(line.end.x) << 32


def equality(a: u32, b: u32) -> u32:
    """Field by field."""
    p, q = Point(x=s32(a), y=1), Point(x=s32(b), y=1)
    line, other = Line(start=p, end=q), Line(start=q, end=p)
    same = p == q
    q.y += same
    return 2 * (p != q) + 4 * (line == other) + 8 * (line == copy(line)) + q.y


def padding(a: u8) -> bool:
    """Padding is no part of a value."""
    first, second = Wide(a=a), Wide(a=7)
    second.a = a
    return first == second


def methods(a: u16, b: u16) -> u64:
    """They get the object itself."""
    p = Point(x=a, y=b)
    p.move(2)
    p.move(dx=-1, dy=p.total)
    q = p.swapped()
    return u64(p.norm()) + u64(q.norm()) * 3 + u64(q.x - p.x) + Point.unit().x + Point.diagonal(a).total


def moved(p: Point, by: int) -> Point:
    """Changes what it gets, and gives it back."""
    p.x += by
    return p


def made(a: int) -> Point:
    """Gives a new object."""
    p = Point(x=s32(a), y=1)
    p.y += 1
    return p


def pair(a: int) -> tuple[Point, Point]:
    """Two objects."""
    return Point(x=s32(a)), Point(y=s32(a))


def passing(a: u16) -> u64:
    """Functions take and give references."""
    p = Point(x=a)
    q = moved(p, 10)
    q.y = 7
    r = made(a)
    s = made(r.y)
    first, second = pair(a)
    first.x += second.y
    return u64(p.x + p.y * 2 + r.x * 3 + s.x * 5 + first.x * 7)


def choices(a: u32, b: u32) -> u64:
    """One of two objects: what is stored is stored into that one."""
    p, q = Point(x=1), Point(x=2)
    chosen = p if a > b else q
    chosen.x += 10
    if a & 1:
        chosen = q
    chosen.y = 5
    return u64(p.x + p.y * 100 + q.x * 10_000 + q.y * 1_000_000)


def exchanged(n: u8) -> u64:
    """Names of objects change in a loop."""
    p, q = Point(x=1), Point(x=2)
    for i in range(n & 15):
        p, q = q, p
        p.y += i
    return u64(p.x + p.y * 10 + q.x * 10_000 + q.y * 100_000)


def made_in_loop(n: u8) -> u64:
    """Each turn makes its own."""
    total = u64(0)
    for i in range(n & 15):
        p = Point(x=i)
        p.y += 3
        total += p.x * 100 + p.y
    return total


def conditional(a: u32) -> u32:
    """Stores on one way only."""
    w = Wide()
    if a > 10:
        w.d = 5
        w.f = a
    else:
        w.e = -1
    return u32(w.d + w.e + w.f)


def looped(n: u32) -> u64:
    """Fields that grow in a loop."""
    w = Wide()
    for i in range(n & 63):
        w.b += i
        w.f ^= i * 77
        if i & 3 == 3:
            w.a = i
    return w.b + w.f + w.a


def operators(a: s32, b: s32) -> s64:
    """Special methods of the user's."""
    m, n = Money(cents=a), Money(cents=b)
    k = m + n
    k += Money(cents=250)
    k = 2 * k * 3
    score = 0
    if m == n:
        score += 1
    if m != n:
        score += 2
    if m < n:
        score += 4
    if m > n:
        score += 8
    if m:
        score += 16
    if 5 in n:
        score += 32
    k[0] = k[1] + 3
    return k.cents * 64 + score + k[0] + (not k)


def match_class(a: u32, b: u32) -> s64:
    """Class patterns."""
    p = Point(x=s32(a & 15), y=s32(b & 15))
    match p:
        case Point(x=0, y=0):
            return -1
        case Point(x=0, y=v) | Point(x=v, y=0):
            return v
        case Point(x=x, y=y) if x == y:
            return x * 100
        case Line():
            return 5
        case Point(x=x):
            return x - 1000
    return 0


def modular(a: u64, b: s64) -> u64:
    """Fields of 64 bits wrap, all others are exact."""
    w = Wide(b=a, g=b)
    w.b += 1
    w.g -= 1
    w.f = 0xFFFFFFFF
    over = w.f + 1
    return w.b * 3 + u64(w.g) + over


def discarded(a: u32) -> u32:
    """Objects that nobody reads."""
    Point(x=s32(a))
    q = Point(x=s32(a))
    q.y = 3
    return a


ONE: list[tuple[int, ...]] = [(0,), (1,), (2,), (7,), (10,), (11,), (15,), (100,), (255,), (65535,), (M32,), (2**31,)]
BYTE: list[tuple[int, ...]] = [(0,), (1,), (3,), (8,), (15,), (255,)]
TWO: list[tuple[int, ...]] = [(0, 0), (1, 0), (0, 5), (3, 3), (7, 200), (255, 256), (M32, 1), (2**31, M32), (M32, M32)]
WORDS: list[tuple[int, ...]] = [(0,), (1,), (200,), (2**31,), (M32,), (2**63,), (M64,), (0x0123456789ABCDEF,)]
CASES: list[tuple[Callable[..., Any], list[tuple[int, ...]]]] = [
    (fields, TWO),
    (defaults, BYTE),
    (every_width, WORDS),
    (byte_orders, WORDS),
    (enums, ONE),
    (truths, ONE),
    (bit_fields, TWO),
    (shared_units, TWO),
    (packed_fields, TWO),
    (aliases, ONE),
    (copies, ONE),
    (nested, TWO),
    (equality, TWO),
    (padding, BYTE),
    (methods, [(0, 0), (1, 2), (65535, 65535), (300, 7)]),
    (passing, [(0,), (1,), (65535,)]),
    (choices, TWO),
    (exchanged, BYTE),
    (made_in_loop, BYTE),
    (conditional, ONE),
    (looped, ONE),
    (operators, [(0, 0), (199, 101), (5, 10), (2**31 - 1, M32), (M32, 1), (2**31, 2**31)]),
    (match_class, [(0, 0), (0, 5), (7, 0), (3, 3), (2, 9), (16, 16)]),
    (modular, [(0, 0), (M64, 2**63), (5, 2**63 - 1), (1 << 40, M64)]),
    (discarded, ONE),
]
