"""Methods of maps with keys: `m.get(k)`, `m.pop(k, None)`, `m.setdefault(k, v)`, `m.add(k, n)`."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.maps import elements
from bpfvm.compiler.frontend.maps.elements import Asked
from bpfvm.compiler.frontend.memory import construct, place
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, NOTHING, Bad, MapValue, Maybe, Nothing, Nullable, Reference, Value
from bpfvm.lang.maps import Nested
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.layout import Layout
from bpfvm.lang.types.scalars import u8

Values = list[Value]
Nodes = list[ast.expr]


def get(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`m.get(k)`, `m.get(k, default)`."""
    one = elements.asked(f, owner, values[0], node, nodes[0])
    if one is None:
        return BAD
    default = values[1] if len(values) > 1 else NOTHING
    if isinstance(one.declared, Nested):
        return _inner(f, one, default, node)
    found = elements.known(f, one)
    if found is not None:
        return place.read(f, one.place(found))
    if isinstance(one.value, Layout) and isinstance(default, Nothing):
        return noted(f, Nullable(one.place(elements.lookup(f, one)).at), node)
    return noted(f, elements.found_or(f, one, default), node)


def _inner(f: Translation, one: Asked, default: Value, node: ast.Call) -> Value:
    """The map that stands in another one, or None."""
    assert isinstance(one.declared, Nested), "asked of those alone"
    if not isinstance(default, Nothing):
        return f.error("E022", f"`{f.quoted(node)}` is a map or None: there is no other default", node,
                       help=f"inner = {one.map.name}.get(k)\nif inner is not None: ...")  # fmt: skip
    address = elements.lookup(f, one)
    found = MapValue(f"{one.map.name}[...]", one.declared.inner, address)
    return noted(f, Nullable(Reference(array_of(u8, 1), "map_value", address), map=found), node)


def noted(f: Translation, value: Value, node: ast.AST) -> Value:
    """The value; where it may be None, with where it comes from."""
    if isinstance(value, Nullable):
        f.absent[value.origin] = node
    elif isinstance(value, Maybe):
        f.absent[value.there.origin] = node
    return value


def pop(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`m.pop(k)`, `m.pop(k, default)`: a copy of what stood there."""
    one = elements.asked(f, owner, values[0], node, nodes[0])
    if one is None:
        return BAD
    if len(values) == 1:
        return _taken(f, one, node, elements.there(f, one))
    address = elements.lookup(f, one)
    there, missing = f.split("ne", address, f.number(0))
    f.resume(there)
    found = _taken(f, one, node, address)
    return noted(f, flow.join_values(f, [f.end(), missing], [found, values[1]], node), node)


def _taken(f: Translation, one: Asked, node: ast.Call, address: Register) -> Value:
    value = place.read(f, one.place(address))
    if isinstance(value, Reference):
        value = construct.copied(f, value, node)
    elements.remove(f, one)
    return value


def setdefault(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`m.setdefault(k, v)`."""
    one = elements.asked(f, owner, values[0], node, nodes[0])
    if one is None or isinstance(values[1], Bad):
        return BAD
    return place.read(f, elements.made(f, one, values[1], nodes[1]))


def add(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`m.add(k, n)`: `m[k] += n`."""
    assert isinstance(node.func, ast.Attribute), "a method is an attribute"
    target = ast.copy_location(ast.Subscript(node.func.value, nodes[0], ast.Store()), node)
    written = ast.copy_location(ast.AugAssign(target, ast.Add(), nodes[1]), node)
    elements.update(f, owner, values[0], written, lambda: values[1])
    return NOTHING
