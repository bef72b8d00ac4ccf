"""Names and attributes: local bindings, and the objects around the function captured by value."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import bpfvm
from bpfvm.compiler.frontend.binding import Conflict, Growing, Stale, Unbound
from bpfvm.compiler.frontend.control import held
from bpfvm.compiler.frontend.names.scope import LONG, Unfit, Unknown
from bpfvm.compiler.frontend.numbers import bits
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, INT, Bad, Kind, MapValue, Method, Number, Reference, Static, Value, View
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.articles import an
from bpfvm.lang.functions.capture import MUTABLE
from bpfvm.lang.maps.data import Data, Section
from bpfvm.lang.packets.headers import HEADERS, PACKET, ROOTS
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.layout import View as Memory
from bpfvm.lang.types.layout import align_of
from bpfvm.tables.helpers import BY_NAME as HELPERS


def read(f: Translation, node: ast.Name) -> Value:
    """What the name stands for here."""
    name = f.frame.own(node.id)
    if name == node.id and node.id not in f.scope.local:
        return _outside(f, node)
    bound = f.state.names.get(name, Unbound(always=True))
    match bound:
        case Unbound():
            return _unbound(f, node, bound)
        case Conflict(earlier=True):
            return f.error(
                "E047",
                f"`{node.id}` may be {bound.second.described} that an earlier turn of the loop made",
                node,
                why="an object made in a loop lies where the next turn makes its own",
                help=f"make it before the loop, or bind it again before it is read: {node.id} = ...",
            )
        case Conflict():
            return f.error(
                "E047",
                f"`{node.id}` is {bound.told(' to here')}",
                node,
                why="each use of a name must see one kind of value",
                help="use two names, or return on one of the paths",
            )
        case Growing():
            return _growing(f, node, bound)
        case Stale():
            copied = isinstance(bound.was, Reference) and bound.was.space == "stack"
            return f.error(
                "E034",
                f"`{node.id}` is {bound.was.described} as it {'was' if copied else 'lay'} before the packet was "
                f"{'stored to' if copied else 'moved'}",
                node,
                why="programs with frags have copies of bytes of the packet, which do not change with it"
                if copied
                else "the packet may lie elsewhere since, begin elsewhere, and be shorter",
                help=f"bind it again: {node.id} = pkt...",
            )
    found = f.state.seen(bound)
    if isinstance(found, Reference) and found.base in f.records and not held.is_held(f, f.records[found.base]):
        from bpfvm.compiler.frontend.maps import rings, sockets  # which ask for names

        gone = sockets.gone if found.space == "socket" else rings.gone
        return gone(f, node)
    if isinstance(found, Reference) and found.replaced:
        from bpfvm.compiler.frontend.memory import overwritten  # which asks for names

        f.state.names[name] = overwritten.shown(f, found, node)  # said once
    return found


def _growing(f: Translation, node: ast.Name, bound: Growing) -> Value:
    return f.once(
        bound.said,
        "E040",
        f"`{node.id}` may not fit in 64 bits after some turns of the loop, and it goes on into the next",
        node,
        why="Python integers grow without end, a register holds 64 bits, and nothing in the loop bounds this one",
        help=f"let it wrap: {node.id} = u64({node.id}) before the loop\nor keep it small: {node.id} = ... & 0xffffffff",
    )


def _unbound(f: Translation, node: ast.Name, bound: Unbound) -> Value:
    """E050, said once of a name."""
    if bound.always and node.id in (*f.scope.cells, *f.scope.space):
        f.state.names[node.id] = BAD
        return f.error(
            "E050",
            f"`{node.id}` is a name of this function, and has no value yet",
            node,
            why="it is assigned to in the function, so that Python does not look for it outside: UnboundLocalError",
            help=f"give what is assigned another name; an element of a map is {node.id}[i] += 1",
        )
    way = "has no value yet" if bound.always else "has a value on some paths to here only"
    f.state.names[node.id] = BAD  # said once
    return f.error(
        "E050",
        f"`{node.id}` {way}",
        node,
        why="Python would raise UnboundLocalError here" + ("" if bound.always else " on the other paths"),
        help=f"bind it first: {node.id} = 0",
    )


def _outside(f: Translation, node: ast.Name) -> Value:
    try:
        found = f.scope.lookup(node.id)
    except Unknown as error:
        if node.id != PACKET or f.hook.program_type.layer is None:
            return f.error("E010", str(error), node, help=_meant(f, node.id))
        found = pkt
        f.warn("W101", f"`{PACKET}` is not imported; a program of packets knows it nevertheless", node,
               help=f"from bpfvm import {PACKET}")  # fmt: skip
    return captured(f, found, node.id, node)


# Builtins that a program has a use for.
_BUILTINS = (
    "abs", "all", "any", "bool", "divmod", "enumerate", "int", "len", "max", "min", "range", "reversed", "sum", "zip",
)  # fmt: skip


def _meant(f: Translation, name: str) -> str:
    """What to write for a name that is bound nowhere."""
    if name in bpfvm.__all__:
        return f"from bpfvm import {name}"
    bound = {*f.scope.local, *f.scope.cells, *f.scope.space, *_BUILTINS}
    names = sorted(one for one in bound.union(bpfvm.__all__) if not one.startswith("_"))
    near = difflib.get_close_matches(name, names, 1)
    if not near:
        return "import or define it before the program is compiled"
    return f"did you mean `{near[0]}`?{'' if near[0] in bound else f' from bpfvm import {near[0]}'}"


def captured(f: Translation, found: Any, name: str, node: ast.expr) -> Value:
    """The value of an object of the interpreter, found under `name`."""
    if isinstance(found, float | complex):
        return f.error(
            "E045",
            f"`{name}` is {an(type(found).__name__)}; BPF has no floating point",
            node,
            help="use an int, scaled: 1500 for 1.5 thousandths",
        )
    if isinstance(found, MUTABLE) and not f.copies:
        f.once(
            f.told.setdefault(id(found), []),
            "W113",
            f"`{name}` is {an(type(found).__name__)}, which may change; the program holds what is in it now",
            node,
            help="use a tuple, or a map for what changes",
        )
    if isinstance(found, Memory):
        return in_memory(f, found)
    try:
        if isinstance(found, Data):
            return in_section(f, f.scope.section(found, name))
        value = f.scope.value(found, name)
    except Unfit as error:
        return _unfit(f, name, error, node)
    row = f.hook.program_type
    sees = row.layer is not None and (row.direct or row.context == "__sk_buff")
    if isinstance(value, View) and sees and value.header.name in ROOTS.values():
        return replace(value, header=HEADERS[ROOTS[row.layer or ""]])
    if isinstance(value, View) and not sees:
        return f.error(
            "E011",
            f"`{name}` has no packet here: {an(f.hook.type)} program sees none",
            node,
            help="compile the function for a hook with packets: @bpf.xdp",
        )
    return value


def _unfit(f: Translation, name: str, error: Unfit, node: ast.AST) -> Bad:
    text = f"`{name}` cannot be a constant of a BPF program: {error}"
    return f.error("E045", text, node, help="use an int of at most 64 bits")


def items(f: Translation, found: Collection[Any], node: ast.expr) -> tuple[Value, ...] | None:
    """The items of a list, tuple, set, dict or text that is known; None after an error: E045 for an item that no
    program can have, E063 for more items than are looked at one by one."""
    name = f.quoted(node)
    if len(found) > LONG:
        f.error(
            "E063",
            f"`{name}` has {len(found)} items, and up to {LONG} are looked at one by one",
            node,
            help="a range, where they are one, or a map: Array(u64, n)",
        )
        return None
    try:
        return tuple(f.scope.value(one, name) for one in found)
    except Unfit as error:
        _unfit(f, name, error, node)
        return None


def in_section(f: Translation, owner: MapValue) -> Reference:
    """Global data."""
    declared = owner.declared
    assert isinstance(declared, Section), "scope.section made it"
    f.target.maps[owner.name] = declared.spec(owner.name)
    kind: Any = declared.value
    f.target.layouts[kind] = None
    base = f.builder.op("map_value", type=Ptr("map_value"), named=owner.name)
    return Reference(kind, "map_value", base, fixed=declared.is_fixed, shared=True)


def in_memory(f: Translation, found: Memory) -> Reference:
    """A captured struct or array, as it is now: it can only be read."""
    kind: Any = type(found)
    base, offset = f.constants(bytes(found), align_of(kind))
    return Reference(kind, "map_value", base, offset, fixed=True)


def attribute(f: Translation, owner: Value, node: ast.Attribute) -> Value:
    """`owner.name`."""
    match owner:
        case Bad():
            return BAD
        case Static():
            return of_object(f, owner.object, node)
        case Number(member=member) if member is not None and not hasattr(int, node.attr):
            return of_object(f, member, node)
        case Number() if owner.kinds in ({Kind.ENUM}, {Kind.FLAG}) and node.attr == "value":
            return owner.as_kinds(INT)
        case Number() if node.attr in bits.METHODS or node.attr == "to_bytes":
            return Method(owner, node.attr)
        case Number() if node.attr in bits.ATTRIBUTES:
            fixed = bits.ATTRIBUTES[node.attr]
            return owner.as_kinds(INT) if fixed is None else f.constant(fixed)
    return no_attribute(f, owner, node, _offers(owner, node.attr))


def no_attribute(f: Translation, owner: Value, node: ast.Attribute, offers: str) -> Value:
    """E037, with what there is."""
    return f.error("E037", f"{owner.described} has no attribute `{node.attr}`", f.last_name(node), help=offers)


def _offers(owner: Value, name: str) -> str:
    near = difflib.get_close_matches(name, [one for one in dir(int) if one[0] != "_"], 1)
    if isinstance(owner, Number) and near:
        return f"did you mean `{near[0]}`?"
    if isinstance(owner, Number) and owner.described == "u64":
        return f"is it an address? UserPtr[char](…).str(64), KernelPtr[T](…).{name}"
    if isinstance(owner, MapValue):
        return f"a map offers {owner.name}[i] and {owner.name}.max_entries"
    return "attributes are those of modules, enums, packet headers and the context"


def of_object(f: Translation, owner: Any, node: ast.Attribute) -> Value:
    """An attribute of an object of the interpreter, such as `socket.IPPROTO_UDP`, `Proto.UDP` or `options.port`."""
    try:
        if isinstance(owner, str | bytes | int):  # it never changes
            return captured(f, getattr(owner, node.attr), node.attr, node)
        found = f.scope.attribute(owner, node.attr, ast.unparse(node))
    except Exception as error:  # a module's own __getattr__ may raise anything
        if not isinstance(error, AttributeError):
            text = f"`{f.quoted(node)}` fails with {type(error).__name__}: {error}"
            return f.error("E037", text, f.last_name(node), help="bind the value to a global name before")
        return no_attribute(f, Static(owner), node, _instead(owner, node.attr))
    return captured(f, found, node.attr, node)


def _instead(owner: Any, name: str) -> str:
    """What to write for an attribute that an object lacks: `XDP_PASS` stands beside `bpf`, not in it."""
    if type(owner).__module__.startswith("bpfvm.") and not name.startswith("_") and hasattr(bpfvm, name):
        return f"from bpfvm import {name}"
    if owner is bpfvm.bpf and name.removeprefix("bpf_") in HELPERS:
        return f"the helper of that name is bpf.helper.{name}(...)"
    near = difflib.get_close_matches(name, dir(owner), 1)
    return f"did you mean `{near[0]}`?" if near else "the name is looked up when the program is compiled"


def bind(f: Translation, node: ast.Name, value: Value) -> None:
    """`name = value`."""
    name = f.frame.own(node.id)
    if isinstance(value, Reference):
        _name_object(f, value, node.id)
    if name != node.id or node.id in f.scope.local:
        f.state.names[name] = value
        return
    declared = f.frame.declared_global.get(node.id)
    f.error(
        "E051",
        f"a BPF program cannot rebind `{node.id}` of the module or of an enclosing function",
        node,
        why=f"the program holds what the name was when it was compiled{_as_of_now(f, node.id)}",
        help=f"put it in shared data, which user space reads too:\n@struct\nclass State: {node.id}: u64\n"
        f"g = bpf.data(State)\n...  g.{node.id} = ...",
        notes=[(f"declared here: `{f.quoted(declared)}`", declared)] if declared is not None else (),
    )


def _as_of_now(f: Translation, name: str) -> str:
    try:
        found = f.scope.lookup(name)
    except Unknown:
        return ""
    return f", the constant {found!r:.40}" if isinstance(found, int | str | bytes) else ""


def _name_object(f: Translation, value: Reference, name: str) -> None:
    """A new stack object is called as the first name that it gets, for messages."""
    if value.base.op != "slot" or value.offset:
        return
    slot = f.target.slots[value.base.imm]
    if ":" not in slot.name:
        f.target.slots[value.base.imm] = replace(slot, name=f"{name}:{slot.name}")


def spoil(f: Translation, node: ast.AST) -> None:
    """After an error: every name that `node` would bind has a value, of which nothing more is said."""
    for one in ast.walk(node):
        match one:
            case ast.Name(id=name, ctx=ast.Store()) | ast.ExceptHandler(name=str(name)):
                bound = [name]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound = [name]
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                bound = [alias.asname or alias.name.partition(".")[0] for alias in aliases]
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                bound = [name]
            case _:
                continue
        f.state.names.update(dict.fromkeys(bound, BAD))
