"""Lines of the trace: what `print` shows of numbers and texts, by every format that there is."""

from __future__ import annotations

import enum

from bpfvm import bpf, char, s32, s64, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


class Level(enum.IntEnum):
    """Constants with names, which print as numbers."""

    LOW = 10


@case()
def printed_numbers(a: u32, b: s32) -> u64:
    """Signed and unsigned, of all widths; the largest."""
    print(a, b)
    print("a is", a, "and b", b, sep="\t")
    print(f"{u64(a) << 32} {s64(b) - 1}")
    return 0


@case()
def printed_formats(a: u32, b: s32) -> u64:
    """Widths, signs, zeros, sides, hexadecimal with and without its prefix."""
    print(f"{a:d}|{a:12}|{a:<12}|")
    print(f"{b:+d}|{b: d}|{b:012d}|")
    print(f"{a:x}|{a:X}|{a:#x}|")
    print(f"{a:08x}|{a:#010x}|{a:12x}|")
    print(f"{a:<12x}|{b:>7}|{b:-5}|", end="!\n")
    return 1


@case()
def printed_characters(a: u8) -> u64:
    """One by its number, seven in an array up to a zero."""
    name = char[8](a & 63 | 64, 98, 99)
    print(f"{name[0] & 127 | 64:c}, {name}, {name:6}|{name:>9}|")
    print(name, f"{name!s}")
    return 2


@case()
def printed_constants(a: u16) -> u64:
    """CPython shows them when the program is compiled."""
    level = Level.LOW
    print("100% of", level, None, f"{1 << 20:_}", 7, end="")
    print()
    print("", a, "", sep="")
    return 3


@case()
def printed_many(a: u16, b: u16) -> u64:
    """More than three values, twelve at the most."""
    print(a, b, a + b, a - b)
    print(a, b, a, b, a, b, a, b, a, b, a, b, sep=",")
    return 4


@case()
def printed_on_ways(a: u8, b: u8) -> u64:
    """In loops, on one way, before a fault, in a section."""
    for i in range(a % 3):
        print(f"turn {i} of {a % 3}")
    if a > b:
        print("more")
    with bpf.rcu():
        print(f"{a // b:d}")
    return 5
