"""Rule R1 for the classes of numbers: which class a result has in CPython, and to which range it wraps.

A number that branches gave different classes has several kinds; its result then has one for each pair, and must be
the same number for all of them.
"""

from __future__ import annotations

from bpfvm.compiler.frontend.numbers.ranges import bounded
from bpfvm.compiler.frontend.types import Kind, Kinds
from bpfvm.core.bits import M64, signed
from bpfvm.lang.interval import S64, Interval

_BITWISE = frozenset({"and", "or", "xor"})
# Left operands that CPython asks first although the right one is a u64 or s64: the result is a plain int.
_STRONG = frozenset({Kind.BOOL, Kind.ENUM, Kind.FLAG})


class Mixed(Exception):
    """Kinds that do not go together in one operation. left, right: a pair that does not."""

    def __init__(self, left: Kind, right: Kind) -> None:
        self.left, self.right = left, right


def result_kinds(operator: str, left: Kinds, right: Kinds) -> Kinds:
    """The kinds of `left operator right`. Raises Mixed."""
    return frozenset(_pair(operator, a, b) for a in left for b in right)


def _pair(operator: str, a: Kind, b: Kind) -> Kind:
    if b.wraps and (a in _STRONG or (a.wraps and a is not b)):
        raise Mixed(a, b)
    if a.wraps or b.wraps:
        return a if a.wraps else b
    if operator in _BITWISE:
        if a is b is Kind.BOOL:
            return Kind.BOOL
        if Kind.FLAG in (a, b):
            return Kind.FLAG
    return Kind.INT


def unary_kinds(operand: Kinds) -> Kinds:
    """The kinds of `-x`, `+x`, `~x` and `abs(x)`."""
    return frozenset(kind if kind.wraps else Kind.INT for kind in operand)


def settled(kinds: Kinds, exact: Interval, wrap: bool = False) -> Interval | None:
    """The range of a result whose exact value lies in `exact`, wrapped as its kinds say.

    None where the kinds disagree: one of them would wrap the value and another not. wrap: exact numbers that do not fit
    wrap too, as s64 does.
    """
    if wrap and not exact.exact and not any(kind.wraps for kind in kinds):
        return S64 if exact.constant is None else Interval(*[signed(exact.constant, 64)] * 2)
    if exact.constant is not None:
        values = {_wrapped(kind, exact.constant) for kind in kinds}
        return Interval(*values, *values) if len(values) == 1 else None
    wraps = [kind.wraps for kind in kinds if kind.wraps is not None]
    if all(exact.within(one) for one in wraps):
        return bounded(exact)
    return wraps[0] if len(kinds) == 1 else None


def _wrapped(kind: Kind, value: int) -> int:
    if kind.wraps is None:
        return value
    return signed(value, 64) if kind.wraps.signed else value & M64
