"""Expressions, in CPython's order of evaluation. One handler for each class of node; the rest is refused by name."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bpfvm.compiler.frontend import calls, protocols
from bpfvm.compiler.frontend.control import flow, membership
from bpfvm.compiler.frontend.functions import closures, inlined
from bpfvm.compiler.frontend.helpers import prints
from bpfvm.compiler.frontend.memory import construct, fields, subscript
from bpfvm.compiler.frontend.memory.items import Span
from bpfvm.compiler.frontend.names import bindings, constants
from bpfvm.compiler.frontend.numbers import arith, checked, compare, integers
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.source.subset import refuse
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, Bad, Bound, Callee, Inner, Method, Reference, Static, Tuple, Value
from bpfvm.lang.types.scalars import Storage


def value(f: Translation, node: ast.expr) -> Value:
    """The value of an expression, BAD after an error."""
    handler = EXPRESSIONS.get(type(node))
    f.steps += 1
    if handler is None:
        refuse(f, node)
        return BAD
    builder, before = f.builder, f.builder.span
    builder.span = f.source.location(node)  # `with f.at(node)`, of which there are very many
    try:
        return handler(f, node)
    finally:
        builder.span = before


def _constant(f: Translation, node: ast.Constant) -> Value:
    return bindings.captured(f, node.value, repr(node.value), node)


def _lambda(f: Translation, node: ast.Lambda) -> Value:
    return closures.made(f, node)


def _name(f: Translation, node: ast.Name) -> Value:
    return bindings.read(f, node)


def _attribute(f: Translation, node: ast.Attribute) -> Value:
    return _attribute_of(f, value(f, node.value), node)


def _attribute_of(f: Translation, owner: Value, node: ast.Attribute) -> Value:
    if isinstance(owner, Reference):
        return fields.attribute(f, owner, node)
    of_ours = protocols.of(owner).attribute
    return of_ours(f, owner, node) if of_ours is not None else bindings.attribute(f, owner, node)


def _subscript(f: Translation, node: ast.Subscript) -> Value:
    owner = value(f, node.value)
    row = protocols.of(owner)
    if isinstance(node.slice, ast.Slice):
        part = bounds(f, node.slice)
        return row.span(f, owner, part, node) if row.span is not None else subscript.span(f, owner, part, node)
    index = value(f, node.slice)
    if isinstance(owner, Bad) or isinstance(index, Bad):
        return BAD
    if row.item is not None:
        return row.item(f, owner, index, node)
    found = subscript.item(f, owner, index, node)
    return found if found is not None else constants.item(f, node, owner, index)


def bounds(f: Translation, node: ast.Slice) -> Span:
    """The bounds of a slice, evaluated."""
    start, stop, step = (None if one is None else value(f, one) for one in (node.lower, node.upper, node.step))
    return Span(start, stop if not isinstance(step, Bad) else step)


def _slice(f: Translation, node: ast.Slice) -> Value:
    """One that is not all of an index."""
    return f.error("E022", "a slice stands alone in its brackets", node, help="a[1:3]")


def _binary(f: Translation, node: ast.BinOp) -> Value:
    if f.hook.ints == "checked":
        checked.spare_masked(f, node)
    left = value(f, node.left)
    right = value(f, node.right)
    computed = constants.operation(f, node, node.op, left, right)
    return computed if computed is not None else arith.binary(f, node, node.op, (left, node.left), (right, node.right))


def _unary(f: Translation, node: ast.UnaryOp) -> Value:
    if isinstance(node.op, ast.Not):
        return _truth_value(f, node)
    return arith.unary(f, node, node.op, value(f, node.operand))


def _bool_op(f: Translation, node: ast.BoolOp) -> Value:
    """`a and b`, `a or b`: the operand that decided."""
    ends: list[End] = []
    results: list[Value] = []
    for item in node.values[:-1]:
        operand = value(f, item)
        holds, fails = compare.truth(f, operand, item)
        leave, stay = (fails, holds) if isinstance(node.op, ast.And) else (holds, fails)
        ends += leave
        results += [operand] * len(leave)
        if not stay:
            return flow.join_values(f, ends, results, node)
        flow.enter(f, stay)
    last = value(f, node.values[-1])
    return flow.join_values(f, [*ends, f.end()], [*results, last], node)


def _if_exp(f: Translation, node: ast.IfExp) -> Value:
    ends: list[End] = []
    results: list[Value] = []
    for arm, way in zip((node.body, node.orelse), branch(f, node.test), strict=True):
        if way:
            flow.enter(f, way)
            results.append(value(f, arm))
            ends.append(f.end())
    return flow.join_values(f, ends, results, node)


def _truth_value(f: Translation, node: ast.expr) -> Value:
    """A condition where a bool is wanted."""
    return flow.truth_value(f, branch(f, node), node)


def _named(f: Translation, node: ast.NamedExpr) -> Value:
    result = value(f, node.value)
    bindings.bind(f, node.target, result)
    return result


def _tuple(f: Translation, node: ast.Tuple) -> Value:
    return _displayed(f, node.elts)


def _displayed(f: Translation, nodes: Sequence[ast.expr]) -> Value:
    """A tuple of the values; those of another tuple behind `*`."""
    found = [one for node in nodes for one in _arguments(f, node)]
    return BAD if any(isinstance(one, Bad) for one in found) else Tuple(tuple(found))


def _call(f: Translation, node: ast.Call) -> Value:
    from bpfvm.compiler.frontend import stmt
    from bpfvm.compiler.frontend.control import generate, reduce  # these translate expressions

    callee = value(f, node.func)
    if isinstance(callee, Callee) and callee.lazy:
        lazy: Value = callee.call(f, node, lambda one: value(f, one))
        return lazy
    if isinstance(callee, Static) and callee.object is print:
        return prints.call(f, node)
    if construct.makes(callee):
        if isinstance(callee, Static) and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            return generate.array(f, node, callee.object, stmt.store)
        return construct.call(f, node, callee, *_given(f, node))
    if isinstance(callee, Method) and callee.name == "to_bytes":
        return integers.to_bytes(f, node, callee.owner, *_given(f, node))
    if isinstance(callee, Bound):
        return fields.call(f, node, callee, *_given(f, node))
    reducer = reduce.handler_of(callee, node)
    if reducer is not None:
        return reducer(f, node, stmt.store)
    if inlined.is_function(callee) and not constants.is_foldable(callee):
        return inlined.call(f, node, callee, _values(f, node))
    if isinstance(callee, Inner):
        return closures.call(f, node, callee, _values(f, node))
    if f.hook.ints == "checked" and isinstance(callee, Static) and isinstance(callee.object, Storage):
        checked.spare(f, *node.args)
    handler: calls.Handler | None
    handler = callee.call if isinstance(callee, Callee) else calls.handler_of(f, node, callee)
    pairs, named = _given(f, node)
    given = calls.Arguments([one for one, _ in pairs], [place for _, place in pairs], named)
    if handler is None or any(isinstance(one, Bad) for one in (*given.values, *given.named.values())):
        return BAD
    return handler(f, node, given)


def _values(f: Translation, node: ast.Call) -> inlined.Arguments:
    """The arguments of a call of a function."""
    return [one for argument in node.args for one in _arguments(f, argument)], _named_arguments(f, node)


def _given(f: Translation, node: ast.Call) -> tuple[list[tuple[Value, ast.expr]], dict[str, Value]]:
    """The arguments of a call, each with its text, and those by name."""
    return [(one, place) for place in node.args for one in _arguments(f, place)], _named_arguments(f, node)


def _arguments(f: Translation, node: ast.expr) -> Sequence[Value]:
    """What one argument gives: the items of a tuple behind `*`."""
    if not isinstance(node, ast.Starred):
        return [value(f, node)]
    items = value(f, node.value)
    if isinstance(items, Tuple):
        return items.items
    return [items if isinstance(items, Bad) else f.error(
        "E022",
        f"`{f.quoted(node.value)}` is {items.described}, and `*` takes a tuple",
        node.value,
        help="give the arguments one by one",
    )]  # fmt: skip


def _named_arguments(f: Translation, node: ast.Call) -> dict[str, Value]:
    """Arguments by name, evaluated in the order of the text."""
    found = {}
    for one in node.keywords:
        if one.arg is not None:
            found[one.arg] = value(f, one.value)
            continue
        text = "`**` in a call is not available in BPF programs"
        found["**"] = f.error("E062", text, one.value, help="give each argument by its name")
    return found


def branch(f: Translation, node: ast.expr) -> Branches:
    """Evaluate a condition: the ends where it is true, and those where it is false."""
    with f.at(node):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            holds, fails = branch(f, node.operand)
            return fails, holds
        if isinstance(node, ast.BoolOp):
            return _branch_bool(f, node)
        if isinstance(node, ast.Compare):
            return _branch_chain(f, node)
        if isinstance(node, ast.Attribute):
            return _branch_attribute(f, node)
    return compare.truth(f, value(f, node), node)


def _branch_attribute(f: Translation, node: ast.Attribute) -> Branches:
    owner = value(f, node.value)
    of_ours = protocols.of(owner).test
    branches = of_ours(f, owner, node) if of_ours is not None else None
    return branches if branches is not None else compare.truth(f, _attribute_of(f, owner, node), node)


def _branch_bool(f: Translation, node: ast.BoolOp) -> Branches:
    is_and = isinstance(node.op, ast.And)
    leaving: list[End] = []
    for item in node.values[:-1]:
        holds, fails = branch(f, item)
        leave, stay = (fails, holds) if is_and else (holds, fails)
        leaving += leave
        if not stay:
            return ([], leaving) if is_and else (leaving, [])
        flow.enter(f, stay)
    holds, fails = branch(f, node.values[-1])
    return (holds, [*leaving, *fails]) if is_and else ([*leaving, *holds], fails)


def items(f: Translation, node: ast.expr) -> Value:
    """What `in` and `for` look into: a list or set that is written there is as good as a tuple."""
    if isinstance(node, ast.List | ast.Set):
        with f.at(node):
            return _displayed(f, node.elts)
    return value(f, node)


def _branch_chain(f: Translation, node: ast.Compare) -> Branches:
    """`a < b < c`: each operand once, and no further than the first comparison that fails."""
    left_node, left = node.left, value(f, node.left)
    failing: list[End] = []
    for place, (op, right_node) in enumerate(zip(node.ops, node.comparators, strict=True), 1):
        right = items(f, right_node) if isinstance(op, ast.In | ast.NotIn) else value(f, right_node)
        if isinstance(op, ast.In | ast.NotIn):
            holds, fails = _contains(f, node, (left, left_node), (right, right_node))
            holds, fails = (holds, fails) if isinstance(op, ast.In) else (fails, holds)
        else:
            holds, fails = compare.compare(f, node, op, (left, left_node), (right, right_node))
        failing += fails
        if place == len(node.ops) or not holds:
            return holds, failing
        flow.enter(f, holds)
        left_node, left = right_node, right
    raise AssertionError("a comparison has at least one operator")


def _contains(f: Translation, node: ast.expr, left: Operand, right: Operand) -> Branches:
    of_ours = protocols.of(right[0]).contains
    if of_ours is None or isinstance(left[0], Bad):
        return membership.contains(f, node, left, right)
    return of_ours(f, right[0], left, node)


Handler = Callable[[Translation, Any], Value]

EXPRESSIONS: Mapping[type[ast.expr], Handler] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _bool_op,
    ast.Compare: _truth_value,
    ast.IfExp: _if_exp,
    ast.NamedExpr: _named,
    ast.Tuple: _tuple,
    ast.Call: _call,
    ast.Lambda: _lambda,
}
