"""Array maps: `m[i]`, `m[i] = v`, `m[i] += v`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.compiler.frontend import arith, heads
from bpfvm.compiler.frontend.kinds import Mixed, result_kinds
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import INT, MODULAR, Bad, Kinds, MapValue, Maybe, Number, Value
from bpfvm.compiler.ir.types import Ptr
from bpfvm.lang.interval import Interval
from bpfvm.lang.maps import Array
from bpfvm.lang.operators import BINARY_BY_NODE
from bpfvm.lang.types import Storage
from bpfvm.obj.model import MapSpec

# Updates that are one atomic operation on elements of these widths (include/uapi/linux/bpf.h, BPF_ATOMIC).
ATOMIC: Mapping[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "add",
    ast.BitOr: "or",
    ast.BitAnd: "and",
    ast.BitXor: "xor",
}
_ATOMIC_BITS = (32, 64)


@dataclass(frozen=True, slots=True)
class Element:
    """One element, looked up: `address` points to it."""

    map: MapValue
    address: Register

    @property
    def type(self) -> Storage:
        """How it is stored."""
        return self.map.declared.value

    @property
    def kinds(self) -> Kinds:
        """The kinds of a value read from it."""
        return frozenset({MODULAR[self.type]}) if self.type.is_modular else INT


def attribute(f: Translation, owner: MapValue, node: ast.Attribute) -> Value:
    """`m.max_entries`."""
    from bpfvm.compiler.frontend import names

    if node.attr == "max_entries":
        return names.captured(f, owner.declared.max_entries, f.quoted(node), node)
    return names.attribute(f, owner, node)


def item(f: Translation, owner: MapValue, index: Value, node: ast.Subscript) -> Value:
    """`m[i]`."""
    if node is f.discarded:
        f.warn("W131", f"what `{f.quoted(node)}` looks up is not used", node, help="leave it out, or bind it to a name")
    one = element(f, owner, index, node)
    return load(f, one) if one is not None else Bad()


def set_item(
    f: Translation, owner: MapValue, index: Value, target: ast.Subscript, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    """`m[i] = assigned`."""
    one = element(f, owner, index, target)
    if one is not None:
        store(f, one, assigned, source)


def update(
    f: Translation, owner: MapValue, index: Value | None, node: ast.AugAssign, operand: Callable[[], Value]
) -> None:  # fmt: skip
    """`m[i] op= v`: in CPython the element is read, then v evaluated, then stored. Atomic where it can be."""
    target = node.target
    if index is None or not isinstance(target, ast.Subscript):
        f.error("E063", f"`{f.quoted(target)}` cannot be assigned to in this version", target, help="m[i] += 1")
        operand()
        return
    one = element(f, owner, index, target)
    if one is not None and _is_atomic(one, node.op):
        mark, before = heads.mark(f), f.stores
        given = operand()
        if f.stores == before or not f.reachable:
            fitting = _fitting(f, node, one, given)
            if fitting is not None:
                _update(f, one, node.op, fitting)
            return
        heads.rollback(f, mark)  # v has stored something, maybe into the element, whose old value is read before
    old: Value = load(f, one) if one is not None else Bad()
    given = operand()
    computed = arith.binary(f, node, node.op, (old, target), (given, node.value))
    if one is not None:
        store(f, one, computed, node)


def _fitting(f: Translation, node: ast.AugAssign, one: Element, operand: Value) -> Number | None:
    """The operand of an atomic update, or None after the error that the plain operator would give."""
    old = Number(one.kinds, one.type.range, f.number(0))
    if isinstance(operand, Number):
        try:
            result_kinds(BINARY_BY_NODE[type(node.op).__name__].name, old.kinds, operand.kinds)
            return operand
        except Mixed:
            pass
    arith.binary(f, node, node.op, (old, node.target), (operand, node.value))
    return None


def element(f: Translation, owner: MapValue, index: Value, node: ast.Subscript) -> Element | None:
    """`owner[index]`: test the index, look the element up. None after an error."""
    if isinstance(index, Bad):
        return None
    if not isinstance(owner.declared, Array):
        f.error(
            "E063",
            f"`{owner.name}` is {type(owner.declared).__name__}, and this version compiles Array alone",
            node.value,
            help=f"{owner.name} = Array(u64, 256)",
        )
        return None
    if isinstance(index, Maybe):
        f.may_be_none(node.slice)
        return None
    if not isinstance(index, Number):
        f.error(
            "E022",
            f"`{owner.name}` takes a number as its index, `{f.quoted(node.slice)}` is {index.described}",
            node.slice,
            help=f"{owner.name}[i], with i from 0 to {owner.declared.max_entries - 1}",
        )
        return None
    known = f.state.known(index)
    return _looked_up(f, owner, known, node) if f.exact(known, node.slice) else None


def _looked_up(f: Translation, owner: MapValue, index: Number, node: ast.Subscript) -> Element:
    count = owner.declared.max_entries
    inside = Interval(0, count - 1)
    which = f"index {index.constant}" if index.constant is not None else "the index"
    message = f"{which} is outside of {owner.name} ({count} entries)"
    if not index.range.within(inside):
        # one unsigned test: a negative index is past every count when it is read so
        f.fault_if("uge", f.register(index), f.number(count), "IndexError", message, node)
        if index.range.meet(inside) is not None:
            f.state.learn(index, inside)
    declared = owner.declared
    spec = MapSpec(owner.name, declared.type, declared.key.size, declared.value.size, count)
    return Element(owner, _lookup(f, spec, f.register(index), message, node))


def load(f: Translation, one: Element) -> Number:
    """The element's value."""
    storage = one.type
    register = f.load(one.address, storage.bits)
    if storage.is_signed and storage.bits < 64:
        register = f.op(f"sext{storage.bits}", register)
    return Number(one.kinds, storage.range, register)


def store(f: Translation, one: Element, value: Value, place: ast.AST) -> None:
    """`m[i] = value`: the value mod 2**bits. W115 where that may change it."""
    if isinstance(value, Bad):
        return
    if not isinstance(value, Number):
        f.error(
            "E022",
            f"`{one.map.name}` holds {one.type!r}, and `{f.quoted(place)}` is {value.described}",
            place,
            help="store a number",
        )
        return
    known, storage = f.state.known(value), one.type
    if not known.range.within(storage.range):
        text = f.quoted(place)
        f.warn(
            "W115",
            f"`{text}` may not fit {storage!r}; the element keeps it mod 2**{storage.bits}",
            place,
            why=f"its value lies in {f.shown(known.range)}",
            help=f"cut it knowingly: {_cut(f, place, storage)}",
        )
    f.store(one.address, f.register(known), storage.bits)


def _cut(f: Translation, place: ast.AST, storage: Storage) -> str:
    if not isinstance(place, ast.AugAssign):
        return f"{storage!r}({f.quoted(place)})"
    row = BINARY_BY_NODE.get(type(place.op).__name__)  # `**` has none
    target, symbol = f.quoted(place.target), row.symbol if row is not None else "**"
    return f"{target} = {storage!r}({target} {symbol} {f.operand(place.value)})"


def _is_atomic(one: Element, op: ast.operator) -> bool:
    """Whether `m[i] op= v` is one atomic operation."""
    return type(op) in ATOMIC and one.type.bits in _ATOMIC_BITS


def _update(f: Translation, one: Element, op: ast.operator, value: Number) -> None:
    """`m[i] op= value`, atomically. Only the value's low bits matter: all of these are ring operations."""
    register = f.register(f.state.known(value))
    if isinstance(op, ast.Sub):
        register = f.op("neg", register)
    f.atomic(ATOMIC[type(op)], one.address, register, one.type.bits)


def _lookup(f: Translation, spec: MapSpec, key: Register, message: str, place: ast.AST) -> Register:
    """The address of a map's value. The test for null is the verifier's; a null is an IndexError."""
    f.target.maps[spec.name] = spec
    declared = f.builder.op("map", type=Ptr("map"), named=spec.name)
    address = f.builder.op("lookup", declared, key, type=Ptr("map_value", nullable=True))
    f.fault_if("eq", address, f.number(0), "IndexError", message, place)
    return address
