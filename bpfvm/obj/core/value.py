"""What a CO-RE relocation asks for as a number: of a field, of an enumerator, of a type that has been found.

Bit-fields are read as clang does it: the smallest power of two of bytes, from the declared type's size on, that holds
all bits of the field at a place that is a multiple of it (include/uapi/linux/bpf.h, enum bpf_core_relo_kind; LLVM's
BPFAbstractMemberAccess).
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.core.bits import M32, M64
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.types import Enum, Enum64, Int, Member, Struct, Union
from bpfvm.obj.btf.view import TypeView
from bpfvm.obj.core.access import Access, words

MAX_LOAD = 8  # bytes


@dataclass(frozen=True, slots=True)
class Value:
    """number: unsigned, 64 bits (shifts: 32 bits). is_checked: the instruction must hold it before it is changed.

    size, type: of the field whose offset it is, which a load or store reads or writes whole; 0 for all else.
    """

    number: int
    size: int = 0
    type: int = 0
    is_checked: bool = True


def value_of(types: TypeView, kind: str, access: Access | None, endian: str) -> Value | None:
    """The answer to `kind` about `access`, which is None where these types have no such thing.

    None where there is no answer, so that the instruction must never run. LoadError for what cannot be asked.
    """
    if kind in ("field_exists", "type_exists", "type_matches", "enumval_exists"):
        return Value(int(access is not None))
    if kind in ("type_size", "type_id_target"):
        if access is None:
            return Value(0, is_checked=kind == "type_size")
        return Value(types.size_of(access.root)) if kind == "type_size" else Value(access.root, is_checked=False)
    if access is None:
        return None
    if kind == "type_id_local":  # what links objects renumbers types, and leaves instructions
        return Value(access.root, is_checked=False)
    if kind == "enumval_value":
        one = types[access.steps[0].type]
        assert isinstance(one, Enum | Enum64)
        return Value(one.values[access.steps[0].index][1] & M64)
    last = access.steps[-1]
    if not last.name:
        return _element(types, kind, access)
    holder = types[last.type]
    assert isinstance(holder, Struct | Union)
    return _member(types, kind, access, holder.members[last.index], endian)


def _element(types: TypeView, kind: str, access: Access) -> Value:
    number = access.steps[-1].type
    size = types.size_of(number)
    if kind == "field_byte_offset":
        return Value(access.bit_offset // 8, size, number)
    if kind == "field_byte_size":
        return Value(size)
    raise LoadError(f"{words(types, access)} is an element of an array, which has no {kind}")


def _member(types: TypeView, kind: str, access: Access, member: Member, endian: str) -> Value:
    number = types.strip(member.type)
    bits = member.bits or types.size_of(number) * 8
    size, start = bits // 8, access.bit_offset // 8
    if member.bits:
        size, start = _load_of(types, access, member.bits, types.size_of(number))
    before = access.bit_offset - start * 8  # bits of what is loaded that stand in front of the field
    match kind:
        case "field_byte_offset":
            return Value(start, is_checked=False) if member.bits else Value(start, size, number)
        case "field_byte_size":
            return Value(size, is_checked=not member.bits)
        case "field_signed":
            return Value(int(_is_signed(types, number)))
        case "field_lshift_u64":
            shift = 64 - before - bits if endian == "little" else (8 - size) * 8 + before
            return Value(shift & M32, is_checked=not member.bits)
        case "field_rshift_u64":
            return Value((64 - bits) & M32)
    raise AssertionError(f"no relocation of a field is called {kind}")


def _load_of(types: TypeView, access: Access, bits: int, size: int) -> tuple[int, int]:
    """Size and byte offset of the load that takes all `bits` of a bit-field, whose declared type has `size` bytes."""
    while 0 < size <= MAX_LOAD:
        start = access.bit_offset // 8 // size * size
        if access.bit_offset + bits <= (start + size) * 8:
            return size, start
        size *= 2
    raise LoadError(f"{words(types, access)} is a bit-field of {bits} bits that no load of {MAX_LOAD} bytes holds")


def _is_signed(types: TypeView, number: int) -> bool:
    one = types[number] if number else None
    return isinstance(one, Int | Enum | Enum64) and one.is_signed
