"""Conditional jumps on numbers: whether one is decided, and what each way tells of both operands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bpfvm.core.bits import M32, M64, S32_MAX, S32_MIN, S64_MAX, S64_MIN, signed
from bpfvm.verifier.domain import tnum
from bpfvm.verifier.domain.regs import Reg
from bpfvm.verifier.domain.scalar import sync

Span = tuple[int, int]

# The jump that is taken where the other is not, and the one that says the same with its operands exchanged
OPPOSITE: Mapping[str, str] = {
    "jeq": "jne", "jne": "jeq", "jgt": "jle", "jle": "jgt", "jge": "jlt", "jlt": "jge", "jset": "jclear",
    "jsgt": "jsle", "jsle": "jsgt", "jsge": "jslt", "jslt": "jsge", "jclear": "jset",
}  # fmt: skip
FLIPPED: Mapping[str, str] = {
    "jeq": "jeq", "jne": "jne", "jset": "jset", "jclear": "jclear", "jgt": "jlt", "jlt": "jgt", "jge": "jle",
    "jle": "jge", "jsgt": "jslt", "jslt": "jsgt", "jsge": "jsle", "jsle": "jsge",
}  # fmt: skip


def outcome(name: str, a: Reg, b: Reg, bits: int) -> bool | None:
    """Whether the jump is taken for every pair of numbers (True), for none (False), or it depends (None)."""
    if name in ("jeq", "jne"):
        equal = _equal(a, b, bits)
        return equal if equal is None or name == "jeq" else not equal
    if name == "jset":
        return _any_bit(a, b, bits)
    mine, theirs = (_signed(a, bits), _signed(b, bits)) if name[1] == "s" else (_plain(a, bits), _plain(b, bits))
    return _ORDERED[name.replace("js", "j")](mine, theirs)


def _plain(reg: Reg, bits: int) -> Span:
    return (reg.umin32, reg.umax32) if bits == 32 else (reg.umin, reg.umax)


def _signed(reg: Reg, bits: int) -> Span:
    return (reg.smin32, reg.smax32) if bits == 32 else (reg.smin, reg.smax)


def _greater(a: Span, b: Span) -> bool | None:
    return True if a[0] > b[1] else False if a[1] <= b[0] else None


def _greater_equal(a: Span, b: Span) -> bool | None:
    return True if a[0] >= b[1] else False if a[1] < b[0] else None


_ORDERED: Mapping[str, Callable[[Span, Span], bool | None]] = {
    "jgt": _greater, "jge": _greater_equal,
    "jlt": lambda a, b: _greater(b, a), "jle": lambda a, b: _greater_equal(b, a),
}  # fmt: skip


def _apart(a: Span, b: Span) -> bool:
    return a[0] > b[1] or a[1] < b[0]


def _equal(a: Reg, b: Reg, bits: int) -> bool | None:
    cut = M32 if bits == 32 else M64
    if not (a.m | b.m) & cut:
        return a.v & cut == b.v & cut
    if (a.v ^ b.v) & ~(a.m | b.m) & cut:
        return False
    if _apart(_plain(a, bits), _plain(b, bits)) or _apart(_signed(a, bits), _signed(b, bits)):
        return False
    if bits == 64 and (_apart(_plain(a, 32), _plain(b, 32)) or _apart(_signed(a, 32), _signed(b, 32))):
        return False
    return None


def _any_bit(a: Reg, b: Reg, bits: int) -> bool | None:
    cut = M32 if bits == 32 else M64
    if b.m & cut:
        a, b = b, a
    if b.m & cut:
        return None
    wanted = b.v & cut
    if a.v & wanted:
        return True
    return None if (a.v | a.m) & wanted else False


def refine(name: str, a: Reg, b: Reg, bits: int) -> None:
    """Both are compared by a jump that is taken: what that says of them. They are changed, and may be of no number."""
    if name in ("jgt", "jge", "jsgt", "jsge"):
        name, a, b = FLIPPED[name], b, a
    if name == "jeq":
        (_intersect32 if bits == 32 else _intersect64)(a, b)
    elif name == "jne":
        _shave(a, b, bits)
    elif name in ("jset", "jclear"):
        _bits(name, a, b, bits)
    else:
        _clamp(name, a, b, bits)
    for reg in (a, b):
        sync(reg)


def _intersect32(a: Reg, b: Reg) -> None:
    umin, umax = max(a.umin32, b.umin32), min(a.umax32, b.umax32)
    smin, smax = max(a.smin32, b.smin32), min(a.smax32, b.smax32)
    low = tnum.intersect(tnum.low32((a.v, a.m)), tnum.low32((b.v, b.m)))
    for reg in (a, b):
        reg.umin32, reg.umax32, reg.smin32, reg.smax32 = umin, umax, smin, smax
        reg.v, reg.m = tnum.with_low32((reg.v, reg.m), low)


def _intersect64(a: Reg, b: Reg) -> None:
    umin, umax = max(a.umin, b.umin), min(a.umax, b.umax)
    smin, smax = max(a.smin, b.smin), min(a.smax, b.smax)
    both = tnum.intersect((a.v, a.m), (b.v, b.m))
    for reg in (a, b):
        reg.umin, reg.umax, reg.smin, reg.smax = umin, umax, smin, smax
        reg.v, reg.m = both


def _shave(a: Reg, b: Reg, bits: int) -> None:
    """A number that is known is not the end of the other's range."""
    cut = M32 if bits == 32 else M64
    if b.m & cut:
        a, b = b, a
    if b.m & cut:
        return
    value = b.v & cut
    number = signed(value, bits)
    if bits == 32:
        a.umin32, a.umax32 = (a.umin32 + (a.umin32 == value)) & M32, (a.umax32 - (a.umax32 == value)) & M32
        a.smin32, a.smax32 = _shaved(a.smin32, a.smax32, number, S32_MIN, S32_MAX)
    else:
        a.umin, a.umax = (a.umin + (a.umin == value)) & M64, (a.umax - (a.umax == value)) & M64
        a.smin, a.smax = _shaved(a.smin, a.smax, number, S64_MIN, S64_MAX)


def _shaved(low: int, high: int, value: int, least: int, most: int) -> Span:
    if low == value:
        low = low + 1 if low < most else least
    if high == value:
        high = high - 1 if high > least else most
    return low, high


def _bits(name: str, a: Reg, b: Reg, bits: int) -> None:
    cut = M32 if bits == 32 else M64
    if b.m & cut:
        a, b = b, a
    if b.m & cut:
        return
    value = b.v & cut
    if name == "jset":
        if value and not value & (value - 1):
            a.v, a.m = a.v | value, a.m & ~value
    else:
        a.unbound()  # as the kernel does, so that a branch that cannot be taken contradicts nothing
        a.v, a.m = a.v & ~value, a.m & ~value


def _clamp(name: str, a: Reg, b: Reg, bits: int) -> None:
    """a below b: jlt, jle, jslt, jsle."""
    strict = 1 if name.endswith("lt") else 0
    mine, theirs = (_signed(a, bits), _signed(b, bits)) if name[1] == "s" else (_plain(a, bits), _plain(b, bits))
    high, low = min(mine[1], theirs[1] - strict), max(theirs[0], mine[0] + strict)
    match name[1] == "s", bits:
        case True, 32:
            a.smax32, b.smin32 = max(high, S32_MIN), min(low, S32_MAX)
        case True, _:
            a.smax, b.smin = max(high, S64_MIN), min(low, S64_MAX)
        case False, 32:
            a.umax32, b.umin32 = max(high, 0), min(low, M32)
        case _:
            a.umax, b.umin = max(high, 0), min(low, M64)
