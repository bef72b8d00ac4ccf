"""Attributes of structs and arrays: fields, the user's methods and properties, methods that all such values have."""

from __future__ import annotations

import ast
import types
from collections.abc import Sequence
from typing import Any

from bpfvm.compiler.frontend.functions import inlined
from bpfvm.compiler.frontend.memory import access, construct, equal, kept, place
from bpfvm.compiler.frontend.names import bindings
from bpfvm.compiler.frontend.numbers.compare import truth
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, Bad, Bound, Reference, Static, Value
from bpfvm.lang.maps.timers import Timer
from bpfvm.lang.types.arrays import ArrayType, is_bytes


def attribute(f: Translation, owner: Reference, node: ast.Attribute) -> Value:
    """`owner.name`."""
    if owner.type is Timer:
        from bpfvm.compiler.frontend.maps import timers  # which calls functions, as this does

        return timers.method(f, owner, node)
    one = place.field(f, owner, node)
    if one is not None:
        return place.read(f, one)
    if kept.is_own(owner.type) and kept.is_refused(f, owner, node):
        return BAD
    kind = owner.type
    found = vars(kind).get(node.attr)
    match found:
        case types.FunctionType():
            return Bound(owner, found)
        case property(fget=types.FunctionType() as getter):
            return operator(f, node, getter, [owner])
        case staticmethod():
            return Static(found.__func__)
        case classmethod():
            return Static(types.MethodType(found.__func__, kind))
    if owner.space in ("ring", "socket") and found is None:
        from bpfvm.compiler.frontend.maps import rings, sockets  # which make structs, as calls of fields do

        method = rings.method if owner.space == "ring" else sockets.method
        end = method(f, owner, node)
        if end is not None:
            return end
    if node.attr in BUILTIN and BUILTIN[node.attr][0](kind):
        return Bound(owner, node.attr)
    if found is None:
        return place.no_field(f, owner, node)
    return bindings.of_object(f, kind, node)


def operator(
    f: Translation, node: ast.expr | ast.AugAssign, function: types.FunctionType, values: list[Value]
) -> Value:
    """What a function of the user's gives that CPython calls for an operator at `node`."""
    call = ast.copy_location(ast.Call(ast.copy_location(ast.Name(function.__name__), node), [], []), node)
    return inlined.call(f, call, Static(function), (values, {}))


def user_method(value: Value, name: str) -> types.FunctionType | None:
    """A special method that the user wrote for the value's class."""
    found = vars(value.type).get(name) if isinstance(value, Reference) else None
    return found if isinstance(found, types.FunctionType) else None


def length(f: Translation, node: ast.Call, value: Reference) -> Value:
    """`len(value)`."""
    if isinstance(value.type, ArrayType):
        return f.constant(value.type.__length__)
    method = user_method(value, "__len__")
    if method is not None:
        return operator(f, node, method, [value])
    return f.error("E022", f"`{f.quoted(node.args[0])}` is {value.described}, which has no length", node,
                   help=f"its size is {value.type.__name__}.sizeof")  # fmt: skip


def call(
    f: Translation, node: ast.Call, callee: Bound, given: Sequence[tuple[Value, ast.expr]], named: dict[str, Value]
) -> Value:  # fmt: skip
    """`owner.method(...)`."""
    values = [one for one, _ in given]
    if not isinstance(callee.function, str):
        return inlined.call(f, node, Static(callee.function), ([callee.owner, *values], named))
    if any(isinstance(one, Bad) for one in (*values, *named.values())):
        return BAD
    _, count, handler = BUILTIN[callee.function]
    if named or len(values) != count:
        return f.error("E013", f"`{callee.function}` takes {count} arguments here, and got {len(values) + len(named)}",
                       node, help=f"{f.quoted(node.func)}({', '.join('abc'[:count])})")  # fmt: skip
    made: Value = handler(f, node, callee.owner, list(values))
    return made


def _copy(f: Translation, node: ast.Call, owner: Reference, _: list[Value]) -> Value:
    return construct.copied(f, owner, node)


def _startswith(f: Translation, node: ast.Call, owner: Reference, values: list[Value]) -> Value:
    data = access.constant_bytes(values[0])
    if data is None or (
        isinstance(values[0], Static) and isinstance(values[0].object, str) and not access.is_text(owner.type)
    ):
        return f.error("E022", f"`startswith` takes a constant text, and `{f.quoted(node.args[0])}` is "
                       f"{values[0].described}", node.args[0], help='startswith(b"GET ")')  # fmt: skip
    return equal.truth_value(f, equal.begins(f, owner, data), node)


# Bounds that every value, or every array of bytes has: of which types, how many arguments, what they do.
BUILTIN: dict[str, tuple[Any, int, Any]] = {
    "copy": (lambda kind: True, 0, _copy),
    "startswith": (is_bytes, 1, _startswith),
}

__all__ = ["attribute", "call", "operator", "truth", "user_method"]
