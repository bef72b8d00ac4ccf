"""Ranges as values: how many numbers there are, and which one stands at a place."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.numbers.compare import ordered
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import INT, Number, Range, Value, constant
from bpfvm.lang.types.interval import Interval


def length(f: Translation, one: Range, node: ast.expr) -> Value:
    """`len(range(...))`."""
    start, stop = one.start.constant, one.stop.constant
    if start is not None and stop is not None:
        return constant(len(range(start, stop, one.step)))
    low, high = (one.start, one.stop) if one.step > 0 else (one.stop, one.start)
    span = _plus(f, high, abs(one.step) - 1, node, minus=low)
    whole = arith.binary(f, node, ast.FloorDiv(), (span, node), (constant(abs(one.step)), node))
    return larger(f, whole, constant(0), node) if isinstance(whole, Number) else whole


def item(f: Translation, one: Range, place: Number, node: ast.expr) -> Value:
    """The number at a place that is inside."""
    moved = arith.binary(f, node, ast.Mult(), (place, node), (constant(one.step), node))
    found = arith.binary(f, node, ast.Add(), (one.start, node), (moved, node))
    lo, hi = ends(one)
    return found.within(Interval(lo, hi)) if isinstance(found, Number) and lo <= hi else found


def place(f: Translation, one: Range, number: Number, begin: Number, node: ast.expr) -> Value:
    """`begin` plus the place at which one of the range's numbers stands."""
    low, high = (one.start, number) if one.step > 0 else (number, one.start)
    away = arith.binary(f, node, ast.Sub(), (high, node), (low, node))
    if isinstance(away, Number):
        lo, hi = ends(one)
        away = away.within(Interval(0, max(hi - lo, 0)))
    steps = arith.binary(f, node, ast.FloorDiv(), (away, node), (constant(abs(one.step)), node))
    return arith.binary(f, node, ast.Add(), (begin, node), (steps, node))


def ends(one: Range) -> tuple[int, int]:
    """The least and the greatest number that can be in it; the first past the second where there is none."""
    if one.step > 0:
        return one.start.range.lo, one.stop.range.hi - 1
    return one.stop.range.lo + 1, one.start.range.hi


def backwards(f: Translation, one: Range, node: ast.expr) -> Range | None:
    """The same numbers from the last to the first. None after an error."""
    if abs(one.step) == 1:
        last = _plus(f, one.stop, -one.step, node)
    else:
        count = length(f, one, node)
        if not isinstance(count, Number):
            return None
        before = _plus(f, count, -1, node)
        last = arith.binary(f, node, ast.Mult(), (before, node), (constant(one.step), node))
        last = arith.binary(f, node, ast.Add(), (one.start, node), (last, node))
    past = _plus(f, one.start, -one.step, node)
    if not isinstance(last, Number) or not isinstance(past, Number):
        return None
    return Range(last.as_kinds(INT), past, -one.step)


def _plus(f: Translation, number: Number, by: int, node: ast.expr, minus: Number | None = None) -> Value:
    """number - minus + by."""
    result: Value = number.as_kinds(INT)
    if minus is not None:
        result = arith.binary(f, node, ast.Sub(), (result, node), (minus.as_kinds(INT), node))
    return arith.binary(f, node, ast.Add(), (result, node), (constant(by), node))


def larger(f: Translation, a: Number, b: Number, node: ast.expr) -> Value:
    """max(a, b)."""
    return _chosen(f, a, b, node, ast.Lt)


def smaller(f: Translation, a: Number, b: Number, node: ast.expr) -> Value:
    """min(a, b)."""
    return _chosen(f, a, b, node, ast.Gt)


def _chosen(f: Translation, a: Number, b: Number, node: ast.expr, beaten: type[ast.cmpop]) -> Value:
    takes, keeps = ordered(f, COMPARISONS[beaten], f.state.known(a), f.state.known(b))
    return flow.join_values(f, [*takes, *keeps], [b] * len(takes) + [a] * len(keeps), node)
