"""Functions of numbers that CPython has not. They are compiled as any function that a program calls is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpfvm import be16, be32, be64
else:
    from bpfvm.lang.types.scalars import be16, be32, be64

_WIDTHS = "the width is 16, 32 or 64"


def bswap16(x: int) -> int:
    """The low 16 bits of `x` with their bytes in the opposite order, as a plain int."""
    return be16(x)


def bswap32(x: int) -> int:
    """The low 32 bits of `x` with their bytes in the opposite order."""
    return be32(x)


def bswap64(x: int) -> int:
    """The low 64 bits of `x` with their bytes in the opposite order."""
    return be64(x)


# BPF programs here run on little-endian machines, where network order is the opposite one
hton16 = ntoh16 = bswap16
hton32 = ntoh32 = bswap32
hton64 = ntoh64 = bswap64


def hton(x: int, width: int) -> int:
    """The low `width` bits of `x` in network order; `width` is a constant."""
    if width == 16:
        return be16(x)
    if width == 32:
        return be32(x)
    if width == 64:
        return be64(x)
    raise ValueError(_WIDTHS)


ntoh = hton


def rol(x: int, count: int, bits: int = 64) -> int:
    """The low `bits` bits of `x`, a power of 2 of them up to 64, rotated to the left: a plain int."""
    value, count = int(x) % (1 << bits), int(count) % bits
    return (value << count | value >> 1 >> bits - 1 - count) % (1 << bits)


def ror(x: int, count: int, bits: int = 64) -> int:
    """The low `bits` bits of `x` rotated to the right."""
    return rol(x, -int(count), bits)


def log2(x: int) -> int:
    """The logarithm, rounded down: the place of the highest bit of `x`, of `-x` where it is negative; -1 for 0."""
    return x.bit_length() - 1
