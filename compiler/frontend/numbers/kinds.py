"""Rule R1 for the classes of numbers: which class a result has in CPython, and to which range it wraps.

A number that branches gave different classes has several kinds; its result then has one for each pair, and must be
the same number for all of them.
"""

from __future__ import annotations

from bpfvm.compiler.frontend.numbers.ranges import bounded
from bpfvm.compiler.frontend.types import Kind, Kinds
from bpfvm.core.bits import M64, signed
from bpfvm.lang.types.interval import S64, Interval

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


def settled(kinds: Kinds, exact: Interval, wrap: bool = False) -> Interval:
    """The range of a result whose exact value lies in `exact`, wrapped as its kinds say.

    Where one of the kinds would wrap the value and another not, it has what both of them may give. These differ by a
    multiple of 2**64, so that the range is more than a register holds: the result is known modulo 2**64 only.
    wrap: exact numbers that do not fit wrap too, as s64 does.
    """
    if wrap and not exact.exact and not any(kind.wraps for kind in kinds):
        return S64 if exact.constant is None else Interval(*[signed(exact.constant, 64)] * 2)
    first, *others = (_wrapped(kind, exact) for kind in kinds)
    for one in others:
        first = first.union(one)
    return bounded(first)


def _wrapped(kind: Kind, exact: Interval) -> Interval:
    if kind.wraps is None or exact.within(kind.wraps):
        return exact
    if exact.constant is None:
        return kind.wraps
    value = signed(exact.constant, 64) if kind.wraps.signed else exact.constant & M64
    return Interval(value, value)


def wrapped(kinds: Kinds, range: Interval) -> Interval:
    """`range`, cut to what its kinds can be where that is one thing."""
    wraps = {kind.wraps for kind in kinds}
    only = wraps.pop() if len(wraps) == 1 else None
    return range if only is None else range.meet(only) or only
