"""Places in memory that statements read or store to: fields and elements; what is said where a value is wrong."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass, replace

from bpfvm.compiler.frontend.memory import access, kept, standing
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Bad, Number, Reference, Value
from bpfvm.core.bits import S32_MAX
from bpfvm.lang.types.arrays import is_bytes
from bpfvm.lang.types.interval import Interval, of_bits
from bpfvm.lang.types.layout import Element, Layout
from bpfvm.lang.types.operators import BINARY_BY_NODE
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage, bool8
from bpfvm.lang.types.structs import Member, StructType

_COUNTS = (ast.Add, ast.Sub)  # a counter of 32 bits goes round, as it does in a map: nothing is said of `e.n += 1`


@dataclass(frozen=True, slots=True)
class Place:
    """Something at an address. at: the address, kind: how it is stored, member: the field where it is one.

    what: its name in messages.
    """

    at: Reference
    kind: Element
    what: str
    member: Member | None = None

    @property
    def bits(self) -> int:
        """Of a bit-field; 0 for anything else."""
        return self.member.bits if self.member is not None else 0

    @property
    def range(self) -> Interval:
        """The numbers that it holds."""
        assert isinstance(self.kind, Storage), "asked of numbers"
        return of_bits(self.bits, self.kind.is_signed) if self.bits else self.kind.range


def field(f: Translation, owner: Reference, node: ast.Attribute) -> Place | None:
    """The field `owner.name`, or None where the struct has none of that name."""
    kind = owner.type
    if not isinstance(kind, StructType) or node.attr not in kind.__members__:
        return None
    hidden = owner.space == "socket" and node.attr.startswith("_")
    if hidden or (owner.space == "map_value" and kept.is_own(owner.type)):  # what the kernel does not show
        return None
    return member(owner, kind.__members__[node.attr])


def member(owner: Reference, one: Member) -> Place:
    """A field of a struct."""
    what = f"field `{one.name}` of {owner.type.__name__}"
    return Place(replace(owner, offset=owner.offset + one.offset), one.type, what, one)


def no_field(f: Translation, owner: Reference, node: ast.Attribute) -> Bad:
    """E037, with the fields that there are."""
    kind = owner.type
    if kept.is_own(kind) and kept.is_refused(f, owner, node):
        return Bad()
    names = [name for name in kind.__members__ if name[0] != "_"] if isinstance(kind, StructType) else []
    near = difflib.get_close_matches(node.attr, names, 1)
    beside = "elements, copy()" + (', startswith(b"..."), == b"..."' if is_bytes(kind) else "")
    hint = (f"did you mean `{near[0]}`? " if near else "") + f"it has {' '.join(names) or beside}"
    return f.error("E037", f"`{kind.__name__}` has no field `{node.attr}`", f.last_name(node), help=hint)


def read(f: Translation, one: Place) -> Value:
    """The number that stands there, or the struct or array itself."""
    if isinstance(one.kind, Layout):
        return replace(one.at, type=one.kind)
    if isinstance(one.kind, PointerType):
        from bpfvm.compiler.frontend.pointers import reads

        return reads.load(f, one.at, one.kind)
    if one.at.space not in standing.SPACES:
        return _number(f, one)
    assert isinstance(one.kind, Storage), "a struct or an array is no number"
    what = (one.kind, one.bits, one.member.shift if one.bits and one.member is not None else 0)
    key = (one.at.space, one.at.base, one.at.offset, one.kind.size, what)
    found = standing.number(lambda: f.state, key, lambda: _number(f, one))
    return f.state.known(found)


def _number(f: Translation, one: Place) -> Number:
    if one.bits and one.member is not None:
        return access.load_bits(f, one.at, one.member)
    assert isinstance(one.kind, Storage), "a struct or an array is no number"
    return access.load(f, one.at, one.kind)


def write(f: Translation, one: Place, value: Value, node: ast.AST) -> None:
    """Store a value. node: where it comes from; the statement for an augmented assignment."""
    if isinstance(value, Bad):
        return
    given = node.value if isinstance(node, ast.AugAssign) else node
    assert isinstance(given, ast.expr), "a value comes from an expression"
    if one.at.fixed:
        f.error(
            "E031",
            f"{one.what} lies in memory that can only be read",
            node,
            why="a slice, and what is made of constants, is a view that nothing is stored through",
            help="store into the array itself, or into a copy: b = a.copy()",
        )
    elif isinstance(one.kind, Layout):
        access.assign(f, replace(one.at, type=one.kind), value, given, one.what)
    elif isinstance(one.kind, PointerType):
        from bpfvm.compiler.frontend.pointers import reads

        reads.store(f, one.at, one.kind, value, given, one.what)
    elif not isinstance(value, Number):
        access.wrong(f, one.kind, value, given, one.what)
    else:
        check_fit(f, one, value, node)
        if one.bits and one.member is not None:
            access.store_bits(f, one.at, one.member, f.state.known(value))
        else:
            access.store(f, one.at, one.kind, value, given)


def is_bits(number: Number, kind: Storage) -> bool:
    """Whether a number of C's, with the other sign, is no wider than the type: no two of them have the same bits there,
    and C converts it without a word."""
    signed, unsigned = of_bits(kind.bits, signed=True), of_bits(kind.bits, signed=False)
    return number.foreign and kind is not bool8 and any(number.range.within(one) for one in (signed, unsigned))


def check_fit(f: Translation, one: Place, value: Number, node: ast.AST) -> None:
    """W115 where a store may change the number."""
    known, kind = f.state.known(value), one.kind
    if known.range.within(one.range) or kind is bool8:
        return
    if isinstance(kind, Storage) and not one.bits and is_bits(known, kind):
        return
    if len(known.kinds) > 1 and any(kind.wraps == one.range for kind in known.kinds):
        return  # on one path its class wraps as the store does
    if isinstance(node, ast.AugAssign) and isinstance(node.op, _COUNTS) and not one.bits and one.range.hi >= S32_MAX:
        return
    assert isinstance(kind, Storage), "a number is stored there"
    bits, name = (one.bits, f"{one.bits} bits") if one.bits else (kind.bits, kind.plain)
    text = f.quoted(node)
    f.warn(
        "W115",
        f"`{text}` may not fit {name}; {one.what} keeps it mod 2**{bits}",
        node,
        why=f"its value lies in {f.shown(known.range)}",
        help=f"cut it knowingly: {_cut(f, node, one, name)}",
    )


def _cut(f: Translation, node: ast.AST, one: Place, name: str) -> str:
    target = f.quoted(node.target) if isinstance(node, ast.AugAssign) else ""
    value = f.quoted(node)
    if isinstance(node, ast.AugAssign):
        row = BINARY_BY_NODE.get(type(node.op).__name__)  # `**` has none
        value = f"{target} {row.symbol if row is not None else '**'} {f.operand(node.value)}"
    before = f"{target} = " if target else ""
    if one.bits:
        return f"{before}({value}) & {(1 << one.bits) - 1:#x}"
    return f"{before}{name}({value})"
