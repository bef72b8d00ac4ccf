"""What statements store to and delete: `e.x = v`, `a[i] = v`, `a[i:i + 4] = v`, `m[k] += v`, `del m[k]`."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend import protocols
from bpfvm.compiler.frontend.expr import bounds, value
from bpfvm.compiler.frontend.maps import atomics
from bpfvm.compiler.frontend.memory import access, fields, items, named, overwritten, place
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.names import bindings
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import NOTHING, Bad, Nullable, Reference, Value


def place_of(f: Translation, owner: Reference, target: ast.Subscript) -> Place | None:
    """The place that a statement stores to, or None after an error."""
    if not isinstance(target.slice, ast.Slice):
        return items.item(f, owner, value(f, target.slice), target)
    part = items.span(f, owner, bounds(f, target.slice), target)
    if part is None:
        return None
    at = part if owner.fixed else Reference(part.type, part.space, part.base, part.offset, part.align, part.objects)
    return Place(at, part.type, f"the slice `{f.quoted(target)}`")


def store_attribute(f: Translation, target: ast.Attribute, assigned: Value, source: ast.expr) -> None:
    """`owner.x = assigned`. source: the node that it came from."""
    owner = value(f, target.value)
    of_ours = protocols.of(owner).set_attribute
    if of_ours is not None:
        of_ours(f, owner, target, assigned, source)
    elif not isinstance(owner, Reference):
        _refuse(f, owner, target)
    else:
        field = place.field(f, owner, target)
        if field is None:
            place.no_field(f, owner, target)
        else:
            place.write(f, field, assigned, source)
            overwritten.note(f, field.at, field.kind, field.what)


def store_item(f: Translation, target: ast.Subscript, assigned: Value, source: ast.expr) -> None:
    """`owner[i] = assigned`, `owner[a:b] = assigned`."""
    owner = value(f, target.value)
    row = protocols.of(owner)
    if type(owner) in protocols.PROTOCOLS and isinstance(target.slice, ast.Slice):
        part = bounds(f, target.slice)
        if row.set_span is not None:
            row.set_span(f, owner, part, target, assigned, source)
        else:
            _refuse(f, owner, target)
    elif row.set_item is not None:
        row.set_item(f, owner, value(f, target.slice), target, assigned, source)
    elif isinstance(owner, Reference):
        _store_element(f, owner, target, assigned, source)
    else:
        value(f, target.slice)
        _refuse(f, owner, target)


def _store_element(
    f: Translation, owner: Reference, target: ast.Subscript, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    method = fields.user_method(owner, "__setitem__")
    if method is not None:
        fields.operator(f, target, method, [owner, value(f, target.slice), assigned])
        return
    one = place_of(f, owner, target)
    if one is None:
        return
    if isinstance(target.slice, ast.Slice) and not _as_long(one, assigned):
        access.wrong(f, one.kind, assigned, source, one.what)
        return
    place.write(f, one, assigned, source)


def _refuse(f: Translation, owner: Value, target: ast.Attribute | ast.Subscript) -> None:
    """E022 or E063: nothing is stored there."""
    if isinstance(owner, Bad):
        return
    if isinstance(target, ast.Attribute) or isinstance(target.slice, ast.Slice):
        text = f"`{f.quoted(target)}` cannot be assigned to in this version"
        f.error("E063", text, target, help="what can be: names, and elements of maps: hits[i] = 1")
        return
    text = f"`{f.quoted(target.value)}` is {owner.described}, which has no items"
    f.error("E022", text, target.value, help="items are those of maps: hits = Array(u64, 256)")


_ODD = "the instructions take addresses that are multiples of a number's size, and this field may stand at another one"


def update(f: Translation, node: ast.AugAssign, target: ast.Attribute | ast.Subscript) -> None:
    """`e.x op= v`, `a[i] op= v`, `m[k] op= v`."""
    owner = value(f, target.value)
    of_ours = protocols.of(owner).update
    if isinstance(owner, Reference):
        _update_memory(f, owner, node, target)
    elif of_ours is None:
        index = value(f, target.slice) if isinstance(target, ast.Subscript) else owner
        value(f, node.value)
        if not isinstance(index, Bad):
            _refuse(f, owner, target)
    else:
        index = NOTHING
        if isinstance(target, ast.Subscript):
            is_span = protocols.of(owner).set_span is not None and isinstance(target.slice, ast.Slice)
            index = NOTHING if is_span else value(f, target.slice)
        of_ours(f, owner, None if isinstance(target, ast.Attribute) else index, node, lambda: value(f, node.value))


def _update_memory(
    f: Translation, owner: Reference, node: ast.AugAssign, target: ast.Attribute | ast.Subscript
) -> None:  # fmt: skip
    """In CPython it is read, then v evaluated, then stored; the target is evaluated once."""
    one: Place | None
    if isinstance(target, ast.Attribute):
        one = place.field(f, owner, target)
        if one is None:
            place.no_field(f, owner, target)
    else:
        one = place_of(f, owner, target)
    if one is not None and one.at.shared and not one.at.fixed and atomics.is_wide(one):
        if not _is_named(f, target.value) and atomics.can_be(one, node.op):
            atomics.update(f, one, node, lambda: value(f, node.value))
            return
        _warn_not_atomic(f, node, target, one)
    old: Value = place.read(f, one) if one is not None else Bad()
    operand = value(f, node.value)
    computed = arith.augmented(f, node, (old, target), (operand, node.value))
    if one is not None:
        place.write(f, one, computed, node)


def _is_named(f: Translation, node: ast.expr) -> bool:
    """Whether it is part of what a name of the function stands for, and not of what is looked up here."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and isinstance(f.state.names.get(f.frame.own(node.id)), Reference | Nullable)


def _warn_not_atomic(
    f: Translation, node: ast.AugAssign, target: ast.Attribute | ast.Subscript, one: Place
) -> None:  # fmt: skip
    if type(node.op) not in atomics.OPERATIONS:
        return
    is_aligned = atomics.is_aligned(one)
    operation = f.quoted(node).removeprefix(f.quoted(target)).strip()
    f.warn(
        "W114",
        f"`{f.quoted(node)}` is not atomic: another CPU may store there between its load and its store",
        node,
        why=f"`{f.quoted(target.value)}` is a name for memory that all CPUs share" if is_aligned else _ODD,
        help=f"name the element itself: {named.element(f, target)} {operation}"
        if is_aligned
        else "declare the struct without packed=True, or put the field before smaller ones",
    )


def delete(f: Translation, node: ast.Delete, target: ast.expr) -> None:
    """`del owner[k]`."""
    if isinstance(target, ast.Tuple | ast.List):
        for one in target.elts:
            delete(f, node, one)
        return
    if not isinstance(target, ast.Subscript):
        text = f"`del {f.quoted(target)}` is not available in BPF programs"
        f.error("E062", text, node, help="use another name: every name keeps its last value")
        bindings.spoil(f, node)
        return
    owner = value(f, target.value)
    of_ours = protocols.of(owner).delete
    index = value(f, target.slice)
    if of_ours is not None:
        of_ours(f, owner, index, target)
    elif not isinstance(owner, Bad):
        text = f"`{f.quoted(target.value)}` is {owner.described}, of which nothing is deleted"
        f.error("E022", text, target, help="what can be: elements of hash maps: del m[k]")


def _as_long(one: Place, assigned: Value) -> bool:
    """Whether a slice gets as many bytes as it has; what is no text has its type checked later."""
    data = access.constant_bytes(assigned)
    if data is not None:
        return len(data) == one.kind.sizeof  # type: ignore[union-attr]
    return not isinstance(assigned, Reference) or assigned.type.sizeof == one.kind.sizeof  # type: ignore[union-attr]
