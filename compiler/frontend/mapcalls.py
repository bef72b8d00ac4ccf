"""Attributes of maps: `m.max_entries`, and methods, `m.get(k)`, `m.pop(k, None)`, `m.setdefault(k, v)`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bpfvm.compiler.frontend import construct, flow, maps, names, place
from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.maps import Asked
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    NOTHING,
    Bad,
    Callee,
    MapValue,
    Maybe,
    Nothing,
    Nullable,
    Reference,
    Value,
)
from bpfvm.lang.layout import Layout
from bpfvm.lang.maps import Hashed, Keyed

Call = Callable[[Translation, MapValue, ast.Call, list[Value], list[ast.expr]], Value]


@dataclass(frozen=True, slots=True)
class Method:
    """One method. of: the classes of maps that have it. names: of its parameters; least: how many must be given."""

    of: type
    names: tuple[str, ...]
    least: int
    call: Call


def attribute(f: Translation, owner: MapValue, node: ast.Attribute) -> Value:
    """`m.max_entries`, and methods before they are called."""
    if node.attr == "max_entries":
        return names.captured(f, owner.declared.max_entries, f.quoted(node), node)
    found = [one for one in METHODS.get(node.attr, ()) if isinstance(owner.declared, one.of)]
    if found:
        return Callee(f.quoted(node), partial(_called, owner=owner, method=found[0]))
    offered = [name for name, rows in METHODS.items() if any(isinstance(owner.declared, one.of) for one in rows)]
    text = f"{type(owner.declared).__name__} offers max_entries {' '.join(f'{name}()' for name in offered)}"
    return names.no_attribute(f, owner, node, text)


def _called(f: Translation, node: ast.Call, given: Arguments, *, owner: MapValue, method: Method) -> Value:
    values, nodes = list(given.values), list(given.nodes)
    for one in node.keywords:
        if one.arg is None or one.arg not in method.names[len(values) :]:
            return _wrong(f, node, method)
        if one.arg == method.names[len(values)]:
            values.append(given.named[one.arg])
            nodes.append(one.value)
    if not method.least <= len(values) <= len(method.names) or len(values) < len(given.values) + len(given.named):
        return _wrong(f, node, method)
    return method.call(f, owner, node, values, nodes)


def _wrong(f: Translation, node: ast.Call, method: Method) -> Bad:
    name = f.quoted(node.func)
    most = len(method.names)
    wanted = f"{most}" if most == method.least else f"{method.least} to {most}"
    return f.error("E013", f"`{name}` takes {wanted} arguments here", node, why="CPython would raise TypeError here",
                   help=f"{name}({', '.join(method.names)})")  # fmt: skip


def _get(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """`m.get(k)`, `m.get(k, default)`."""
    one = maps.asked(f, owner, values[0], node, nodes[0])
    if one is None:
        return BAD
    default = values[1] if len(values) > 1 else NOTHING
    found = maps.known(f, one)
    if found is not None:
        return place.read(f, one.place(found))
    if isinstance(one.value, Layout) and isinstance(default, Nothing):
        return noted(f, Nullable(one.place(maps.lookup(f, one)).at), node)
    return noted(f, maps.found_or(f, one, default), node)


def noted(f: Translation, value: Value, node: ast.AST) -> Value:
    """The value; where it may be None, with where it comes from."""
    if isinstance(value, Nullable):
        f.absent[value.origin] = node
    elif isinstance(value, Maybe):
        f.absent[value.there.origin] = node
    return value


def _pop(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """`m.pop(k)`, `m.pop(k, default)`: a copy of what stood there."""
    one = maps.asked(f, owner, values[0], node, nodes[0])
    if one is None:
        return BAD
    if len(values) == 1:
        return _taken(f, one, node, maps.there(f, one))
    address = maps.lookup(f, one)
    there, missing = f.split("ne", address, f.number(0))
    f.resume(there)
    found = _taken(f, one, node, address)
    return noted(f, flow.join_values(f, [f.end(), missing], [found, values[1]], node), node)


def _taken(f: Translation, one: Asked, node: ast.Call, address: Register) -> Value:
    value = place.read(f, one.place(address))
    if isinstance(value, Reference):
        value = construct.copied(f, value, node)
    maps.remove(f, one)
    return value


def _setdefault(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """`m.setdefault(k, v)`."""
    one = maps.asked(f, owner, values[0], node, nodes[0])
    if one is None or isinstance(values[1], Bad):
        return BAD
    return place.read(f, maps.made(f, one, values[1], nodes[1]))


METHODS: Mapping[str, tuple[Method, ...]] = {
    "get": (Method(Keyed, ("key", "default"), 1, _get),),
    "pop": (Method(Hashed, ("key", "default"), 1, _pop),),
    "setdefault": (Method(Hashed, ("key", "default"), 2, _setdefault),),
}
