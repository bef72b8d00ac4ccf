"""Control flow and names: joins, definite assignment, walrus, match, what is pruned, faults with messages."""

from __future__ import annotations

import enum
import math
import socket
import struct as packing
from argparse import Namespace
from dataclasses import dataclass
from typing import Any, NamedTuple

import bpfvm
from bpfvm import s32, s64, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases
OPTIONS = Namespace(port=443, verbose=False, name="eth0", limit=None)
SHIFT = 12
LEVELS = ((0, 10), (1, 100), (2, 1000))


@dataclass(frozen=True)
class Config:
    """Constants that a program is made with."""

    least: int = 10
    most: int = 1000
    names: tuple[str, ...] = ("a", "b")


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


class Color(enum.Enum):
    """Members that are no numbers."""

    RED = 1
    BLUE = "b"


class Flags(enum.IntFlag):
    """Bits with names."""

    LOW = 1
    MID = 4
    HIGH = 128


CONFIG, ORIGIN = Config(), Point(3, 4)


@case()
def pruned_by_options(a: u32) -> u64:
    """Arms that constants exclude are not looked at: names in them need not exist."""
    if OPTIONS.verbose:
        return no_such_name(a)  # type: ignore[name-defined,no-any-return]  # noqa: F821
    if OPTIONS.limit is not None:
        return a // OPTIONS.limit  # type: ignore[no-any-return]
    return a + OPTIONS.port + len(OPTIONS.name)  # type: ignore[no-any-return]


@case()
def pruned_by_kind(a: u32, b: u64) -> u64:
    """A function that asks what it was given."""
    return kind_of(a) + kind_of(b) * 10 + kind_of(None) * 100 + kind_of((1, 2)) * 1000


def kind_of(x: object) -> int:
    """What `isinstance` says decides what is compiled."""
    if isinstance(x, u64_class):
        return 1
    if isinstance(x, int):
        return x.bit_length() % 8
    return 3 if x is None else len(x)  # type: ignore[arg-type]


u64_class: type = vars(bpfvm).get("u64") or bpfvm.u64


@case()
def pruned_by_attribute(a: u32) -> u32:
    """`hasattr` and `getattr` of modules and objects."""
    if hasattr(socket, "AF_NO_SUCH"):
        return socket.AF_NO_SUCH + a  # type: ignore[no-any-return]
    return a + getattr(OPTIONS, "depth", 3) + getattr(CONFIG, "least") + hasattr(a, "bit_length")  # type: ignore[no-any-return]  # noqa: B009


@case()
def constant_attributes(a: u32) -> u64:
    """Frozen dataclasses, named tuples, modules, classes."""
    inside = CONFIG.least <= a < CONFIG.most
    return a + ORIGIN.x * ORIGIN[1] + len(CONFIG.names) + socket.IPPROTO_UDP + inside + u64.bits  # type: ignore[attr-defined,no-any-return]


@case()
def constant_calls(a: u16) -> u64:
    """Pure functions of the library, computed beforehand."""
    magic = int.from_bytes(packing.pack("<H", 0x1234), "big") + math.gcd(12, 18) + math.isqrt(99)
    return a + socket.htons(5) + magic + ord("x") + len("four") + (1 << SHIFT)


@case()
def constant_texts(a: u32) -> u32:
    """Texts are compared, joined and asked beforehand."""
    name = OPTIONS.name.upper() + "x"
    if name == "ETH0x" and name.startswith("ETH") and "0" in name:
        return a + name.index("0")  # type: ignore[no-any-return]
    return 0


@case()
def members(a: u8) -> u32:
    """Members of enums: which one, its name, its value."""
    color = Color.RED
    total = (color is Color.RED) + (color == Color.BLUE) * 2 + len(Color.BLUE.value) + len(color.name)
    return a + total + Color(1).value  # type: ignore[no-any-return]


@case()
def flags(a: u8) -> u8:
    """`& | ^` of an IntFlag."""
    mask = Flags.LOW | Flags.HIGH
    return (a & mask) + (a & Flags.MID > 0) + (mask ^ Flags.LOW) // 64


@case()
def unpacked(a: u32, b: u32) -> u64:
    """Swaps, nested targets, one behind `*`, chains of targets."""
    a, b = b, a
    (x, y), z = (a, b), 3
    first, *rest, last = a, b, z, x
    p = q = y + z
    q += 1
    return first + last + len(rest) * 100 + rest[0] * 3 + rest[-1] + (p + q) % 7


@case()
def names_change_kind(a: u32) -> u64:
    """A name may hold another kind of value later."""
    x: Any = None
    x = (a, 1)
    x = x[0] + x[1]
    x = u64(x)
    return x * 3  # type: ignore[no-any-return]


@case()
def bound_on_all_ways(a: s32) -> s64:
    """Each way binds the name, or ends."""
    if a > 100:
        x = 1
    elif a < -100:
        x = -a
    elif a == 0:
        return 7
    else:
        x = a * a
    return x


@case()
def walrus_everywhere(a: u32, b: u32) -> u64:
    """In conditions, arguments, tuples, comparisons, subscripts."""
    if (x := a % 10) > 3 and (y := x * 2) < 15:
        return y + (z := x + 1) + z
    pair = (w := b % 7), w + 1
    return max(w, (v := pair[1])) + v + pair[(i := 0)] + i + x


@case(0, 1, 5, 7, 8, 100, 255)
def loop_ways(a: u8) -> u32:
    """break, continue, else, in loops of both kinds."""
    total = 0
    for i in range(a):
        if i % 2:
            continue
        if i > 50:
            break
        total += i
    else:
        total += 1000
    n = a
    while n:
        n //= 2
        if n == 3:
            break
        total += n
    else:
        total += 5000
    return total


@case()
def loop_over_known(a: u32) -> u64:
    """Tuples of tuples, texts, bytes, dicts that stand outside."""
    total = 0
    for level, most in LEVELS:
        if a > most:
            total = level + 1
    for letter in "az":
        total += ord(letter)
    for byte in b"\x01\x02":
        total = total * 2 + byte
    for i, (_, most) in enumerate(LEVELS, 1):
        total += i * most
    return total


@case(0, 3, 17, 64, 255)
def loop_sides(a: u8) -> u64:
    """zip, reversed and enumerate over ranges that are not known."""
    total = 0
    for i, j in zip(range(a), range(100, 0, -3), strict=False):
        total += i * j
    for i in reversed(range(0, a, 7)):
        total = total * 3 + i & 0xFFFF
    for at, i in enumerate(range(a, 0, -2), 5):
        total += at ^ i
    return total


@case()
def matched_numbers(a: u32) -> u32:
    """Literals, alternatives, constants with dots, guards, captures."""
    match a:
        case 0:
            return 1
        case 1 | 2 | 3:
            return 2
        case OPTIONS.port:
            return 3
        case socket.IPPROTO_UDP | socket.IPPROTO_ICMPV6:
            return 4
        case x if x % 2 == 0:
            return x // 2
        case _:
            return 5


@case()
def matched_tuples(a: u8, b: u8) -> u32:
    """Tuples, nested, with a rest, with names and `as`."""
    match (a, b, (1, a)):
        case (0, _, _):
            return 1
        case (x, 1 | 2 as y, (_, z)):
            return x + y * 100 + z
        case (x, *rest) if x > b:
            return x * 3 + len(rest)
        case _:
            return 9


@case()
def matched_classes(a: u32, b: u64) -> u64:
    """Classes, whose answer is known."""
    match b:
        case bool():
            return 1
        case int(x) if x > 1000:
            return x + a
        case int():
            return a
    return 3


@case()
def raised(a: u32) -> u32:
    """Exceptions with and without messages end the program."""
    if a == 1:
        raise ValueError
    if a == 2:
        raise KeyError("no such key")
    if a == 3:
        raise ArithmeticError(f"{a} is three: {a:#x} {a!r}")
    if a > 1 << 31:
        raise OverflowError("too", a)
    return a


@case()
def asserted(a: u32, b: u8) -> u64:
    """Assertions narrow: behind them the product fits, and the shift is exact."""
    assert a < 1 << 20
    assert b <= 40, f"{b} is too many"
    return (a << b) // 3


@case((5, 0), (99, 1), (100, 5), (100, 0), (255, 0))
def message_that_faults(a: u8, b: u8) -> u32:
    """A message is evaluated before the exception is made."""
    assert a < 100, f"{1000 // b}"
    return a


@case()
def nothing_done(a: u32) -> u32:
    """Statements without an effect."""
    pass
    a  # noqa: B018
    "a text"
    ...
    return a
