"""The operator table: one row a Python operator, read by the u64/s64 classes and by the compiler.

Rule R1: an operator computes the exact Python integer; a u64 or s64 operand makes the result wrap to that type.
Rule R2: an exact result must fit in 64 bits wherever its value matters; only `ring` operators, casts and stores take
a value that is known modulo 2**64 alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.lang.types import interval
from bpfvm.lang.types.interval import Interval


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. name: the special method without its underscores. node: the class name in the ast module.

    ring: the low 64 bits of the result follow from the low 64 bits of the operands.
    faults: what makes CPython raise: "zero" (the divisor), "count" (a negative shift count), or None.
    """

    name: str
    node: str
    symbol: str
    exact: Callable[..., int]
    range: Callable[..., Interval]
    ring: bool = True
    faults: str | None = None


BINARY: tuple[Operator, ...] = (
    Operator("add", "Add", "+", operator.add, interval.add),
    Operator("sub", "Sub", "-", operator.sub, interval.sub),
    Operator("mul", "Mult", "*", operator.mul, interval.mul),
    Operator("floordiv", "FloorDiv", "//", operator.floordiv, interval.floordiv, ring=False, faults="zero"),
    Operator("mod", "Mod", "%", operator.mod, interval.mod, ring=False, faults="zero"),
    Operator("and", "BitAnd", "&", operator.and_, interval.and_),
    Operator("or", "BitOr", "|", operator.or_, interval.or_),
    Operator("xor", "BitXor", "^", operator.xor, interval.xor),
    Operator("lshift", "LShift", "<<", operator.lshift, interval.lshift, faults="count"),
    Operator("rshift", "RShift", ">>", operator.rshift, interval.rshift, ring=False, faults="count"),
)

UNARY: tuple[Operator, ...] = (
    Operator("neg", "USub", "-", operator.neg, interval.neg),
    Operator("pos", "UAdd", "+", operator.pos, interval.pos),
    Operator("invert", "Invert", "~", operator.invert, interval.invert),
)

BINARY_BY_NODE: Mapping[str, Operator] = {row.node: row for row in BINARY}
UNARY_BY_NODE: Mapping[str, Operator] = {row.node: row for row in UNARY}
