"""`x[i]` and `x[a:b]` of whatever x is: arrays, structs with items of their own, types of arrays, constants."""

from __future__ import annotations

import ast
from typing import Any

from bpfvm.compiler.frontend.memory import fields, items, place, tables
from bpfvm.compiler.frontend.memory.items import Span
from bpfvm.compiler.frontend.names import constants
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, Bad, Nothing, Number, Reference, Static, Tuple, Value
from bpfvm.core.errors import UsageError
from bpfvm.lang.types.layout import Layout
from bpfvm.lang.types.pointers import KernelPtr, UserPtr
from bpfvm.lang.types.scalars import Storage


def item(f: Translation, owner: Value, index: Value, node: ast.Subscript) -> Value | None:
    """`owner[index]`. None where this is none of the values that have items here."""
    if isinstance(owner, Static) and any(owner.object is one for one in (UserPtr, KernelPtr)):
        return _pointer_type(f, owner.object, index, node)
    if isinstance(owner, Static) and isinstance(owner.object, Storage | Layout):
        return _array_type(f, owner.object, index, node)
    if isinstance(owner, Tuple | Static) and isinstance(index, Number) and index.constant is None:
        return tables.item(f, owner, index, node)
    if not isinstance(owner, Reference):
        return None
    method = fields.user_method(owner, "__getitem__")
    if method is not None:
        return fields.operator(f, node, method, [owner, index])
    one = items.item(f, owner, index, node)
    return place.read(f, one) if one is not None else BAD


def _of_constant(f: Translation, owner: Static | Tuple, part: Span, node: ast.Subscript) -> Value:
    """A slice of a tuple, or of a constant, whose bounds are known."""
    ends = [
        None if one is None else one.constant
        for one in (part.start, part.stop)
        if one is None or isinstance(one, Number)
    ]
    known = len(ends) == 2 and all(
        one is None or end is not None for one, end in zip((part.start, part.stop), ends, strict=True)
    )
    if not known or (isinstance(node.slice, ast.Slice) and node.slice.step is not None):
        return f.error("E022", f"a slice of {owner.described} has constant bounds, and no step", node.slice,
                       help=f"{f.operand(node.value)}[1:3]")  # fmt: skip
    if isinstance(owner, Tuple):
        return Tuple(owner.items[ends[0] : ends[1]])
    return constants.computed(f, node, lambda: owner.object[ends[0] : ends[1]])


def _pointer_type(f: Translation, kind: Any, target: Value, node: ast.Subscript) -> Value:
    """`UserPtr[u32]`."""
    text = f"`{f.quoted(node)}` points to a type, and `{f.quoted(node.slice)}` is {target.described}"
    try:
        if isinstance(target, Static | Nothing):
            return Static(kind[None if isinstance(target, Nothing) else target.object])
    except UsageError as error:
        text = str(error)
    return f.error("E022", text, node.slice, help=f"{kind.__name__}[u32]")


def _array_type(f: Translation, element: Storage | Layout, index: Value, node: ast.Subscript) -> Value:
    """`u8[16]`."""
    length = index.constant if isinstance(index, Number) else None
    text = f"the length in `{f.quoted(node)}` is a constant"
    try:
        if length is not None:
            return Static(element[length])
    except UsageError as error:
        text = str(error)
    return f.error("E022", text, node.slice, help=f"{element.__name__}[16]")


def span(f: Translation, owner: Value, part: Span, node: ast.Subscript) -> Value:
    """`owner[start:stop]`."""
    if isinstance(owner, Bad):
        return BAD
    if isinstance(owner, Static | Tuple):
        return _of_constant(f, owner, part, node)
    if not isinstance(owner, Reference):
        text = f"a slice of {owner.described} is not available in this version"
        return f.error("E063", text, node.slice, help="slices are those of arrays: u8[16]()")
    return items.span(f, owner, part, node) or BAD
