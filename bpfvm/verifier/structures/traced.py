"""Programs whose context is a list of arguments that the kernel's types tell: tracepoints, iterators, tables of
functions (tp_btf, iter, struct_ops)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.obj.btf.types import Enum, Enum64, Float, Func, FuncProto, Int, Ptr, Struct, Typedef, Union
from bpfvm.obj.btf.view import TypeView, essential_name
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.sections import Section
from bpfvm.tables.traced import ITERATORS, NULLABLE
from bpfvm.verifier.domain.regs import BUF, OBJECT, READ_ONLY, TRUSTED, Reg, pointer, unknown
from bpfvm.verifier.paths.walk import Traced, Walk
from bpfvm.verifier.structures.types import TypeRef

_MOST = 12  # arguments
TCP = "tcp_congestion_ops"
_ITER = "bpf_iter_"
_TABLES = frozenset({TCP})  # whose arguments were measured


@dataclass(frozen=True, slots=True)
class _Kind:
    prefix: str
    null: bool = False
    buffer: bool = False


def traced_of(spec: ObjectSpec, one: ProgramSpec, section: Section, types: TypeView | None) -> Traced | str:
    """What the program is loaded for; a string for what is not known."""
    if types is None:
        return f"arguments of {one.type} programs (BTF)"
    match one.type, section.attach_type:
        case "tracing", "trace_raw_tp":
            return tracepoint(section.target, types)
        case "tracing", "trace_iter":
            return iterator(section.target, types)
        case "struct_ops", _:
            return _table(spec, one, types)
    return f"arguments of {one.type} programs at {section.attach_type} (BTF)"


def tracepoint(name: str, types: TypeView) -> Traced | str:
    """A tracepoint with types; a string for what is not known."""
    number = types.find(Typedef, f"btf_trace_{name}")
    kind = types[number] if number is not None else None
    proto = _function(types, kind.type) if isinstance(kind, Typedef) else None
    if proto is None:
        return f"tracepoint {name}, which these types do not have"
    return Traced("tracepoint", name, types, tuple(kind for _, kind in proto.params[1:]))


def iterator(name: str, types: TypeView) -> Traced | str:
    """An iterator over objects of the kernel; a string for what is not known."""
    number = types.find(Func, f"{_ITER}{name}")
    kind = types[number] if number is not None else None
    proto = types[kind.type] if isinstance(kind, Func) else None
    if not isinstance(proto, FuncProto) or name not in ITERATORS:
        return f"iterator {name}, whose arguments are not known"
    return Traced("iterator", f"{_ITER}{name}", types, tuple(kind for _, kind in proto.params))


def _table(spec: ObjectSpec, one: ProgramSpec, types: TypeView) -> Traced | str:
    for table in spec.tables.values():
        for offset, program in table.programs:
            local = spec.btf[table.type] if program == one.name and spec.btf is not None else None
            if not isinstance(local, Struct):
                continue
            name = essential_name(local.name)
            member = next((found.name for found in local.members if found.offset == 8 * offset), "")
            return member_of(types, name, member)
    return "a table of functions that the program does not stand in"


def member_of(types: TypeView, table: str, member: str) -> Traced | str:
    """A member of a table of functions; a string for what is not known."""
    number = types.find(Struct, table)
    kind = types[number] if number is not None else None
    if not isinstance(kind, Struct) or table not in _TABLES:
        return f"arguments of {table}"
    found = next((one for one in kind.members if one.name == member), None)
    proto = _function(types, found.type) if found is not None else None
    if proto is None:
        return f"{table}.{member}, which these types do not have"
    return Traced(table, member, types, tuple(kind for _, kind in proto.params), is_void=not types.strip(proto.returns))


def _function(types: TypeView, number: int) -> FuncProto | None:
    kind = types[types.strip(number)] if types.strip(number) else None
    target = types[types.strip(kind.type)] if isinstance(kind, Ptr) and types.strip(kind.type) else None
    return target if isinstance(target, FuncProto) else None


def argument(walk: Walk, off: int, size: int, is_write: bool) -> Reg:
    """A load from the context."""
    traced = walk.setting.traced
    assert traced is not None
    refused = f"invalid bpf_context access off={off} size={size}"
    if not 0 <= off < 8 * _MOST or is_write or off % size:
        walk.refuse(refused)
    if off % 8:
        walk.say(f"func '{traced.name}' offset {off} is not multiple of 8")
        walk.refuse(refused)
    at = off // 8
    if at >= len(traced.params):
        hidden = traced.table == "tracepoint" and at > len(traced.params)
        walk.say(f"func '{traced.name}' doesn't have {at + 1 + hidden}-th argument")
        walk.refuse(refused)
    return _typed(walk, traced, at, size, refused)


def _typed(walk: Walk, traced: Traced, at: int, size: int, refused: str) -> Reg:
    types = traced.types
    number = types.strip(traced.params[at])
    kind = types[number] if number else None
    if isinstance(kind, Int | Enum | Enum64 | Float):
        return unknown()
    if isinstance(kind, Struct | Union):
        walk.undecided("structures as arguments")
    assert isinstance(kind, Ptr)
    target = types.strip(kind.type) if kind.type else 0
    found = types[target] if target else None
    told = _told(traced, at)
    if size != 8 and (told.buffer or isinstance(found, Struct)):
        walk.say(f"func '{traced.name}' size {size} must be 8")
        walk.refuse(refused)
    if told.buffer:
        new = pointer(BUF)
        new.prefix, new.null, new.id = told.prefix, True, walk.new_id()
        return new
    if isinstance(found, FuncProto):
        walk.say(f"func '{traced.name}' arg{at} type FUNC_PROTO is not a struct")
        walk.refuse(refused)
    if not isinstance(found, Struct):
        return unknown()
    if walk.log.level and (traced.table != "iterator" or not at):
        walk.log.add(f"func '{traced.name}' arg{at} has btf_id {target} type STRUCT '{found.name}'")
    new = pointer(OBJECT)
    new.prefix, new.null = told.prefix, told.null
    new.type = TypeRef(types, _promoted(traced, target), kernel=True)
    if new.null:
        new.id = walk.new_id()
    return new


def _promoted(traced: Traced, number: int) -> int:
    """Sockets of TCP's tables are TCP's."""
    if traced.table == TCP and getattr(traced.types[number], "name", "") == "sock":
        return traced.types.find(Struct, "tcp_sock") or number
    return number


def _told(traced: Traced, at: int) -> _Kind:
    """What is known of an argument that is a pointer."""
    if traced.table == "tracepoint":
        return _Kind(TRUSTED, (traced.name, at) in NULLABLE)
    if traced.table != "iterator" or not at:
        return _Kind(TRUSTED)
    words = ITERATORS[traced.name.removeprefix(_ITER)][at - 1]
    if words in ("buf", "rdonly_buf"):
        return _Kind(READ_ONLY if words != "buf" else "", null=True, buffer=True)
    return _Kind(words.removesuffix("null"), words.endswith("null"))
