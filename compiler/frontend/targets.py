"""Places in memory that statements store to: `e.x = v`, `a[i] = v`, `a[i:i + 4] = v`, and the same with an operator."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend import arith, fields, items, memory, place
from bpfvm.compiler.frontend.expr import bounds, value
from bpfvm.compiler.frontend.place import Place
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Bad, Reference, Value


def place_of(f: Translation, owner: Reference, target: ast.Subscript) -> Place | None:
    """The place that a statement stores to, or None after an error."""
    if not isinstance(target.slice, ast.Slice):
        return items.item(f, owner, value(f, target.slice), target)
    part = items.span(f, owner, bounds(f, target.slice), target)
    if part is None:
        return None
    at = part if owner.fixed else Reference(part.type, part.space, part.base, part.offset, part.align, part.objects)
    return Place(at, part.type, f"the slice `{f.quoted(target)}`")


def store(f: Translation, owner: Reference, target: ast.expr, assigned: Value, source: ast.expr) -> None:
    """`owner.x = assigned`, `owner[...] = assigned`."""
    if isinstance(target, ast.Attribute):
        field = place.field(f, owner, target)
        if field is None:
            place.no_field(f, owner, target)
        else:
            place.write(f, field, assigned, source)
        return
    assert isinstance(target, ast.Subscript), "an owner has attributes and items"
    method = fields.user_method(owner, "__setitem__")
    if method is not None:
        fields.operator(f, target, method, [owner, value(f, target.slice), assigned])
        return
    one = place_of(f, owner, target)
    if one is None:
        return
    if isinstance(target.slice, ast.Slice) and not _as_long(one, assigned):
        memory.wrong(f, one.kind, assigned, source, one.what)
        return
    place.write(f, one, assigned, source)


def update(f: Translation, owner: Reference, node: ast.AugAssign) -> None:
    """`e.x op= v`, `a[i] op= v`: in CPython it is read, then v evaluated, then stored; the target is evaluated once."""
    target = node.target
    one: Place | None
    if isinstance(target, ast.Attribute):
        one = place.field(f, owner, target)
        if one is None:
            place.no_field(f, owner, target)
    else:
        assert isinstance(target, ast.Subscript), "a name has no owner"
        one = place_of(f, owner, target)
    old: Value = place.read(f, one) if one is not None else Bad()
    operand = value(f, node.value)
    computed = arith.augmented(f, node, (old, target), (operand, node.value))
    if one is not None:
        place.write(f, one, computed, node)


def _as_long(one: Place, assigned: Value) -> bool:
    """Whether a slice gets as many bytes as it has; what is no text has its type checked later."""
    data = memory.constant_bytes(assigned)
    if data is not None:
        return len(data) == one.kind.sizeof  # type: ignore[union-attr]
    return not isinstance(assigned, Reference) or assigned.type.sizeof == one.kind.sizeof  # type: ignore[union-attr]
