"""Elements of array maps: `m[i]`, `m[i] = v`, `m[i] += v`."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import INT, MODULAR, Bad, Kinds, MapValue, Maybe, Number, Value
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


def element(f: Translation, owner: Value, index: Value, node: ast.Subscript) -> Element | None:
    """`owner[index]`: test the index, look the element up. None after an error."""
    if isinstance(owner, Bad) or isinstance(index, Bad):
        return None
    if not isinstance(owner, MapValue):
        f.error(
            "E022",
            f"`{f.quoted(node.value)}` is {owner.described}, which has no items",
            node.value,
            help="items are those of maps: hits = Array(u64, 256)",
        )
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
    return Element(owner, f.lookup(spec, f.register(index), message, node))


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


def is_atomic(one: Element, op: ast.operator) -> bool:
    """Whether `m[i] op= v` is one atomic operation."""
    return type(op) in ATOMIC and one.type.bits in _ATOMIC_BITS


def update(f: Translation, one: Element, op: ast.operator, value: Number) -> None:
    """`m[i] op= value`, atomically. Only the value's low bits matter: all of these are ring operations."""
    register = f.register(f.state.known(value))
    if isinstance(op, ast.Sub):
        register = f.op("neg", register)
    f.atomic(ATOMIC[type(op)], one.address, register, one.type.bits)
