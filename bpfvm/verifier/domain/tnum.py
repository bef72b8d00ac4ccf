"""Numbers of which some bits are known: a pair (value, mask), a bit of the mask set where the bit is not known.

A bit that is set in the mask is clear in the value. Operations are those of Vishwanathan, Shachnai, Narayana and
Nagarakatte, Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers, CGO 2022. `mul` unites the two
cases of an unknown bit, as kernels do from 6.18 on (measured).
"""

from __future__ import annotations

from typing import TypeAlias

from bpfvm.core.bits import M32, M64

Tnum: TypeAlias = tuple[int, int]

UNKNOWN: Tnum = (0, M64)
_HIGH = M64 ^ M32


def const(value: int) -> Tnum:
    """All bits known."""
    return value & M64, 0


def span(low: int, high: int) -> Tnum:
    """The bits that all numbers of an unsigned range share."""
    bits = (low ^ high).bit_length()
    mask = (1 << bits) - 1
    return low & ~mask, mask


def contains(one: Tnum, value: int) -> bool:
    """Whether the number is one of those that `one` stands for."""
    return value & ~one[1] == one[0]


def within(outer: Tnum, inner: Tnum) -> bool:
    """Whether every number of `inner` is one of `outer`."""
    return not inner[1] & ~outer[1] and inner[0] & ~outer[1] == outer[0]


def following(one: Tnum, value: int) -> int:
    """The least number of `one` above `value`; its greatest where none is."""
    known, mask = one
    if value < known:
        return known
    if value >= known | mask:
        return known | mask
    low = value & mask | known
    differs = value ^ low
    if not differs:
        return ((value | ~mask) + 1 & mask) | known
    top = 1 << differs.bit_length() - 1
    if known & top:  # greater at this bit already
        return low & ~((top - 1) & mask)
    above = mask & ~((top << 1) - 1)  # to be raised by one
    raised = (value & above | ~above) + 1 & above
    return raised | known


def intersect(a: Tnum, b: Tnum) -> Tnum:
    """What is known from either; of two that share a number."""
    mask = a[1] & b[1]
    return (a[0] | b[0]) & ~mask, mask


def union(a: Tnum, b: Tnum) -> Tnum:
    """What is known in both cases."""
    mask = (a[0] ^ b[0]) | a[1] | b[1]
    return a[0] & b[0] & ~mask, mask


def add(a: Tnum, b: Tnum) -> Tnum:
    """Sum, modulo 2**64."""
    low, high = a[0] + b[0], a[1] + b[1]
    mask = ((low + high) ^ low | a[1] | b[1]) & M64
    return low & M64 & ~mask, mask


def sub(a: Tnum, b: Tnum) -> Tnum:
    """Difference, modulo 2**64."""
    middle = a[0] - b[0]
    mask = ((middle + a[1]) ^ (middle - b[1]) | a[1] | b[1]) & M64
    return middle & M64 & ~mask, mask


def neg(a: Tnum) -> Tnum:
    """0 - a."""
    return sub((0, 0), a)


def and_(a: Tnum, b: Tnum) -> Tnum:
    """Bitwise and."""
    some_a, some_b, value = a[0] | a[1], b[0] | b[1], a[0] & b[0]
    return value, some_a & some_b & ~value


def or_(a: Tnum, b: Tnum) -> Tnum:
    """Bitwise or."""
    value, mask = a[0] | b[0], a[1] | b[1]
    return value, mask & ~value


def xor(a: Tnum, b: Tnum) -> Tnum:
    """Bitwise exclusive or."""
    mask = a[1] | b[1]
    return (a[0] ^ b[0]) & ~mask, mask


def mul(a: Tnum, b: Tnum) -> Tnum:
    """Product, modulo 2**64: by the bits of `a`, a bit that is not known being both cases at once."""
    total: Tnum = (0, 0)
    (value, mask), shifted = a, b
    while value or mask:
        if value & 1:
            total = add(total, shifted)
        elif mask & 1:
            total = union(total, add(total, shifted))
        value, mask, shifted = value >> 1, mask >> 1, lsh(shifted, 1)
    return total


def lsh(a: Tnum, by: int) -> Tnum:
    """Shift to the left."""
    return a[0] << by & M64, a[1] << by & M64


def rsh(a: Tnum, by: int) -> Tnum:
    """Shift to the right, zeros in."""
    return a[0] >> by, a[1] >> by


def arsh(a: Tnum, by: int, bits: int) -> Tnum:
    """Shift to the right, the sign of a number of `bits` in; the result has `bits`."""
    cut, top = (1 << bits) - 1, 1 << (bits - 1)

    def shifted(word: int) -> int:
        word &= cut
        return (word - (top << 1) if word & top else word) >> by & cut

    value, mask = shifted(a[0]), shifted(a[1])
    return value & ~mask, mask


def low32(a: Tnum) -> Tnum:
    """The low half, zeros above."""
    return a[0] & M32, a[1] & M32


def with_low32(a: Tnum, low: Tnum) -> Tnum:
    """The high half of `a` over the low half of `low`."""
    return a[0] & _HIGH | low[0] & M32, a[1] & _HIGH | low[1] & M32


def cast(a: Tnum, size: int) -> Tnum:
    """The low `size` bytes, zeros above."""
    cut = (1 << 8 * size) - 1
    return a[0] & cut, a[1] & cut
