"""The program's context, its first parameter: fields by the table of its structure, read and written where the kernel
lets programs of the type do so."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Sequence

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    INT,
    Bad,
    ContextArray,
    ContextValue,
    Kind,
    Maybe,
    Nullable,
    Number,
    Reference,
    Value,
)
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.articles import an
from bpfvm.lang.contexts.arguments import misnamed
from bpfvm.lang.contexts.sockets import POINTERS
from bpfvm.lang.types.interval import Interval, of_bits
from bpfvm.tables.ctx import CONTEXTS, Context, CtxField


def attribute(f: Translation, owner: ContextValue, node: ast.Attribute) -> Value:
    """`ctx.ingress_ifindex`: a number of the field's width; `skb.cb`: an array of them."""
    name = owner.inside + node.attr
    structure = _structure(f, node)
    if structure is None:
        return BAD
    if any(one.name.startswith(f"{name}.") for one in structure.fields):
        return ContextValue(f"{name}.")
    socket = structure.open(name, False, f.hook.type, f.hook.attach_type)
    if socket is not None and socket.pointer in POINTERS:
        return _socket(f, socket, node)
    field = _field(f, structure, name, node)
    if field is None:
        return BAD
    return ContextArray(field) if field.count > 1 else _read(f, field, 0)


def set_attribute(
    f: Translation, owner: ContextValue, target: ast.Attribute, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    """`skb.mark = assigned`."""
    field = _writable(f, owner.inside + target.attr, target)
    if field is not None:
        _write(f, field, 0, assigned, source)


def item(f: Translation, owner: ContextArray, index: Value, node: ast.Subscript) -> Value:
    """`skb.cb[i]`."""
    results: list[Value] = []
    ends = _each(f, owner, index, node, lambda at: results.append(_read(f, owner.field, at)))
    return flow.join_values(f, ends, results, node) if ends else BAD


def set_item(
    f: Translation, owner: ContextArray, index: Value, target: ast.Subscript, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    """`skb.cb[i] = assigned`."""
    field = _writable(f, owner.field.name, target)
    if field is not None:
        flow.enter(f, _each(f, owner, index, target, lambda at: _write(f, field, at, assigned, source)))


def update(
    f: Translation, owner: ContextValue | ContextArray, index: Value | None, node: ast.AugAssign,
    operand: Callable[[], Value],
) -> None:  # fmt: skip
    """`skb.priority += 1`, `skb.cb[i] |= 1`: read, then stored."""
    target = node.target
    if isinstance(owner, ContextArray) and isinstance(target, ast.Subscript) and index is not None:
        old = item(f, owner, index, target)
        set_item(f, owner, index, target, _computed(f, node, old, operand), node)  # type: ignore[arg-type]
    elif isinstance(owner, ContextValue) and isinstance(target, ast.Attribute):
        old = attribute(f, owner, target)
        set_attribute(f, owner, target, _computed(f, node, old, operand), node)  # type: ignore[arg-type]


def length(f: Translation, owner: ContextArray, node: ast.Call) -> Value:
    """`len(skb.cb)`."""
    return f.constant(owner.field.count)


def load(f: Translation, offset: int, bits: int) -> Register:
    """A word of the context, zero-extended."""
    return f.builder.op(f"load{bits}", f.builder.ctx(), imm=offset)


def store(f: Translation, offset: int, word: Register) -> None:
    """Store a u64 into the context."""
    f.builder.op("store64", f.builder.ctx(), word, imm=offset)


def _computed(f: Translation, node: ast.AugAssign, old: Value, operand: Callable[[], Value]) -> Value:
    return arith.binary(f, node, node.op, (old, node.target), (operand(), node.value))


def _structure(f: Translation, node: ast.Attribute) -> Context | None:
    """The context's row; E037 where the program type's has no fields."""
    name = f.hook.program_type.context
    if name is not None:
        return CONTEXTS[name]
    text = f"the context of {an(f.hook.type)} program has no fields, so no `{node.attr}`"
    why = misnamed(f.hook, node.value.id) if isinstance(node.value, ast.Name) else None
    if why is None:
        f.error("E037", text, f.last_name(node), help="annotate it with a struct that lies there: def f(ctx: Args):")
    else:
        f.error("E037", text, f.last_name(node), why=f"`{why.name}` is the context: {why.text}", help=why.help)
    return None


def _field(f: Translation, structure: Context, name: str, node: ast.Attribute) -> CtxField | None:
    """A field of numbers that the program may read. E037 for any other name."""
    field = structure.open(name, False, f.hook.type, f.hook.attach_type)
    if field is not None and field.pointer is None:
        return field
    offered = structure.offered(False, f.hook.type, f.hook.attach_type)
    if field is not None:
        _address(f, structure, field, node)
    elif structure.named(name):
        f.error(
            "E037",
            f"{_programs(f)} may not read `{node.attr}` of {structure.name}",
            f.last_name(node),
            why="the kernel lets other types of programs read it",
            help=f"it offers {' '.join(offered)}",
        )
    else:
        near = difflib.get_close_matches(name, offered, 1)
        hint = (f"did you mean `{near[0]}`? " if near else "") + f"it offers {' '.join(offered)}"
        f.error("E037", f"the context {structure.name} has no field `{name}`", f.last_name(node), help=hint)
    return None


def _address(f: Translation, structure: Context, field: CtxField, node: ast.Attribute) -> None:
    is_packet = field.pointer in ("packet", "packet_end", "packet_meta")
    f.error(
        "E037",
        f"`{node.attr}` of {structure.name} is an address, and programs here have none",
        f.last_name(node),
        why="packet bytes are read by their names, with the bounds tested: pkt.ip.proto" if is_packet else "",
        help="from bpfvm import pkt" if is_packet else "use the fields of the context that are numbers",
    )


def _socket(f: Translation, field: CtxField, node: ast.Attribute) -> Value:
    """`skb.sk`: a socket, or None where there may be none."""
    layout, is_nullable = POINTERS[field.pointer or ""]
    register = f.builder.op("load64", f.builder.ctx(), type=Ptr("socket", nullable=is_nullable), imm=field.offset)
    there = Reference(layout, "socket", register, fixed=True)
    if not is_nullable:
        return there
    found = Nullable(there)
    f.absent[found.origin] = node
    return found


def _programs(f: Translation) -> str:
    where = f.hook.attach_type
    return f"{f.hook.type} programs" if where in (None, f.hook.type) else f"{f.hook.type} programs for {where}"


def _writable(f: Translation, name: str, node: ast.Attribute | ast.Subscript) -> CtxField | None:
    """A field that the program may write. E031 for one that it may not, E037 where there is none."""
    attribute = node if isinstance(node, ast.Attribute) else node.value
    assert isinstance(attribute, ast.Attribute), "fields are named"
    structure = _structure(f, attribute)
    if structure is None:
        return None
    field = structure.open(name, True, f.hook.type, f.hook.attach_type)
    if field is not None and field.count > 1 and isinstance(node, ast.Attribute):
        text = f"`{f.quoted(node)}` is an array, whose elements are stored to"
        f.error("E031", text, node, help=f"{f.quoted(node)}[0] = 1")
        return None
    if field is not None:
        return field
    if not structure.named(name):
        _field(f, structure, name, attribute)
        return None
    writable = structure.offered(True, f.hook.type, f.hook.attach_type)
    f.error(
        "E031",
        f"{_programs(f)} may not write `{name}` of {structure.name}",
        f.last_name(attribute),
        why="the kernel's verifier refuses the store",
        help=f"they may write {' '.join(writable)}" if writable else "their context can only be read",
    )
    return None


def _read(f: Translation, field: CtxField, index: int) -> Number:
    register = load(f, field.offset + index * field.size, field.size * 8)
    kinds = frozenset({Kind.U64}) if field.size == 8 else INT
    return Number(kinds, of_bits(field.bits, signed=False), register)


def _write(f: Translation, field: CtxField, index: int, value: Value, source: ast.expr) -> None:
    """Store a number mod 2**bits. W115 where that may change it."""
    if isinstance(value, Bad):
        return
    if isinstance(value, Maybe | Nullable):
        f.may_be_none(source, value)
        return
    if not isinstance(value, Number):
        text = f"`{field.name}` of the context holds a number, and `{f.quoted(source)}` is {value.described}"
        f.error("E020", text, source, help="store a number")
        return
    known = f.state.known(value)
    if not known.range.within(of_bits(field.bits, signed=False)) and not isinstance(source, ast.AugAssign):
        f.warn(
            "W115",
            f"`{f.quoted(source)}` may not fit {field.bits} bits; `{field.name}` keeps it mod 2**{field.bits}",
            source,
            why=f"its value lies in {f.shown(known.range)}",
            help=f"cut it knowingly: u{field.bits}({f.quoted(source)})",
        )
    f.stored("ctx")
    offset = field.offset + index * field.size
    f.builder.op(f"store{field.size * 8}", f.builder.ctx(), f.register(known), imm=offset)


def _each(
    f: Translation, owner: ContextArray, index: Value, node: ast.Subscript, access: Callable[[int], object]
) -> Sequence[End]:  # fmt: skip
    """Do `access` for the element that `index` says: the ends.

    The kernel takes constant offsets alone, so that an index that is not known is compared with each of them.
    """
    count = owner.field.count
    if isinstance(index, Bad):
        return ()
    if isinstance(index, Maybe | Nullable):
        f.may_be_none(node.slice, index)
        return ()
    if not isinstance(index, Number):
        f.error("E022", f"`{f.quoted(node.value)}` takes a number as its index", node.slice, help="[0]")
        return ()
    known = f.state.known(index)
    if not f.exact(known, node.slice):
        return ()
    if known.constant is not None and -count <= known.constant < count:
        access(known.constant % count)
        return [f.end()]
    message = f"the index is outside of {owner.field.name} ({count} elements)"
    for condition, bound, is_safe in (
        ("sgt", count - 1, known.range.hi < count), ("slt", -count, known.range.lo >= -count),
    ):  # fmt: skip
        if not is_safe:
            f.fault_if(condition, f.register(known), f.number(bound), "IndexError", message, node)
    inside = known.range.meet(Interval(-count, count - 1))
    if inside is None:
        access(0)
        return [f.end()]
    f.state.learn(index, inside)
    ends: list[End] = []
    for at in range(inside.lo, inside.hi):
        this, other = f.split("eq", f.register(known), f.number(at))
        f.resume(this)
        access(at % count)
        ends.append(f.end())
        f.resume(other)
    access(inside.hi % count)
    return [*ends, f.end()]
