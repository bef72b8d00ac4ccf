"""The kinds of BTF types as plain data (Linux Documentation/bpf/btf.rst; include/uapi/linux/btf.h).

A field called `type` (and `index`, `returns`) is a type id: the 1-based place in the object's list, 0 for void.
Names are "" where a type has none. Offsets of members are bits, as in BTF; everything else is bytes. Kinds of equal
fields have them of one class, which is none itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

STATIC, GLOBAL, EXTERN = range(3)  # linkage of functions and variables


@dataclass(frozen=True, slots=True)
class Int:
    """An integer. bits, bit_offset: the bits in use, for bit-fields of old compilers."""

    name: str
    size: int
    bits: int
    bit_offset: int = 0
    is_signed: bool = False
    is_char: bool = False
    is_bool: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """What says only which type it is about."""

    type: int


class Ptr(Reference):
    """A pointer to the type."""

    __slots__ = ()


class Volatile(Reference):
    """The type with C's volatile."""

    __slots__ = ()


class Const(Reference):
    """The type with C's const."""

    __slots__ = ()


class Restrict(Reference):
    """The type, of a pointer, with C's restrict."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Array:
    """`count` elements of `type`; index: the integer type that counts them."""

    type: int
    index: int
    count: int


@dataclass(frozen=True, slots=True)
class Member:
    """offset: bits from the start of the struct. bits: width of a bit-field, 0 for a plain member."""

    name: str
    type: int
    offset: int
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Composite:
    """What has members."""

    name: str
    size: int
    members: tuple[Member, ...]


class Struct(Composite):
    """Members one behind the other."""

    __slots__ = ()


class Union(Composite):
    """Members at one place."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Enumeration:
    """values: (name, number) in order."""

    name: str
    size: int
    values: tuple[tuple[str, int], ...]
    is_signed: bool = False


class Enum(Enumeration):
    """Its numbers have 32 bits."""

    __slots__ = ()


class Enum64(Enumeration):
    """Its numbers have 64 bits."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Fwd:
    """A struct or union that is named and not defined."""

    name: str
    is_union: bool = False


@dataclass(frozen=True, slots=True)
class Typedef:
    """Another name of a type."""

    name: str
    type: int


@dataclass(frozen=True, slots=True)
class Linkable:
    """What other objects may name; linkage: STATIC, GLOBAL or EXTERN."""

    name: str
    type: int
    linkage: int = GLOBAL


class Func(Linkable):
    """A function; type: its FuncProto."""

    __slots__ = ()


class Var(Linkable):
    """A variable outside of functions."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FuncProto:
    """params: (name, type id) in order; a last one of ("", 0) means more arguments."""

    returns: int
    params: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SecVar:
    """Where the Var `type` stands in its section. clang leaves offset 0; the symbol table has the place."""

    type: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class DataSec:
    """A section of variables; size 0 as clang writes it, the section header has the size."""

    name: str
    size: int
    vars: tuple[SecVar, ...]


@dataclass(frozen=True, slots=True)
class Float:
    """A floating-point number."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class DeclTag:
    """A tag on a declaration; component: the member or parameter it stands on, -1 for the whole."""

    name: str
    type: int
    component: int = -1
    is_attribute: bool = False


@dataclass(frozen=True, slots=True)
class TypeTag:
    """A tag on a type that is pointed to."""

    name: str
    type: int
    is_attribute: bool = False


Type: TypeAlias = (
    Int | Ptr | Array | Struct | Union | Enum | Fwd | Typedef | Volatile | Const | Restrict | Func | FuncProto | Var
    | DataSec | Float | DeclTag | TypeTag | Enum64
)  # fmt: skip


def references(one: Type) -> tuple[int, ...]:
    """The ids of the types that `one` names, in order."""
    match one:
        case Int() | Enum() | Enum64() | Fwd() | Float():
            return ()
        case Array(element, index):
            return (element, index)
        case Struct(members=members) | Union(members=members):
            return tuple(member.type for member in members)
        case FuncProto(returns, params):
            return (returns, *(kind for _, kind in params))
        case DataSec(vars=variables):
            return tuple(variable.type for variable in variables)
        case _:
            return (one.type,)
