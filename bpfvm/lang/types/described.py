"""What BTF describes, as types of the language: numbers, arrays, pointers, structs of the kernel's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.kernel import Field, KernelArray, KernelStruct, Opaque
from bpfvm.lang.types.layout import MOST_BYTES, Layout
from bpfvm.lang.types.pointers import pointer_to
from bpfvm.lang.types.scalars import Storage, bool8, char, s8, s16, s32, s64, u8, u16, u32, u64
from bpfvm.obj.btf.types import Array, Enum, Enum64, Float, Fwd, Int, Member, Ptr, Struct, Typedef, TypeTag, Union
from bpfvm.obj.btf.view import TypeView

_NUMBERS: Mapping[tuple[int, bool], Storage] = {
    (one.size, one.is_signed): one for one in (u8, u16, u32, u64, s8, s16, s32, s64)
}


_structs: dict[tuple[int, int], KernelStruct] = {}
_views: dict[int, TypeView] = {}  # keeps those whose structs are known


def struct_of(types: TypeView, number: int) -> KernelStruct:
    """The struct of an id; one object for each."""
    key = (id(types), number)
    if key not in _structs:
        _views[id(types)] = types
        _structs[key] = KernelStruct(types, number, _members)
    return _structs[key]


def _members(types: TypeView, number: int) -> Mapping[str, Field]:
    found: dict[str, Field] = {}
    _collect(types, number, 0, found)
    return found


def _collect(types: TypeView, number: int, base: int, found: dict[str, Field]) -> None:
    """The members of a struct that begins at bit `base`."""
    one = types[number]
    assert isinstance(one, Struct | Union), "asked of structs"
    for member in one.members:
        inner = types.strip(member.type)
        if not member.name and inner and isinstance(types[inner], Struct | Union):
            _collect(types, inner, base + member.offset, found)
        elif member.name:
            found.setdefault(member.name, _field(types, member, base + member.offset))


def _field(types: TypeView, member: Member, at: int) -> Field:
    kind = type_of(types, member.type)
    if not member.bits:
        return Field(member.name, at // 8, kind)
    size = types.size_of(member.type)
    start = at // 8 // size * size
    while at + member.bits > 8 * (start + size) and size < 8:  # it crosses the end of its own type's unit
        size *= 2
        start = at // 8 // size * size
    signed = isinstance(kind, Storage) and kind.is_signed
    return Field(member.name, start, _NUMBERS[size, signed], member.bits, at - 8 * start)


def type_of(types: TypeView, number: int) -> Any:
    """What a value of type `number` is to a program."""
    number, tags = _stripped(types, number)
    if not number:
        return Opaque("void", 0)
    one = types[number]
    match one:
        case Struct() | Union() | Fwd():
            return struct_of(types, number)
        case Ptr(target):
            inner, tags = _stripped(types, target)
            return pointer_to("user" if "user" in tags else "kernel", _pointed(types, inner))
        case Array(element, _, count):
            return _array(type_of(types, element), count)
        case Int(size=size) if (size, one.is_signed) in _NUMBERS:
            is_text = one.name == "char" or one.is_char
            return bool8 if one.is_bool else char if is_text and size == 1 else _NUMBERS[size, one.is_signed]
        case Enum(size=size, is_signed=signed) | Enum64(size=size, is_signed=signed):
            return _NUMBERS[size, signed]
        case Int(size=size) | Float(size=size):
            return Opaque(one.name, size)
    return Opaque(types.name_of(number), 0)


def _pointed(types: TypeView, number: int) -> Any:
    """What a pointer's type says of its target, None for void and functions."""
    kind = type_of(types, number) if number else None
    return None if isinstance(kind, Opaque) else kind


def _array(element: Any, count: int) -> Any:
    if isinstance(element, Storage | Layout):
        size = element.size if isinstance(element, Storage) else element.__size__
        if count and size * count <= MOST_BYTES:
            return array_of(element, count)
    return KernelArray(element, count)


def _stripped(types: TypeView, number: int) -> tuple[int, set[str]]:
    """The id behind typedefs and qualifiers, and the type tags among them."""
    tags: set[str] = set()
    target = types.strip(number)
    while number != target:
        one: Any = types[number]
        if isinstance(one, TypeTag):
            tags.add(one.name)
        number = one.type
    return target, tags


def of_name(types: TypeView, name: str) -> KernelStruct | Any:
    """The struct, union, or type that a typedef names. UsageError where there is none."""
    for kind in (Struct, Union, Typedef, Enum, Enum64, Int):
        number = types.find(kind, name)
        if number is not None:
            return type_of(types, number)
    raise UsageError(f"the kernel's types have no {name!r}")
