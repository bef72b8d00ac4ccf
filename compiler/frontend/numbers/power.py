"""Powers: a constant exponent becomes multiplications, a constant base of 2 a shift."""

from __future__ import annotations

import ast
from dataclasses import replace

from bpfvm.compiler.frontend.numbers import checked, ranges
from bpfvm.compiler.frontend.numbers.kinds import settled, unary_kinds
from bpfvm.compiler.frontend.numbers.operation import Operation
from bpfvm.compiler.frontend.numbers.shift import shift
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, INT, Number, Value
from bpfvm.lang.types.interval import S64
from bpfvm.lang.types.operators import BINARY_BY_NODE

_LARGEST_EXPONENT = 64


def power(f: Translation, node: ast.AST, base: tuple[Number, ast.expr], exponent: tuple[Number, ast.expr]) -> Value:
    """`base ** exponent`. The exponent's class does not matter: CPython looks at the base's."""
    (a, _), (b, b_node) = base, exponent
    kinds = unary_kinds(a.kinds)
    if a.constant == 2:
        return _of_two(f, node, replace(a, kinds=kinds), base[1], b, b_node)
    known = b.constant
    if known is None or not 0 <= known <= _LARGEST_EXPONENT:
        return _exponent(f, node, b, b_node)
    exact = ranges.power(a.range, known)
    if checked.needed(f, kinds, exact, node, a):
        a = checked.narrowed(f, a, checked.fitting_power(known), node)
        exact = ranges.power(a.range, known).meet(S64) or S64
    range = settled(kinds, exact, f.hook.ints == "wrap")
    if range.constant is not None:
        return Number(kinds, range)
    return Number(kinds, range, _multiplied(f, f.register(a), known))


def _of_two(
    f: Translation, node: ast.AST, two: Number, two_node: ast.expr, count: Number, count_node: ast.expr
) -> Value:
    """2 ** n is 1 << n, where n is not negative: there Python would make a fraction."""
    if count.range.lo < 0:
        return _exponent(f, node, count, count_node)
    one = f.constant(1, two.kinds)
    return shift(
        f, Operation(BINARY_BY_NODE["LShift"], one, count.as_kinds(INT), two.kinds, two_node, count_node, node)
    )


def _exponent(f: Translation, node: ast.AST, exponent: Number, place: ast.expr) -> Value:
    known = exponent.constant
    met = f"not {known}" if known is not None else f"and `{f.quoted(place)}` {f.lies(exponent.range)}"
    f.error(
        "E043",
        f"an exponent must be a constant from 0 to {_LARGEST_EXPONENT}, {met}",
        place,
        why="a negative exponent makes a fraction, and any other needs a loop",
        help="a constant exponent: x ** 3\nor a power of 2 with a count of 0 or more: 1 << n",
    )
    return BAD


def _multiplied(f: Translation, base: Register, exponent: int) -> Register:
    """Square and multiply."""
    result = None
    while exponent:
        if exponent & 1:
            result = base if result is None else f.op("mul", result, base)
        exponent >>= 1
        if exponent:
            base = f.op("mul", base, base)
    return f.number(1) if result is None else result
