"""Pointers into memory that a program cannot load from: what `p.field`, `p[i]`, `p[a:b]`, `p.str(16)` read."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bpfvm.compiler.frontend.memory import access, construct, items
from bpfvm.compiler.frontend.memory.items import Span
from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.pointers import probe
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    INT,
    Bad,
    Callee,
    Maybe,
    Nullable,
    Number,
    Pointer,
    Reference,
    Static,
    Value,
)
from bpfvm.core.amounts import octets
from bpfvm.core.bits import M64, signed
from bpfvm.core.errors import BpfvmError
from bpfvm.lang.helpers.current import TYPED, Current, helper_for
from bpfvm.lang.types.arrays import array_of, is_bytes
from bpfvm.lang.types.interval import U64
from bpfvm.lang.types.kernel import KernelStruct, Opaque
from bpfvm.lang.types.layout import Layout, size_of
from bpfvm.lang.types.pointers import MOST_TEXT, PointerType, elements_of, fields_of, is_place, pointer_to
from bpfvm.lang.types.scalars import Storage, char

_MEMORY = {"user": "user memory", "kernel": "kernel memory"}


def attribute(f: Translation, owner: Pointer, node: ast.Attribute) -> Value:
    """`p.field`, `p.value`, `p.addr`, and the methods."""
    target = owner.kind.__target__
    if node.attr in RESERVED and node.attr in fields_of(target):
        return f.error(
            "E037",
            f"`{node.attr}` is a field of `{target.__name__}`, and a name of all pointers",
            f.last_name(node),
            help=f"{f.operand(node.value)}[{node.attr!r}] is the field",
        )
    if node.attr in ("value", "addr"):
        return probe.value(f, owner)
    if node.attr in METHODS:
        handler = METHODS[node.attr]
        return Callee(f.quoted(node), lambda f, call, given: handler(f, owner, call, given))
    return _field(f, owner, node.attr, node)


def offers(owner: Pointer, name: str) -> bool:
    """Whether a pointer has an attribute."""
    return name in RESERVED or name in fields_of(owner.kind.__target__)


def _field(f: Translation, owner: Pointer, name: str, node: ast.expr) -> Value:
    target = owner.kind.__target__
    known = fields_of(target)
    field = known.get(name)
    if field is None:
        near = difflib.get_close_matches(name, known, 1)
        what = f"it has {' '.join(known)}" if 0 < len(known) <= _SHOWN else "it offers p[i], p.str(n), p.value"
        hint = f"did you mean `{near[0]}`?" if near else what
        where = f.last_name(node) if isinstance(node, ast.Attribute) else f.span(node)
        name_of = getattr(target, "__name__", "what nobody knows")
        return f.error("E037", f"`{name_of}` has no field `{name}`", where, help=hint)
    return _read(f, _member(owner, field), field.type, field, node)


_SHOWN = 24  # names of fields in a message


def _member(owner: Pointer, field: Any) -> Pointer:
    """The place of a field."""
    target, kind = owner.kind.__target__, pointer_to(owner.kind.__space__, field.type if is_named(field.type) else None)
    unnamed = isinstance(target, KernelStruct) and not owner.path and not target.__name__.isidentifier()
    if not isinstance(target, KernelStruct) or unnamed or owner.beyond:  # nothing that a loader could look for
        return replace(owner, kind=kind, beyond=owner.beyond + field.offset)
    root = owner.root if owner.path else target
    return replace(owner, kind=kind, root=root, path=(*owner.path, field.name), offset=owner.offset + field.offset)


def is_named(kind: Any) -> bool:
    """Whether there is a type of pointers to it."""
    return not isinstance(kind, Opaque)


def _read(f: Translation, place: Pointer, kind: Any, field: Any, node: ast.expr) -> Value:
    """What stands at a place: a number or a pointer is read; a struct or an array is a pointer to it."""
    if isinstance(kind, Opaque):
        return f.error("E063", f"`{f.quoted(node)}` is {kind.__name__}, of which this version reads nothing", node,
                       help="read its bytes by bpf.helper.probe_read_kernel")  # fmt: skip
    if is_place(kind):
        return place
    return probe.number(f, place, kind, field, node)


def item(f: Translation, owner: Pointer, index: Value, node: ast.Subscript) -> Value:
    """`p[i]`, and `p["field"]`."""
    if isinstance(index, Static) and isinstance(index.object, str):
        return _field(f, owner, index.object, node)
    if not isinstance(index, Number):
        return f.error("E022", f"a pointer takes a number as its index, `{f.quoted(node.slice)}` is {index.described}",
                       node.slice, help=f"{f.operand(node.value)}[0]")  # fmt: skip
    known = f.state.known(index)
    element, length = elements_of(owner.kind.__target__)
    if element is None or not f.exact(known, node.slice):
        return BAD if element is not None else _unknown(f, owner, node)
    if length is not None:
        known = items.inside(f, known, (length, 1), node, owner.kind.__target__.__name__)
    return _read(f, _element(f, owner, element, known), element, None, node)


def _element(f: Translation, owner: Pointer, element: Any, index: Number) -> Pointer:
    step = size_of(element)
    kind = pointer_to(owner.kind.__space__, element if is_named(element) else None)
    if index.constant is not None and not isinstance(element, KernelStruct):
        return replace(owner, kind=kind, beyond=owner.beyond + signed(index.constant * step, 64))
    distance = f.op("mul", f.register(index), f.number(step)) if step > 1 else f.register(index)
    word = f.op("add", probe.address(f, owner), distance)
    return Pointer(kind, Number(INT, U64, word))


def span(f: Translation, owner: Pointer, bounds: Span, node: ast.Subscript) -> Value:
    """`p[a:b]`: the elements, copied to the stack."""
    element, length = elements_of(owner.kind.__target__)
    if element is None:
        return _unknown(f, owner, node)
    start, stop = (_bound(f, one, default) for one, default in ((bounds.start, 0), (bounds.stop, length)))
    if start is None or stop is None or not isinstance(element, Storage | Layout) or _has_step(node):
        return f.error("E022", f"the slice `{f.quoted(node)}` has no constant bounds", node.slice,
                       why="what is read through a pointer is as long as its type says",
                       help=f"{f.operand(node.value)}[0:16]")  # fmt: skip
    if not 0 <= start < stop or (length is not None and stop > length) or (stop - start) * size_of(element) > MOST_TEXT:
        return f.error("E022", f"the slice `{f.quoted(node)}` is not inside of {owner.kind.__name__}", node.slice,
                       why="CPython would raise IndexError here", help="slice what there is")  # fmt: skip
    kind = array_of(element, stop - start)
    return _copied(f, replace(owner, beyond=owner.beyond + start * size_of(element)), kind, node, fixed=True)


def _has_step(node: ast.Subscript) -> bool:
    return isinstance(node.slice, ast.Slice) and node.slice.step is not None


def _bound(f: Translation, given: Value | None, default: int | None) -> int | None:
    if given is None:
        return default
    return f.state.known(given).constant if isinstance(given, Number) else None


def _copied(f: Translation, owner: Pointer, kind: Layout, node: ast.AST, fixed: bool = False) -> Reference:
    made = construct.new(f, kind, node)
    probe.copied(f, owner, f.pointer(made), size_of(kind), node)
    return replace(made, fixed=fixed)


def _unknown(f: Translation, owner: Pointer, node: ast.expr) -> Bad:
    return f.error("E022", f"what `{owner.kind.__name__}` points to is not known", node,
                   help="say what it is: UserPtr[u32](p)")  # fmt: skip


def _str(f: Translation, owner: Pointer, node: ast.Call, given: Any) -> Value:
    """`p.str(16)`."""
    size = given.values[0] if len(given.values) == 1 and not given.named else None
    count = f.state.known(size).constant if isinstance(size, Number) else None
    if count is None or not 0 < count <= MOST_TEXT:
        return f.error("E013", f"`{f.quoted(node.func)}` takes a constant number of bytes, 1 to {MOST_TEXT}", node,
                       help=f"{f.quoted(node.func)}(16)")  # fmt: skip
    made = construct.new(f, array_of(char, count), node)
    probe.text(f, owner, made, count, node)
    return replace(made, fixed=True)


def _copy(f: Translation, owner: Pointer, node: ast.Call, given: Any) -> Value:
    """`p.copy()`."""
    if given.values or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes no arguments", node, help=f"{f.quoted(node.func)}()")
    kind = owner.kind.__target__
    if isinstance(kind, Layout):
        return _copied(f, owner, kind, node)
    if isinstance(kind, Storage):
        return probe.number(f, owner, kind, None, node)
    return f.error("E063", f"{owner.described} is not copied as a whole", node, why="it is a type of the kernel's",
                   help="read its fields")  # fmt: skip


METHODS: dict[str, Callable[[Translation, Pointer, ast.Call, Any], Value]] = {"str": _str, "copy": _copy}


RESERVED = ("value", "addr", *METHODS)


def truth(f: Translation, owner: Pointer, node: ast.expr) -> Branches:
    """Whether a pointer is not null."""
    return compare.truth(f, probe.value(f, owner), node)


def length(f: Translation, owner: Pointer, node: ast.Call) -> Value:
    """`len(p)` of a pointer to an array."""
    count = elements_of(owner.kind.__target__)[1]
    if count is None:
        return f.error("E022", f"`{f.quoted(node.args[0])}` is {owner.described}, which has no length", node,
                       help="read a text of at most so many bytes: p.str(80)")  # fmt: skip
    return f.constant(count)


def equal(f: Translation, node: ast.Compare, op: ast.cmpop, left: Operand, right: Operand) -> Branches:
    """`p == q`, `p != q`; E031 for a comparison of what is there."""
    a, b = left[0], right[0]
    same = isinstance(a, Pointer) and isinstance(b, Pointer) and a.kind.__space__ == b.kind.__space__
    if same and isinstance(a, Pointer) and isinstance(b, Pointer) and isinstance(op, ast.Eq | ast.NotEq):
        holds, fails = f.split("eq", probe.address(f, a), probe.address(f, b))
        return ([holds], [fails]) if isinstance(op, ast.Eq) else ([fails], [holds])
    pointer, other = (left, right) if isinstance(a, Pointer) else (right, left)
    assert isinstance(pointer[0], Pointer), "one of them is a pointer"
    text = access.constant_bytes(other[0])
    if text is None and not (isinstance(other[0], Reference) and is_bytes(other[0].type)):
        f.error("E022", f"{pointer[0].described} is compared with {other[0].described}", node,
                help=f"compare addresses: {f.operand(pointer[1])}.value")  # fmt: skip
        return compare.unknown(f)
    size, symbol = 16, "==" if isinstance(op, ast.Eq) else "!="
    while text is not None and size <= len(text) and size < MOST_TEXT:
        size *= 2
    what = f.operand(pointer[1])
    part = f"{what}.str({size}) {symbol} {f.quoted(other[1])}  # reads at most {octets(size)}"
    if text is not None and is_bytes(pointer[0].kind.__target__) and not access.is_text(pointer[0].kind.__target__):
        part = f"{what}[0:{len(text)}] {symbol} {f.quoted(other[1])}"
    f.error(
        "E031",
        f"`{f.quoted(pointer[1])}` points to {_MEMORY[pointer[0].kind.__space__]}; comparing its contents needs a copy",
        pointer[1],
        why="what is behind the address can fault or change while it is read; it must be copied with a probe-read "
        "helper first",
        help=part,
    )
    return compare.unknown(f)


def refuse(f: Translation, owner: Pointer, node: ast.expr) -> None:
    """E031: a store through a pointer."""
    f.error(
        "E031",
        f"`{f.quoted(node)}` lies in {_MEMORY[owner.kind.__space__]}, which a program reads only",
        node,
        why="the kernel's own data is the kernel's to change, and that of a process the process's",
        help="copy it, and change the copy: e = p.copy()",
    )


def set_attribute(f: Translation, owner: Pointer, target: ast.Attribute, assigned: Value, source: ast.expr) -> None:
    refuse(f, owner, target)


def set_item(
    f: Translation, owner: Pointer, index: Value, target: ast.Subscript, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    refuse(f, owner, target)


def set_span(
    f: Translation, owner: Pointer, span: Span, target: ast.Subscript, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    refuse(f, owner, target)


def update(
    f: Translation, owner: Pointer, index: Value | None, node: ast.AugAssign, operand: Callable[[], Value]
) -> None:  # fmt: skip
    operand()
    refuse(f, owner, node.target)


def assign(f: Translation, to: Reference, owner: Pointer, node: ast.expr) -> bool:
    """Store what is behind a pointer into a struct or an array; False where the place takes no such thing."""
    target, size = owner.kind.__target__, size_of(to.type)
    if is_bytes(to.type) and target is char:
        probe.text(f, owner, to, size, node)
    elif is_bytes(to.type) and is_bytes(target):
        given = min(size, size_of(target))
        if given < size:
            access.put(f, replace(to, offset=to.offset + given), bytes(size - given))
        probe.copied(f, owner, f.pointer(to), given, node)
    elif target is to.type:
        probe.copied(f, owner, f.pointer(to), size, node)
    else:
        return False
    return True


def store(f: Translation, to: Reference, kind: PointerType, value: Value, node: ast.expr, what: str) -> None:
    """Store a pointer into a field or an element."""
    if isinstance(value, Pointer) and value.kind.__space__ == kind.__space__:
        access.put_word(f, to, probe.address(f, value), kind.size)
        return
    if isinstance(value, Maybe | Nullable):
        f.may_be_none(node, value)
        return
    f.error(
        "E020",
        f"{what} must be `{kind.__name__}`, and `{f.quoted(node)}` is {value.described}",
        node,
        help=f"make it one: {kind.__name__}(...)",
    )


def load(f: Translation, one: Reference, kind: PointerType) -> Pointer:
    """The pointer that stands at a place in the program's own memory."""
    return Pointer(kind, Number(INT, U64, access.get_word(f, one, kind.size)))


def handler(target: PointerType | Current) -> Callable[[Translation, ast.Call, Any], Value]:
    """What a call of it does."""
    if isinstance(target, Current):
        return lambda f, node, given: current(f, node, target, given)
    return lambda f, node, given: made(f, node, target, given)


def current(f: Translation, node: ast.Call, target: Current, given: Any) -> Value:
    """`current()`: a pointer that programs load through where the verifier knows its type."""
    if given.values or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes no arguments", node, help="current()")
    helper = helper_for(f.hook.type)
    if helper is None:
        return f.error("E011", f"`{f.quoted(node)}` is not for programs of type {f.hook.type}", node,
                       why="the kernel lets them ask for no task", help="see docs/helpers.md")  # fmt: skip
    try:
        kind = target.kind
    except BpfvmError as error:
        return f.error("E010", str(error), node, help="BPFVM_BTF=vmlinux.btf")
    f.stored("")
    return Pointer(kind, Number(INT, U64, f.builder.helper(helper)), trusted=helper == TYPED)


def made(f: Translation, node: ast.Call, kind: PointerType, given: Any) -> Value:
    """`UserPtr[T](p)`: another pointer's address, or a number."""
    if given.named or len(given.values) > 1:
        return f.error("E013", f"`{f.quoted(node.func)}` takes one argument", node, help=f"{f.quoted(node.func)}(p)")
    one = given.values[0] if given.values else f.constant(0)
    if isinstance(one, Pointer):
        keeps = one.trusted and one.kind is kind and not one.path
        return one if keeps else Pointer(kind, probe.value(f, one))
    if not isinstance(one, Number):
        return f.error("E022", f"`{f.quoted(node.func)}` takes an address, and `{f.quoted(given.nodes[0])}` is "
                       f"{one.described}", given.nodes[0], help="name a number or a pointer")  # fmt: skip
    known = f.state.known(one)
    if known.constant is not None:
        return Pointer(kind, f.constant(known.constant & M64))
    return Pointer(kind, Number(INT, U64 if known.range.lo < 0 or known.range.hi > M64 else known.range,
                                f.register(known)))  # fmt: skip
