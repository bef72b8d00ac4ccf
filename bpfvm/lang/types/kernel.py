"""The kernel's own types, as its BTF describes them: `task_struct.pid.offset`, `hasattr(task_struct, "__state")`.

A type is looked into when it is first asked for a field. Members of unnamed structs and unions count as those of what
they stand in, as in C.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.layout import MOST_BYTES, Layout
from bpfvm.lang.types.scalars import Storage, bool8, char, s8, s16, s32, s64, u8, u16, u32, u64
from bpfvm.obj.btf.types import Array, Enum, Enum64, Float, Fwd, Int, Member, Ptr, Struct, TypeTag, Union
from bpfvm.obj.btf.view import TypeView

_NUMBERS: Mapping[tuple[int, bool], Storage] = {
    (one.size, one.is_signed): one for one in (u8, u16, u32, u64, s8, s16, s32, s64)
}


@dataclass(frozen=True, slots=True)
class Field:
    """A member. offset: bytes from the start of its struct. type: what lies there. bits, shift: of a bit-field, its
    part of the number that is stored. index: its place among the members of `inside`, the struct that declares it."""

    name: str
    offset: int
    type: Any
    bits: int = 0
    shift: int = 0

    def part(self, stored: int) -> int:
        """A bit-field's value in the number that is stored."""
        number = stored >> self.shift & ((1 << self.bits) - 1)
        signed = self.type.is_signed and number >> (self.bits - 1)
        return number - (1 << self.bits) if signed else number

    def __repr__(self) -> str:
        bits = f" ({self.bits} bits from {self.shift} on)" if self.bits else ""
        return f"{getattr(self.type, '__name__', self.type)} {self.name} at {self.offset}{bits}"


class Opaque:
    """Something of a known size, and nothing more: a float, a number of 16 bytes, a function."""

    def __init__(self, name: str, size: int) -> None:
        self.__name__, self.__size__ = name, size


class KernelArray:
    """An array of what cannot be a value of a program. __length__: 0 for one whose end nobody knows."""

    def __init__(self, element: Any, length: int) -> None:
        self.__element__, self.__length__ = element, length
        self.__name__ = f"{element.__name__}[{length or ''}]"
        self.__size__ = length * (element.size if isinstance(element, Storage) else element.__size__)


class KernelStruct:
    """A struct or a union of the kernel's. As an annotation it is a pointer to one.

    __types__, __id__: where it is described. __name__: its own, or "(unnamed)".
    """

    def __init__(self, types: TypeView, number: int) -> None:
        one = types[number]
        self.__types__, self.__id__ = types, number
        self.__name__ = getattr(one, "name", "") or "(unnamed)"
        self.__is_union__ = isinstance(one, Union)
        self.__whole__ = not isinstance(one, Fwd)

    def __repr__(self) -> str:
        return f"<{'union' if self.__is_union__ else 'struct'} {self.__name__} of the kernel>"

    @property
    def __size__(self) -> int:
        return self.__types__.size_of(self.__id__) if self.__whole__ else 0

    @property
    def sizeof(self) -> int:
        """Bytes of one."""
        return self.__size__

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The members by name, those of unnamed structs and unions among them."""
        found: dict[str, Field] = {}
        if self.__whole__:
            _collect(self.__types__, self.__id__, 0, found)
        return found

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __getitem__(self, name: str) -> Field:
        field = None if name.startswith("__") and name.endswith("__") else self.fields.get(name)
        if field is None:
            raise AttributeError(f"{self!r} has no field {name!r}")
        return field

    def __dir__(self) -> list[str]:
        return [*self.fields, "fields", "sizeof"]


_structs: dict[tuple[int, int], KernelStruct] = {}
_views: dict[int, TypeView] = {}  # keeps those whose structs are known


def struct_of(types: TypeView, number: int) -> KernelStruct:
    """The struct of an id; one object for each."""
    key = (id(types), number)
    if key not in _structs:
        _views[id(types)] = types
        _structs[key] = KernelStruct(types, number)
    return _structs[key]


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
    from bpfvm.lang.types.pointers import pointer_to

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
    from bpfvm.obj.btf.types import Typedef

    for kind in (Struct, Union, Typedef, Enum, Enum64, Int):
        number = types.find(kind, name)
        if number is not None:
            return type_of(types, number)
    raise UsageError(f"the kernel's types have no {name!r}")
