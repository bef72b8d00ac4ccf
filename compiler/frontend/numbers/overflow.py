"""E040: what a value that may not fit in a register is made of, and both ways out of it as code to paste."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpfvm.compiler.frontend.types import INT, Number
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.operators import BINARY_BY_NODE, UNARY_BY_NODE
from bpfvm.lang.types.scalars import SCALARS

if TYPE_CHECKING:
    from bpfvm.compiler.frontend.translation import Translation

_MOST_BITS = 63


def why(f: Translation, node: ast.expr, range: Interval) -> str:
    """How far the exact value can go, and from what."""
    inputs = _inputs(f, node)
    made = [_described(f, name, one.range) for name, one in inputs.items() if one.constant is None]
    source = f"from {' and '.join(made)} it" if made and not isinstance(node, ast.Name) else "this one"
    return f"Python integers do not wrap: {source} can be anything in {f.shown(range)}; a register holds 64 bits"


def help(f: Translation, node: ast.expr, range: Interval) -> str:
    """What to write: a cast, and a bound of what the value is made of where one is enough."""
    cast = f"{'u64' if range.lo >= 0 else 's64'}({f.quoted(node)})"
    bound = _bound(f, node)
    other = f"bound an input: assert {bound}" if bound else "bound what it is made of, before it is computed"
    return f"wrap explicitly: {f.source.rewritten(node, cast)}\nor {other}"


def _inputs(f: Translation, node: ast.expr) -> dict[str, Number]:
    """The numbers that names of an expression stand for, in the order of its text."""
    names = [one for one in ast.walk(node) if isinstance(one, ast.Name) and one.id in f.scope.local]
    names.sort(key=lambda one: (one.lineno, one.col_offset))
    found = {one.id: f.state.names.get(one.id) for one in names}
    return {name: f.state.known(one) for name, one in found.items() if isinstance(one, Number)}


def _described(f: Translation, name: str, range: Interval) -> str:
    kind = next((one for one in SCALARS if one.range == range), None)
    return f"`{name}: {kind!r}`" if kind is not None else f"`{name}` in {f.shown(range)}"


def _bound(f: Translation, node: ast.expr) -> str | None:
    """The widest test of one input by a power of two with which the value fits, or None."""
    inputs = _inputs(f, node)
    for name, number in inputs.items():
        lo, hi = number.range.lo, number.range.hi
        if number.kinds != INT or not number.range.exact:
            continue
        for bits in reversed(range(1, min(_MOST_BITS, hi.bit_length()))):
            ends = Interval(0 if lo >= 0 else -(1 << bits), (1 << bits) - 1)
            known = number.range.meet(ends)
            fits = _range(node, {**inputs, name: number.within(known)}) if known else None
            if fits is not None and fits.exact:
                return f"{name} < {1 << bits}" if lo >= 0 else f"{-(1 << bits)} <= {name} < {1 << bits}"
    return None


def _range(node: ast.expr, names: Mapping[str, Number]) -> Interval | None:
    """The interval of an expression of exact numbers; None for what is not made of operators, names and constants."""
    match node:
        case ast.Constant(value=int(value)):
            return Interval(value, value)
        case ast.Name(id=name) if name in names and names[name].kinds == INT:
            return names[name].range
        case ast.BinOp(left=left, op=op, right=right) if type(op).__name__ in BINARY_BY_NODE:
            a, b = _range(left, names), _range(right, names)
            row = BINARY_BY_NODE[type(op).__name__]
            return row.range(a, b) if a is not None and b is not None and row.ring else None
        case ast.UnaryOp(op=op, operand=operand) if type(op).__name__ in UNARY_BY_NODE:
            a = _range(operand, names)
            return UNARY_BY_NODE[type(op).__name__].range(a) if a is not None else None
    return None
