"""Bits of numbers: lengths, counts, byte orders, rotations; membership in tuples, ranges and constants."""

from __future__ import annotations

import enum

from bpfvm import (
    bswap16,
    bswap32,
    bswap64,
    hton,
    hton16,
    hton32,
    hton64,
    log2,
    ntoh,
    ntoh16,
    ntoh32,
    ntoh64,
    rol,
    ror,
    s8,
    s16,
    s32,
    s64,
    u8,
    u16,
    u32,
    u64,
)
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases
EDGES = sorted({(1 << bit) + near & 2**64 - 1 for bit in range(0, 65, 4) for near in (-1, 0, 1)})
NOTHING, EMPTY = (), b""
PORTS = (22, 80, 443, 8080, 8443)
NAMES = {"ssh": 22, "http": 80}


class Proto(enum.IntEnum):
    """Constants with names."""

    ICMP = 1
    TCP = 6
    UDP = 17


@case(*EDGES)
def bit_length_u64(a: u64) -> u8:
    """Bits up to the highest that is set."""
    return a.bit_length()


@case(*EDGES)
def bit_length_s64(a: s64) -> u8:
    """Of the magnitude, that of s64's least value too."""
    return a.bit_length()


@case()
def bit_length_narrow(a: u8, b: s8, c: u32, d: bool) -> u32:
    """Fewer steps for fewer bits."""
    return a.bit_length() + b.bit_length() * 100 + c.bit_length() * 10_000 + d.bit_length() * 1_000_000


@case(*EDGES)
def bit_count_u64(a: u64) -> u8:
    """Bits that are set."""
    return a.bit_count()


@case(*EDGES)
def bit_count_s64(a: s64) -> u8:
    """Of the magnitude."""
    return a.bit_count()


@case()
def bit_count_narrow(a: u16, b: s16) -> u8:
    """Of narrow numbers, and of an expression."""
    return a.bit_count() + b.bit_count() + (a * b).bit_count()


@case(*EDGES)
def logarithm(a: u64) -> s64:
    """Rounded down; -1 of 0."""
    return log2(a)


@case()
def logarithm_narrow(a: s32, b: u8) -> s64:
    """Of a negative number: of its magnitude."""
    return log2(a) * 100 + log2(b + 1)


@case(*EDGES)
def byte_orders(a: u64) -> u64:
    """Of 16, 32 and 64 bits."""
    return bswap16(a) ^ bswap32(a) << 7 ^ bswap64(a)


@case()
def network_orders(a: u64, b: u32, c: u16) -> u64:
    """To the network's order and back, of numbers of their own widths."""
    there = hton16(c) + hton32(b) + u32(hton64(a))
    return there + ntoh16(c) + ntoh32(hton32(b)) + u32(ntoh64(hton64(a)))


@case()
def orders_by_width(a: u64, b: s64) -> u64:
    """A width that is a constant."""
    return hton(a, 16) ^ ntoh(a, 32) ^ hton(b, 64) ^ ntoh(b, 16)


@case()
def rotations(a: u64, n: u8) -> u64:
    """By any count."""
    return rol(a, n) ^ ror(a, n) ^ rol(a, 13)


@case()
def rotations_signed(a: s64, n: s32) -> u64:
    """Of a signed number by a count that may be negative."""
    return rol(a, n) ^ ror(a, 1)


@case()
def rotations_narrow(a: u32, b: u8, n: u64) -> u64:
    """Of fewer bits."""
    return rol(a, n, 32) + ror(b, n, 8) + rol(a, 3, 16)


@case()
def integer_attributes(a: s32, b: u64, c: bool) -> s64:
    """What every integer has."""
    return a.real + a.imag + b.denominator + c.numerator + a.conjugate() + int(b.real > 7)


@case()
def in_tuple(a: u32) -> u8:
    """Constants: neighbours, one alone, none."""
    return (a in (1, 2, 3, 4, 7)) + (a in (255,)) * 2 + (a in NOTHING) * 4 + (a not in (0, 100)) * 8


@case(22, 23, 80, 443, 8080, 8443, 0, 65535)
def in_captured(port: u16) -> u8:
    """A captured tuple, a list and a set that stand in place, the values of enum members."""
    return (port in PORTS) + (port in [22, 23]) * 2 + (port in {80, 443}) * 4 + (port in (Proto.TCP, Proto.UDP)) * 8


@case()
def in_variables(a: u32, b: u32, c: s32) -> u8:
    """Items that are known only when the program runs; None is never a number."""
    return (a in (b, c, 7)) + (c in (a, None, b + 1)) * 2 + (None in (a, None)) * 4 + (None in (a, b)) * 8


@case()
def in_range(a: s32, b: u8) -> u8:
    """Between the ends; the second is not inside."""
    return (a in range(100)) + (a in range(-5, b)) * 2 + (b in range(a, 300)) * 4 + (a not in range(3, 3)) * 8


@case()
def in_steps(a: s32, b: u8) -> u8:
    """On a step, up and down."""
    return (a in range(1, 100, 3)) + (a in range(127, -128, -5)) * 2 + (b in range(a, 1000, 7)) * 4


@case()
def in_bytes(a: u8) -> u8:
    """Among bytes."""
    return (a in b"GET /") + (a in EMPTY) * 2 + (a not in b"\x00\xff") * 4


@case()
def in_bytes_faults(a: s16) -> bool:
    """CPython raises ValueError for what is no byte."""
    return a in b"GET /"


@case()
def in_constants(a: u8) -> u8:
    """Known before the program runs: parts of a text, keys of a dict that stands in place."""
    return ("ET" in "GET /") + (b"x" in b"GET") * 2 + a + (3 in (1, 2, 3)) * 4


@case()
def in_narrows(a: u32) -> u8:
    """What the test has shown is known behind it."""
    if a in range(10, 200):
        return a
    return a if a in (1, 2, 3) else 0


@case()
def members_of_enums(a: u8) -> u32:
    """Names, values and what a number that is proved to be a member becomes."""
    total = Proto.UDP + Proto.TCP.value * 100 + len(Proto.ICMP.name) + Proto(6)
    if a == 6 or a == 17:
        total += a == Proto.TCP
    return total
