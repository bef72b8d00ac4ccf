"""The bytes of section .BTF, both ways: one row a kind (Linux Documentation/bpf/btf.rst, include/uapi/linux/btf.h).

header     magic 0xeb9f, version 1, flags, header length, offset and length of types and of strings
a type     name offset, info, size or type id, then what its kind adds
info       kind_flag:1  0:2  kind:5  0:8  vlen:16
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M32, signed
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
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
    references,
)
from bpfvm.obj.cursor import Bytes, Strings, StringTable

MAGIC, VERSION, HEADER = 0xEB9F, 1, 24
MAX_VLEN = 0xFFFF
SIGNED, CHAR, BOOL = 1, 2, 4  # encoding of integers


@dataclass(frozen=True, slots=True)
class Head:
    """The 12 bytes that all kinds begin with. third: a size or a type id. rows: what follows, as read by the row."""

    name: str
    flag: bool
    third: int
    rows: list[tuple[int, ...]]
    text: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Body:
    """What a type is written as: vlen, kind flag, size or type id, and the numbers that follow."""

    third: int = 0
    rows: tuple[tuple[int, ...], ...] = ()
    vlen: int = 0
    flag: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. layout: of a row that follows the head. counted: whether vlen says how many, else one (or none)."""

    number: int
    type: type[Type]
    layout: str
    counted: bool
    read: Callable[[Head], Type]
    write: Callable[[Type, Callable[[str], int]], Body]


def _read_int(head: Head) -> Int:
    ((word,),) = head.rows
    code = word >> 24 & 15
    return Int(
        head.name,
        head.third,
        word & 0xFF,
        word >> 16 & 0xFF,
        bool(code & SIGNED),
        bool(code & CHAR),
        bool(code & BOOL),
    )


def _write_int(one: Type, add: Callable[[str], int]) -> Body:
    assert isinstance(one, Int)
    code = SIGNED * one.is_signed | CHAR * one.is_char | BOOL * one.is_bool
    return Body(one.size, ((code << 24 | one.bit_offset << 16 | one.bits,),))


def _read_members(head: Head) -> tuple[Member, ...]:
    if not head.flag:
        return tuple(Member(head.text(name), kind, offset) for name, kind, offset in head.rows)
    return tuple(Member(head.text(name), kind, word & 0xFFFFFF, word >> 24) for name, kind, word in head.rows)


def _write_members(one: Type, add: Callable[[str], int]) -> Body:
    assert isinstance(one, Struct | Union)
    flag = any(member.bits for member in one.members)
    if flag and any(member.offset > 0xFFFFFF for member in one.members):
        raise LoadError(f"struct {one.name}: BTF holds offsets up to 2 MiB in structs that have bit-fields")
    rows = tuple((add(m.name), m.type, m.bits << 24 | m.offset) for m in one.members)
    return Body(one.size, rows, len(rows), flag)


def _read_values(head: Head, bits: int) -> tuple[tuple[str, int], ...]:
    values = []
    for name, *words in head.rows:
        number = sum(word << 32 * place for place, word in enumerate(words))
        values.append((head.text(name), signed(number, bits) if head.flag else number))
    return tuple(values)


def _write_values(one: Type, add: Callable[[str], int]) -> Body:
    assert isinstance(one, Enum | Enum64)
    words = 1 if isinstance(one, Enum) else 2
    rows = []
    for name, number in one.values:
        rows.append((add(name), *((number >> 32 * place) & M32 for place in range(words))))
    return Body(one.size, tuple(rows), len(rows), one.is_signed)


def _write_proto(one: Type, add: Callable[[str], int]) -> Body:
    assert isinstance(one, FuncProto)
    return Body(
        one.returns,
        tuple((add(name), kind) for name, kind in one.params),
        len(one.params),
    )


def _read_array(head: Head) -> Array:
    ((element, index, count),) = head.rows
    return Array(element, index, count)


def _write_array(one: Type, add: Callable[[str], int]) -> Body:
    assert isinstance(one, Array)
    return Body(0, ((one.type, one.index, one.count),))


def _write_datasec(one: Type, add: Callable[[str], int]) -> Body:
    assert isinstance(one, DataSec)
    return Body(one.size, tuple((v.type, v.offset, v.size) for v in one.vars), len(one.vars))


def _write_third(one: Type, add: Callable[[str], int]) -> Body:
    """The kinds that have nothing but a size or a type id."""
    match one:
        case Float(size=third) | Typedef(type=third) | Ptr(third) | Const(third) | Volatile(third) | Restrict(third):
            return Body(third)
        case TypeTag(_, third, flag):
            return Body(third, flag=flag)
        case Func(_, third, linkage):
            return Body(third, vlen=linkage)
        case Var(_, third, linkage):
            return Body(third, ((linkage,),))
        case DeclTag(_, third, component, flag):
            return Body(third, ((component & M32,),), flag=flag)
        case Fwd(_, is_union):
            return Body(flag=is_union)
        case _:
            raise AssertionError(one)


def _read_linkage(head: Head) -> Var:
    return Var(head.name, head.third, head.rows[0][0])


def _read_datasec(head: Head) -> DataSec:
    return DataSec(head.name, head.third, tuple(SecVar(*row) for row in head.rows))


def _read_decl_tag(head: Head) -> DeclTag:
    return DeclTag(head.name, head.third, signed(head.rows[0][0], 32), head.flag)


def _read_proto(head: Head) -> FuncProto:
    return FuncProto(head.third, tuple((head.text(name), kind) for name, kind in head.rows))


# Func is the one kind whose vlen is no count; its reader gets it as the row (linkage,).
KINDS: tuple[Kind, ...] = (
    Kind(1, Int, "I", False, _read_int, _write_int),
    Kind(2, Ptr, "", False, lambda h: Ptr(h.third), _write_third),
    Kind(3, Array, "III", False, _read_array, _write_array),
    Kind(
        4,
        Struct,
        "III",
        True,
        lambda h: Struct(h.name, h.third, _read_members(h)),
        _write_members,
    ),
    Kind(
        5,
        Union,
        "III",
        True,
        lambda h: Union(h.name, h.third, _read_members(h)),
        _write_members,
    ),
    Kind(
        6,
        Enum,
        "II",
        True,
        lambda h: Enum(h.name, h.third, _read_values(h, 32), h.flag),
        _write_values,
    ),
    Kind(7, Fwd, "", False, lambda h: Fwd(h.name, h.flag), _write_third),
    Kind(8, Typedef, "", False, lambda h: Typedef(h.name, h.third), _write_third),
    Kind(9, Volatile, "", False, lambda h: Volatile(h.third), _write_third),
    Kind(10, Const, "", False, lambda h: Const(h.third), _write_third),
    Kind(11, Restrict, "", False, lambda h: Restrict(h.third), _write_third),
    Kind(12, Func, "", False, lambda h: Func(h.name, h.third, h.rows[0][0]), _write_third),
    Kind(13, FuncProto, "II", True, _read_proto, _write_proto),
    Kind(14, Var, "I", False, _read_linkage, _write_third),
    Kind(15, DataSec, "III", True, _read_datasec, _write_datasec),
    Kind(16, Float, "", False, lambda h: Float(h.name, h.third), _write_third),
    Kind(17, DeclTag, "I", False, _read_decl_tag, _write_third),
    Kind(18, TypeTag, "", False, lambda h: TypeTag(h.name, h.third, h.flag), _write_third),
    Kind(
        19,
        Enum64,
        "III",
        True,
        lambda h: Enum64(h.name, h.third, _read_values(h, 64), h.flag),
        _write_values,
    ),
)
BY_NUMBER: Mapping[int, Kind] = {row.number: row for row in KINDS}
BY_TYPE: Mapping[type[Type], Kind] = {row.type: row for row in KINDS}


def split(section: Bytes) -> tuple[Bytes, Bytes]:
    """The types and the strings of a .BTF section."""
    magic, version, _, header, type_at, type_size, string_at, string_size = section.unpack("HBBIIIII", 0, "the header")
    if magic != MAGIC:
        raise section.error(0, f"magic {magic:#06x}, and BTF in this byte order begins with {MAGIC:#06x}")
    if version != VERSION or header < HEADER:
        raise section.error(2, f"version {version} with a header of {octets(header)}; version {VERSION} has {HEADER}")
    strings = section.part(header + string_at, string_size, f"{section.name} strings")
    return section.part(header + type_at, type_size, f"{section.name} types"), strings


def decode(section: Bytes) -> tuple[Btf, Strings]:
    """The types of a .BTF section and its strings, which .BTF.ext uses too. Every id in them is in the list."""
    part, table = split(section)
    strings = Strings(table)
    types: list[Type] = []
    at = 0
    while at < len(part):
        one, at = decode_one(part, at, strings.at)
        types.append(one)
    for number, one in enumerate(types, 1):
        check_ids(one, number, len(types), section.name)
    return Btf(types), strings


def decode_one(part: Bytes, at: int, text: Callable[[int], str]) -> tuple[Type, int]:
    """The type at byte `at` of a section's types, and where the next one begins. text: the string at an offset."""
    name, info, third = part.unpack("III", at, "a type")
    kind = BY_NUMBER.get(info >> 24 & 31)
    if kind is None:
        raise part.error(at, unknown_kind(info >> 24 & 31))
    vlen = info & MAX_VLEN
    count = vlen if kind.counted else 1
    rows: list[tuple[int, ...]] = [(vlen,)]
    if kind.layout:
        rows = part.table(kind.layout, at + 12, count, kind.type.__name__)
    one = kind.read(Head(text(name), bool(info >> 31), third, rows, text))
    return one, at + 12 + 4 * len(kind.layout) * count


def unknown_kind(number: int) -> str:
    """The reason to refuse a type of kind `number`."""
    return f"unknown kind {number}; known are 1 to {len(KINDS)}"


def check_ids(one: Type, number: int, last: int, name: str) -> None:
    """LoadError where type `number` of section `name` names one behind `last`."""
    worst = max(references(one), default=0)
    if worst > last:
        raise LoadError(f"{name}: type {number} names type {worst}, and there are {last}")


def encode(btf: Btf, strings: StringTable, endian: str) -> bytes:
    """The bytes of section .BTF. `strings` may hold more than the types' own: whoever shares them adds them before."""
    order = "<" if endian == "little" else ">"
    out = bytearray()
    for number, one in enumerate(btf, 1):
        if max(references(one), default=0) > len(btf):
            raise LoadError(f"BTF type {number} names a type that is not there: {one}")
        try:
            out += _encode_one(one, strings, order)
        except struct.error:
            raise LoadError(f"BTF type {number} has a number that does not fit: {one}") from None
    text = bytes(strings)
    head = struct.pack(order + "HBBIIIII", MAGIC, VERSION, 0, HEADER, 0, len(out), len(out), len(text))
    return head + bytes(out) + text


def _encode_one(one: Type, strings: StringTable, order: str) -> bytes:
    kind = BY_TYPE[type(one)]
    body = kind.write(one, strings.add)
    if body.vlen > MAX_VLEN:
        raise LoadError(f"a BTF {kind.type.__name__} holds at most {MAX_VLEN} rows, and {one} has {body.vlen}")
    info = kind.number << 24 | body.vlen | body.flag << 31
    name = strings.add(getattr(one, "name", ""))
    rows = b"".join(struct.pack(order + kind.layout, *row) for row in body.rows)
    return struct.pack(order + "III", name, info, body.third) + rows
