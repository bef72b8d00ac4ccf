"""Builtins that ask what a value is: `len`, `isinstance`, `hasattr`, `getattr`, `type`, `callable`, `range`.

Kinds are known when a program is compiled, so the answers are constants, and what they decide is pruned.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, TypeAlias

from bpfvm.compiler.frontend import protocols
from bpfvm.compiler.frontend.memory import fields
from bpfvm.compiler.frontend.names import bindings
from bpfvm.compiler.frontend.pointers import reads
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BOOLEAN,
    INT,
    MODULAR,
    Bad,
    ContextValue,
    Kind,
    MapValue,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Pointer,
    Range,
    Reference,
    Static,
    Tuple,
    Value,
    View,
    constant,
)

_CLASSES: dict[Kind, type] = {Kind.INT: int, Kind.BOOL: bool, **{kind: cls for cls, kind in MODULAR.items()}}
Values: TypeAlias = list[Value]
Nodes: TypeAlias = list[ast.expr]


def length(f: Translation, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`len(x)`."""
    of_ours = protocols.of(values[0]).length
    if of_ours is not None:
        return of_ours(f, values[0], node)
    match values[0]:
        case Reference():
            return fields.length(f, node, values[0])
        case Tuple(items=items):
            return constant(len(items))
        case Range(start=Number(constant=int(start)), stop=Number(constant=int(stop)), step=step):
            return constant(len(range(start, stop, step)))
        case Static(object=found) if hasattr(found, "__len__"):
            from bpfvm.compiler.frontend.names import constants

            return constants.computed(f, node, lambda: len(found))
    text = f"`len` is that of the packet, len(pkt), of tuples and of constants, and `{f.quoted(nodes[0])}` is "
    return f.error("E022", text + values[0].described, node, help="len(pkt)")


def classes_of(value: Value) -> list[type] | None:
    """The classes that the value may have in CPython, None where they are not known."""
    match value:
        case Number(member=member) if member is not None:
            return [type(member)]
        case Number(kinds=kinds):
            return [_CLASSES[kind] for kind in kinds] if kinds <= _CLASSES.keys() else None
        case Nothing():
            return [type(None)]
        case Tuple():
            return [tuple]
        case Range():
            return [range]
        case Static():
            return [type(value.object)]
        case MapValue():
            return [type(value.declared)]
        case Reference(type=kind) | Pointer(kind=kind):
            return [kind]
    return None


def is_instance(f: Translation, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`isinstance(x, T)`, `isinstance(x, (T, U))`, `isinstance(x, T | None)`."""
    wanted = _types(values[1])
    if wanted is None:
        text = f"`isinstance` takes a type or a tuple of them, and `{f.quoted(nodes[1])}` is {values[1].described}"
        return f.error("E022", text, nodes[1], help=f"isinstance({f.quoted(nodes[0])}, u64)")
    if isinstance(values[0], Maybe) and not isinstance_of(type(None), wanted):
        inner = is_instance(f, node, [values[0].found(values[0].number), values[1]], nodes)
        known = inner.constant if isinstance(inner, Number) else None
        return inner if known is None else values[0].there if known else constant(0, BOOLEAN)
    classes = classes_of(values[0])
    answers = {isinstance_of(one, wanted) for one in classes or ()}
    if len(answers) != 1:
        return f.error(
            "E022",
            f"`{f.quoted(node)}` has no answer when the program is compiled",
            node,
            why=f"`{f.quoted(nodes[0])}` is {values[0].described}",
            help="make it one class on all paths: u64(...), s64(...) or int(...)",
        )
    return constant(answers.pop(), BOOLEAN)


def isinstance_of(cls: type, wanted: Any) -> bool:
    """Whether an object of the class is an instance of a type, a union, or one of a tuple of them."""
    return issubclass(cls, wanted)


def _types(value: Value) -> Any:
    match value:
        case Nothing():
            return type(None)
        case Static(object=found):
            try:
                isinstance(0, found)
            except TypeError:
                return None
            return found
        case Tuple(items=items):
            parts = [_types(one) for one in items]
            return None if None in parts else tuple(parts)
    return None


def type_of(f: Translation, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`type(x)`."""
    classes = classes_of(values[0])
    if classes is None or len(classes) != 1:
        text = f"the type of `{f.quoted(nodes[0])}` is not known when the program is compiled"
        return f.error("E022", text, node, why=f"it is {values[0].described}", help="isinstance(x, int)")
    return Static(classes[0])


def is_callable(f: Translation, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`callable(x)`."""
    one = values[0]
    return constant(isinstance(one, Static) and callable(one.object), BOOLEAN)


def has_attribute(f: Translation, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`hasattr(x, "name")`."""
    name = _text(f, values[1], nodes[1])
    if name is None:
        return Bad()
    found = _offers(values[0], name)
    if found is None:
        text = f"`hasattr` has no answer for `{f.quoted(nodes[0])}`, which is {values[0].described}"
        return f.error("E022", text, nodes[0], help="ask a module, a type or a packet header")
    return constant(found, BOOLEAN)


def get_attribute(f: Translation, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`getattr(x, "name")`, `getattr(x, "name", default)`."""
    name = _text(f, values[1], nodes[1])
    if name is None:
        return Bad()
    if len(values) == 3 and _offers(values[0], name) is False:
        return values[2]
    written = ast.copy_location(ast.Attribute(node.args[0], name, ast.Load()), node)
    of_ours = protocols.of(values[0]).attribute
    if isinstance(values[0], Reference):
        return fields.attribute(f, values[0], written)
    return of_ours(f, values[0], written) if of_ours is not None else bindings.attribute(f, values[0], written)


def _text(f: Translation, value: Value, node: ast.expr) -> str | None:
    if isinstance(value, Static) and isinstance(value.object, str):
        return value.object
    f.error("E022", f"the name of an attribute is a constant text, and `{f.quoted(node)}` is {value.described}", node,
            help='hasattr(socket, "AF_VSOCK")')  # fmt: skip
    return None


def _offers(value: Value, name: str) -> bool | None:
    match value:
        case View(header=header):
            return name in header.offered or name == "at"
        case Static(object=found):
            return hasattr(found, name)
        case ContextValue() | Bad():
            return None
        case Pointer():
            return reads.offers(value, name)
    classes: Sequence[type] = classes_of(value) or ()
    answers = {hasattr(one, name) for one in classes}
    return answers.pop() if len(answers) == 1 else None


def range_of(f: Translation, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`range(stop)`, `range(start, stop)`, `range(start, stop, step)`."""
    numbers = []
    for one, place in zip(values, nodes, strict=True):
        if isinstance(one, Maybe | Nullable):
            return f.may_be_none(place, one)
        if not isinstance(one, Number):
            text = f"`range` takes numbers, and `{f.quoted(place)}` is {one.described}"
            return f.error("E022", text, place, help="range(16)")
        if not f.exact(one, place):
            return Bad()
        numbers.append(f.state.known(one).as_kinds(INT))
    start, stop = (constant(0), numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    step = numbers[2].constant if len(numbers) == 3 else 1
    if not step:
        why = "range() raises ValueError" if step == 0 else "which way it goes must be known"
        text = "the step of a range is a constant that is not 0"
        return f.error("E022", text, nodes[2], why=why, help="range(0, 100, 4)")
    return Range(start, stop, step)
