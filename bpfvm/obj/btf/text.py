"""BTF as text, a line a type, as `bpftool btf dump … format raw` prints it.

[2] STRUCT 'inner' size=12 vlen=2
        'port' type_id=3 bits_offset=0
        'low' type_id=4 bits_offset=16 bitfield_size=5
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.types import (
    Array,
    Const,
    DataSec,
    DeclTag,
    Enum,
    Enum64,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Member,
    Ptr,
    Restrict,
    SecVar,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Union,
    Var,
    Volatile,
)
from bpfvm.obj.btf.view import TypeView

_LINKAGE = ("static", "global", "extern")
_TYPE_ID: dict[type[Type], str] = {
    Ptr: "PTR",
    Const: "CONST",
    Volatile: "VOLATILE",
    Restrict: "RESTRICT",
    Typedef: "TYPEDEF",
    TypeTag: "TYPE_TAG",
}


def raw(types: TypeView, first: int = 1) -> Iterator[str]:
    """The lines of the types from id `first` on, without line ends."""
    for number in range(first, len(types) + 1):
        one = types[number]
        name = _quoted(getattr(one, "name", ""))
        kind, rest = _head(one)
        yield f"[{number}] {kind} {name} {rest}"
        yield from _rows(types, one)


def _quoted(name: str) -> str:
    return f"'{name or '(anon)'}'"


def _head(one: Type) -> tuple[str, str]:
    """The name of the kind, and what stands behind the type's own name."""
    match one:
        case Int(size=size, bits=bits, bit_offset=offset):
            return "INT", f"size={size} bits_offset={offset} nr_bits={bits} encoding={_encoding(one)}"
        case Array(element, index, count):
            return "ARRAY", f"type_id={element} index_type_id={index} nr_elems={count}"
        case Struct(_, size, members):
            return "STRUCT", f"size={size} vlen={len(members)}"
        case Union(_, size, members):
            return "UNION", f"size={size} vlen={len(members)}"
        case Enum(_, size, values, is_signed) | Enum64(_, size, values, is_signed):
            encoding = "SIGNED" if is_signed else "UNSIGNED"
            return type(one).__name__.upper(), f"encoding={encoding} size={size} vlen={len(values)}"
        case Fwd(_, is_union):
            return "FWD", f"fwd_kind={'union' if is_union else 'struct'}"
        case FuncProto(returns, params):
            return "FUNC_PROTO", f"ret_type_id={returns} vlen={len(params)}"
        case DataSec(_, size, variables):
            return "DATASEC", f"size={size} vlen={len(variables)}"
        case Float(_, size):
            return "FLOAT", f"size={size}"
        case _:
            return _typed_head(one)


def _typed_head(one: Func | Var | DeclTag | Ptr | Const | Volatile | Restrict | Typedef | TypeTag) -> tuple[str, str]:
    """The same of a type that names another."""
    match one:
        case Func(_, kind, linkage):
            return "FUNC", f"type_id={kind} linkage={_linkage(linkage)}"
        case Var(_, kind, linkage):
            return "VAR", f"type_id={kind}, linkage={_linkage(linkage)}"
        case DeclTag(_, kind, component):
            return "DECL_TAG", f"type_id={kind} component_idx={component}"
        case _:
            return _TYPE_ID[type(one)], f"type_id={one.type}"


def _encoding(one: Int) -> str:
    """Only one bit is expected of the three."""
    bits = [
        name for name, is_set in (("SIGNED", one.is_signed), ("CHAR", one.is_char), ("BOOL", one.is_bool)) if is_set
    ]
    return "UNKN" if len(bits) > 1 else bits[0] if bits else "(none)"


def _linkage(number: int) -> str:
    return _LINKAGE[number] if number < len(_LINKAGE) else "(unknown)"


def _rows(types: TypeView, one: Type) -> Iterator[str]:
    match one:
        case Struct(members=members) | Union(members=members):
            yield from map(_member, members)
        case Enum(values=values):
            yield from (f"\t{_quoted(name)} val={number}" for name, number in values)
        case Enum64(values=values, is_signed=is_signed):
            yield from (f"\t{_quoted(name)} val={number}{'LL' if is_signed else 'ULL'}" for name, number in values)
        case FuncProto(params=params):
            yield from (f"\t{_quoted(name)} type_id={kind}" for name, kind in params)
        case DataSec(vars=variables):
            yield from _variables(types, variables)


def _member(one: Member) -> str:
    width = f" bitfield_size={one.bits}" if one.bits else ""
    return f"\t{_quoted(one.name)} type_id={one.type} bits_offset={one.offset}{width}"


def _variables(types: TypeView, variables: Sequence[SecVar]) -> Iterator[str]:
    for one in variables:
        try:
            there = types[one.type]
        except LoadError:  # void; bpftool prints no name either
            there = None
        kind = "VAR" if isinstance(there, Var) else "FUNC" if isinstance(there, Func) else ""
        name = f" ({kind} {_quoted(getattr(there, 'name', ''))})" if kind else ""
        yield f"\ttype_id={one.type} offset={one.offset} size={one.size}{name}"
