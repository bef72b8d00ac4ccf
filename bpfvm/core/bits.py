"""Fixed-width integers as plain Python ints: masks, sign, byte order."""

from __future__ import annotations

M8, M16, M32, M64 = 0xFF, 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF

S32_MIN, S32_MAX = -(1 << 31), (1 << 31) - 1
S64_MIN, S64_MAX = -(1 << 63), (1 << 63) - 1


def mask(bits: int) -> int:
    """The largest unsigned number of `bits` bits."""
    return (1 << bits) - 1


def signed(value: int, bits: int) -> int:
    """`value` mod 2**bits, read as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def swapped(value: int, bits: int) -> int:
    """The low `bits` bits of `value` (a multiple of 8) with their bytes in the opposite order."""
    size = bits // 8
    return int.from_bytes((value & mask(bits)).to_bytes(size, "little"), "big")
