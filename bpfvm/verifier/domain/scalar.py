"""What arithmetic makes of what is known of its operands: tnums, and signed and unsigned ranges of 64 and 32 bits.

Functions change the register they are given, which must not stand in a state yet. `sync` carries what one of the five
views says over to the others, as far as the kernel does (6.18): that decides which programs it takes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from bpfvm.core.bits import M32, M64, S32_MAX, S32_MIN, S64_MAX, S64_MIN, signed, swapped
from bpfvm.verifier.domain import tnum
from bpfvm.verifier.domain.regs import SCALAR, Numbers, Reg

_HIGH, _ROUNDS = M64 ^ M32, 3


def sync(reg: Reg) -> None:
    """Let the tnum and the ranges tell one another what they know."""
    reg.take(_synced(reg.same_numbers))


@functools.lru_cache(maxsize=1 << 14)
def _synced(numbers: Numbers) -> Numbers:
    """Programs walk through the same numbers again and again."""
    reg = Reg(SCALAR)
    reg.take(numbers)
    _from_tnum32(reg)
    _from_tnum64(reg)
    before = None
    for _ in range(_ROUNDS):
        _deduce32(reg)
        _deduce64(reg)
        _deduce_mixed(reg)
        if before == (before := reg.same_numbers):
            break  # nothing comes of a further round either
    whole = tnum.intersect((reg.v, reg.m), tnum.span(reg.umin, reg.umax))
    low = tnum.intersect(tnum.low32(whole), tnum.span(reg.umin32, reg.umax32))
    reg.v, reg.m = tnum.with_low32(whole, low)
    _from_tnum32(reg)
    _from_tnum64(reg)
    return reg.same_numbers


def _from_tnum32(reg: Reg) -> None:
    value, unknown = reg.v & M32, reg.m & M32
    reg.smin32 = max(reg.smin32, signed(value | unknown & 1 << 31, 32))
    reg.smax32 = min(reg.smax32, signed(value | unknown & S32_MAX, 32))
    reg.umin32 = max(reg.umin32, value)
    reg.umax32 = min(reg.umax32, value | unknown)


def _from_tnum64(reg: Reg) -> None:
    reg.smin = max(reg.smin, signed(reg.v | reg.m & 1 << 63, 64))
    reg.smax = min(reg.smax, signed(reg.v | reg.m & S64_MAX, 64))
    reg.umin = max(reg.umin, reg.v)
    reg.umax = min(reg.umax, reg.v | reg.m)
    if reg.m == M64:
        if reg.umin == reg.umax != M64:
            reg.known(reg.umin)
    elif reg.m or reg.umin != reg.v or reg.umax != reg.v:
        _only_one(reg)


def _only_one(reg: Reg) -> None:
    """The tnum has one number in the unsigned range. (6.18.44, measured)"""
    known, low, high = (reg.v, reg.m), reg.umin, reg.umax
    after = tnum.following(known, low)
    if tnum.contains(known, low):
        if after > high:
            reg.known(low)
    elif after == reg.v | reg.m or (after <= high < tnum.following(known, after)):
        reg.known(after)


def _deduce32(reg: Reg) -> None:
    """32-bit ranges from 64-bit ones whose upper halves are equal or follow one another, then from each other."""
    low, high = reg.umin, reg.umax
    if low >> 32 == high >> 32:
        reg.umin32, reg.umax32 = max(reg.umin32, low & M32), min(reg.umax32, high & M32)
    _signed_halves(reg, low, high)
    low, high = reg.smin & M64, reg.smax & M64
    if low >> 32 == high >> 32 and low & M32 <= high & M32:
        reg.umin32, reg.umax32 = max(reg.umin32, low & M32), min(reg.umax32, high & M32)
    _signed_halves(reg, low, high)
    if signed(reg.umin32, 32) <= signed(reg.umax32, 32):
        reg.smin32 = max(reg.smin32, signed(reg.umin32, 32))
        reg.smax32 = min(reg.smax32, signed(reg.umax32, 32))
    low, high = reg.smin32 & M32, reg.smax32 & M32
    if low <= high:
        reg.umin32, reg.umax32 = max(reg.umin32, low), min(reg.umax32, high)
    elif reg.umax32 < low:  # as for 64 bits (6.18.44)
        reg.smin32, reg.umax32 = signed(reg.umin32, 32), min(reg.umax32, high)
    elif reg.umin32 > high:
        reg.smax32, reg.umin32 = signed(reg.umax32, 32), max(reg.umin32, low)


def _signed_halves(reg: Reg, low: int, high: int) -> None:
    first, last = signed(low, 32), signed(high, 32)
    apart = (high >> 32) - (low >> 32) & M32
    if (apart == 0 and first <= last) or (apart == 1 and first < 0 <= last):
        reg.smin32, reg.smax32 = max(reg.smin32, first), min(reg.smax32, last)


def _deduce64(reg: Reg) -> None:
    if signed(reg.umin, 64) <= signed(reg.umax, 64):
        reg.smin = max(reg.smin, signed(reg.umin, 64))
        reg.smax = min(reg.smax, signed(reg.umax, 64))
    low, high = reg.smin & M64, reg.smax & M64
    if low <= high:
        reg.umin, reg.umax = max(reg.umin, low), min(reg.umax, high)
    elif reg.umax < low:  # the signed range crosses 0, and only its part from 0 on is in the unsigned one
        reg.smin, reg.umax = signed(reg.umin, 64), min(reg.umax, high)
    elif reg.umin > high:
        reg.smax, reg.umin = signed(reg.umax, 64), max(reg.umin, low)


def _deduce_mixed(reg: Reg) -> None:
    """64-bit ranges from 32-bit ones."""
    reg.umin = max(reg.umin, reg.umin & _HIGH | reg.umin32)
    reg.umax = min(reg.umax, reg.umax & _HIGH | reg.umax32)
    reg.smin = max(reg.smin, signed(reg.smin & _HIGH | reg.umin32, 64))
    reg.smax = min(reg.smax, signed(reg.smax & _HIGH | reg.umax32, 64))
    if reg.smin32 >= 0 and reg.smin >= S32_MIN and reg.smax <= S32_MAX:  # a sign that was extended, and is none
        reg.smin, reg.umin = reg.smin32, reg.smin32 & M64
        reg.smax, reg.umax = reg.smax32, reg.smax32 & M64
        reg.v, reg.m = tnum.intersect((reg.v, reg.m), tnum.span(reg.smin & M64, reg.smax & M64))


def contradiction(reg: Reg) -> str | None:
    """What of the five views fits no number, in a branch that cannot be taken; None where all is well."""
    if reg.umin > reg.umax or reg.smin > reg.smax or reg.umin32 > reg.umax32 or reg.smin32 > reg.smax32:
        words = "range bounds violation"
    elif not reg.m and (reg.umin != reg.umax or reg.smin != reg.smax or reg.v != reg.umin):
        words = "const tnum out of sync with range bounds"
    elif not reg.m & M32 and (reg.umin32 != reg.umax32 or reg.smin32 != reg.smax32 or reg.v & M32 != reg.umin32):
        words = "const subreg tnum out of sync with range bounds"
    else:
        return None
    return (
        f"{words} u64=[{reg.umin:#x}, {reg.umax:#x}] s64=[{reg.smin & M64:#x}, {reg.smax & M64:#x}] "
        f"u32=[{reg.umin32:#x}, {reg.umax32:#x}] s32=[{reg.smin32 & M32:#x}, {reg.smax32 & M32:#x}] "
        f"var_off=({reg.v:#x}, {reg.m:#x})"
    )


def extend32(reg: Reg) -> None:
    """The upper half becomes 0."""
    reg.v, reg.m = reg.v & M32, reg.m & M32
    reg.umin, reg.umax = reg.umin32, reg.umax32
    reg.smin, reg.smax = (reg.smin32, reg.smax32) if reg.smin32 >= 0 else (0, M32)


def truncate(reg: Reg, size: int) -> None:
    """Only the low `size` bytes are left; zeros above."""
    reg.v, reg.m = tnum.cast((reg.v, reg.m), size)
    cut = (1 << 8 * size) - 1
    if reg.umin & ~cut == reg.umax & ~cut:
        reg.umin, reg.umax = reg.umin & cut, reg.umax & cut
    else:
        reg.umin, reg.umax = 0, cut
    reg.smin, reg.smax = reg.umin, reg.umax
    if size < 4:
        reg.unbound32()
    sync(reg)


def sign_extend(reg: Reg, size: int, bits: int) -> None:
    """The low `size` bytes as a signed number of `bits`. Of 32 bits the caller extends the rest by zeros."""
    cut, width = (1 << bits) - 1, 8 * size
    if not reg.m & cut:
        value = signed(reg.v, width)
        if bits == 64:
            reg.known(value)
        else:
            reg.v, reg.m = value & M32, 0
            reg.smin32 = reg.smax32 = value
            reg.umin32 = reg.umax32 = value & M32
        return
    low, high = (reg.smin, reg.smax) if bits == 64 else (reg.smin32, reg.smax32)
    ends = signed(low, width), signed(high, width)
    if (low & cut) >> width == (high & cut) >> width and (ends[0] >= 0) == (ends[1] >= 0):
        low, high = min(ends), max(ends)
        known = tnum.span(low & M64, high & M64)
        umin, umax = low & cut, high & cut
    else:
        low, high = -(1 << width - 1), (1 << width - 1) - 1
        known, umin, umax = tnum.UNKNOWN, 0, cut
    reg.smin32, reg.smax32, reg.umin32, reg.umax32 = low, high, umin & M32, umax & M32
    if bits == 64:
        reg.smin, reg.smax, reg.umin, reg.umax = low, high, umin, umax
        reg.v, reg.m = known
    else:
        reg.v, reg.m = tnum.low32(known)


def swap(reg: Reg, name: str, width: int) -> None:
    """Byte order: "le" keeps it on a little-endian machine, "be" and "bswap" change it."""
    if name == "le":
        if width < 64:
            truncate(reg, width // 8)
        return
    value, unknown = tnum.cast((reg.v, reg.m), width // 8)
    reg.v, reg.m = swapped(value, width), swapped(unknown, width)
    reg.unbound()
    sync(reg)


def fits(low: int, high: int, least: int, most: int) -> bool:
    """Whether a computed range did not wrap."""
    return least <= low and high <= most


def _add(dst: Reg, src: Reg) -> None:
    low, high = dst.smin32 + src.smin32, dst.smax32 + src.smax32
    dst.smin32, dst.smax32 = (low, high) if fits(low, high, S32_MIN, S32_MAX) else (S32_MIN, S32_MAX)
    dst.umin32, dst.umax32 = _wrapped(dst.umin32 + src.umin32, dst.umax32 + src.umax32, M32)
    low, high = dst.smin + src.smin, dst.smax + src.smax
    dst.smin, dst.smax = (low, high) if fits(low, high, S64_MIN, S64_MAX) else (S64_MIN, S64_MAX)
    dst.umin, dst.umax = _wrapped(dst.umin + src.umin, dst.umax + src.umax, M64)
    dst.v, dst.m = tnum.add((dst.v, dst.m), (src.v, src.m))


def _sub(dst: Reg, src: Reg) -> None:
    low, high = dst.smin32 - src.smax32, dst.smax32 - src.smin32
    dst.smin32, dst.smax32 = (low, high) if fits(low, high, S32_MIN, S32_MAX) else (S32_MIN, S32_MAX)
    dst.umin32, dst.umax32 = _wrapped(dst.umin32 - src.umax32, dst.umax32 - src.umin32, M32)
    low, high = dst.smin - src.smax, dst.smax - src.smin
    dst.smin, dst.smax = (low, high) if fits(low, high, S64_MIN, S64_MAX) else (S64_MIN, S64_MAX)
    dst.umin, dst.umax = _wrapped(dst.umin - src.umax, dst.umax - src.umin, M64)
    dst.v, dst.m = tnum.sub((dst.v, dst.m), (src.v, src.m))


def _wrapped(low: int, high: int, most: int) -> tuple[int, int]:
    """An unsigned range; both ends may have wrapped, and then it is still one."""
    if (low < 0) != (high < 0) or (low > most) != (high > most):
        return 0, most
    return low & most, high & most


def _neg(dst: Reg, src: Reg) -> None:
    was = dst.copy()
    dst.known(0)
    _sub(dst, was)


def _and(dst: Reg, src: Reg) -> None:
    both_low = not (dst.m | src.m) & M32
    both = not dst.m and not src.m
    dst.v, dst.m = tnum.and_((dst.v, dst.m), (src.v, src.m))
    low = min(dst.umax32, src.umax32)
    _set32(dst, dst.v & M32, low, both_low)
    _set64(dst, dst.v, min(dst.umax, src.umax), both)


def _or(dst: Reg, src: Reg) -> None:
    both_low = not (dst.m | src.m) & M32
    both = not dst.m and not src.m
    dst.v, dst.m = tnum.or_((dst.v, dst.m), (src.v, src.m))
    _set32(dst, max(dst.umin32, src.umin32), (dst.v | dst.m) & M32, both_low)
    _set64(dst, max(dst.umin, src.umin), dst.v | dst.m, both)


def _xor(dst: Reg, src: Reg) -> None:
    both_low = not (dst.m | src.m) & M32
    both = not dst.m and not src.m
    dst.v, dst.m = tnum.xor((dst.v, dst.m), (src.v, src.m))
    _set32(dst, dst.v & M32, (dst.v | dst.m) & M32, both_low)
    _set64(dst, dst.v, dst.v | dst.m, both)


def _set32(dst: Reg, low: int, high: int, known: bool) -> None:
    """The unsigned range, and the signed one where it does not cross the sign."""
    if known:
        low = high = dst.v & M32
    dst.umin32, dst.umax32 = low, high
    first, last = signed(low, 32), signed(high, 32)
    dst.smin32, dst.smax32 = (first, last) if first <= last else (S32_MIN, S32_MAX)


def _set64(dst: Reg, low: int, high: int, known: bool) -> None:
    if known:
        dst.known(dst.v)
        return
    dst.umin, dst.umax = low, high
    first, last = signed(low, 64), signed(high, 64)
    dst.smin, dst.smax = (first, last) if first <= last else (S64_MIN, S64_MAX)
    _from_tnum64(dst)


def _mul(dst: Reg, src: Reg) -> None:
    dst.v, dst.m = tnum.mul((dst.v, dst.m), (src.v, src.m))
    high = dst.umax32 * src.umax32
    dst.umin32, dst.umax32 = (dst.umin32 * src.umin32, high) if high <= M32 else (0, M32)
    corners = [a * b for a in (dst.smin32, dst.smax32) for b in (src.smin32, src.smax32)]
    ends = min(corners), max(corners)
    dst.smin32, dst.smax32 = ends if fits(*ends, S32_MIN, S32_MAX) else (S32_MIN, S32_MAX)
    high = dst.umax * src.umax
    dst.umin, dst.umax = (dst.umin * src.umin, high) if high <= M64 else (0, M64)
    corners = [a * b for a in (dst.smin, dst.smax) for b in (src.smin, src.smax)]
    ends = min(corners), max(corners)
    dst.smin, dst.smax = ends if fits(*ends, S64_MIN, S64_MAX) else (S64_MIN, S64_MAX)


def _lsh(dst: Reg, by: int, bits: int) -> None:
    kept = by <= 31 and dst.umax32 <= 1 << 31 - by
    wide = dst.smin32, dst.smax32
    dst.smin32, dst.smax32 = S32_MIN, S32_MAX
    dst.umin32, dst.umax32 = (dst.umin32 << by, dst.umax32 << by & M32) if kept else (0, M32)
    if bits == 32:
        dst.v, dst.m = tnum.low32(tnum.lsh(tnum.low32((dst.v, dst.m)), by))
        _from_tnum32(dst)
        return
    if by == 32:  # the first half of a sign extension by shifts
        dst.smin, dst.smax = wide[0] << 32, wide[1] << 32
    else:
        dst.smin, dst.smax = S64_MIN, S64_MAX
    kept = dst.umax <= 1 << 63 - by
    dst.umin, dst.umax = (dst.umin << by, dst.umax << by) if kept else (0, M64)
    dst.v, dst.m = tnum.lsh((dst.v, dst.m), by)
    _from_tnum64(dst)


def _rsh(dst: Reg, by: int, bits: int) -> None:
    if bits == 32:
        dst.v, dst.m = tnum.rsh(tnum.low32((dst.v, dst.m)), by)
        dst.smin32, dst.smax32 = S32_MIN, S32_MAX
        dst.umin32, dst.umax32 = dst.umin32 >> by, dst.umax32 >> by
        dst.unbound64()
        _from_tnum32(dst)
        return
    dst.v, dst.m = tnum.rsh((dst.v, dst.m), by)
    dst.smin, dst.smax = S64_MIN, S64_MAX
    dst.umin, dst.umax = dst.umin >> by, dst.umax >> by
    dst.unbound32()
    _from_tnum64(dst)


def _arsh(dst: Reg, by: int, bits: int) -> None:
    if bits == 32:
        dst.smin32, dst.smax32 = dst.smin32 >> by, dst.smax32 >> by
        dst.v, dst.m = tnum.arsh(tnum.low32((dst.v, dst.m)), by, 32)
        dst.umin32, dst.umax32 = 0, M32
        dst.unbound64()
        _from_tnum32(dst)
        return
    dst.smin, dst.smax = dst.smin >> by, dst.smax >> by
    dst.v, dst.m = tnum.arsh((dst.v, dst.m), by, 64)
    dst.umin, dst.umax = 0, M64
    dst.unbound32()
    _from_tnum64(dst)


_PLAIN: Mapping[str, Callable[[Reg, Reg], None]] = {
    "add": _add, "sub": _sub, "neg": _neg, "and": _and, "or": _or, "xor": _xor, "mul": _mul,
}  # fmt: skip
_SHIFTS: Mapping[str, Callable[[Reg, int, int], None]] = {"lsh": _lsh, "rsh": _rsh, "arsh": _arsh}


def compute(name: str, bits: int, dst: Reg, src: Reg) -> None:
    """dst = dst `name` src for scalars; `dst` is changed. Of a quotient or a remainder nothing is known."""
    if name in _PLAIN:
        _PLAIN[name](dst, src)
    elif name in _SHIFTS and _shift_known(src, bits):
        _SHIFTS[name](dst, src.umin32 if bits == 32 else src.umin, bits)
    else:
        forget(dst)
        return
    if bits == 32:
        extend32(dst)
    sync(dst)


def _shift_known(src: Reg, bits: int) -> bool:
    if bits == 32:
        known = not src.m & M32 and src.smin32 == src.smax32 and src.umin32 == src.umax32
    else:
        known = not src.m and src.smin == src.smax and src.umin == src.umax
    return known and src.umax < bits


def forget(reg: Reg) -> None:
    """The register becomes a number of which nothing is known."""
    reg.kind, reg.null, reg.prefix, reg.off, reg.id, reg.added, reg.ref = SCALAR, False, "", 0, 0, 0, 0
    reg.map, reg.type, reg.range, reg.size, reg.frame, reg.uid = None, None, 0, 0, 0, 0
    reg.owned = reg.lent = False
    reg.v, reg.m = 0, M64
    reg.unbound()
