"""Queues, stacks and bloom filters: `q.push(v)`, `q.pop()`, `q.peek()`, `v in b`."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.maps import elements, keyed
from bpfvm.compiler.frontend.memory import place
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, NOTHING, MapValue, Reference, Value
from bpfvm.lang.types.layout import size_of

_WRITABLE = ("stack",)  # the helper that asks is one that may store, as verifiers have it


def push(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """`q.push(v)`, `b.add(v)`."""
    made = elements.placed(f, owner, values[0], nodes[0])
    if made is None:
        return BAD
    f.stored("")
    result = f.builder.helper("map_push_elem", elements.declare(f, owner, node), made, f.number(0))
    elements.full(f, "ne", result, owner, node)
    return NOTHING


def pop(f: Translation, owner: MapValue, node: ast.Call, _: list[Value], __: list[ast.expr]) -> Value:
    """`q.pop()`."""
    return _next(f, owner, node, "map_pop_elem")


def peek(f: Translation, owner: MapValue, node: ast.Call, _: list[Value], __: list[ast.expr]) -> Value:
    """`q.peek()`."""
    return _next(f, owner, node, "map_peek_elem")


def _next(f: Translation, owner: MapValue, node: ast.Call, helper: str) -> Value:
    """A copy of the next value, or None."""
    kind = owner.declared.value
    assert kind is not None, "a queue has values"
    slot = f.stack(f"value of {owner.name}", size_of(kind), node)
    f.stored(slot)
    at = Reference(kind, "stack", slot, objects=frozenset({slot.imm}))  # type: ignore[arg-type]
    result = f.builder.helper(helper, elements.declare(f, owner, node), slot)
    there, empty = f.split("eq", result, f.number(0))
    f.resume(there)
    found = place.read(f, Place(at, kind, "the value"))
    return keyed.noted(f, flow.join_values(f, [f.end(), empty], [found, NOTHING], node), node)


def contains(f: Translation, owner: MapValue, left: Operand, node: ast.expr) -> Branches:
    """`v in b`."""
    made = elements.placed(f, owner, left[0], left[1], _WRITABLE)
    if made is None:
        return compare.unknown(f)
    result = f.builder.helper("map_peek_elem", elements.declare(f, owner, node), made)
    holds, fails = f.split("eq", result, f.number(0))
    return [holds], [fails]
