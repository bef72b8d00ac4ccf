"""Structs of ctypes structures and dataclasses: `struct(T)` reads the layout that T has.

ctypes itself is not imported: a structure's class tells all that is needed.
"""

from __future__ import annotations

import dataclasses
import struct as sizes
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.lang.types.layout import Element
from bpfvm.lang.types.scalars import Storage, be16, be32, be64, bool8, char, s8, s16, s32, s64, u8, u16, u32, u64

# Codes of the struct module, by which ctypes tells its simple types
_UNSIGNED = {1: u8, 2: u16, 4: u32, 8: u64}
_SIGNED = {1: s8, 2: s16, 4: s32, 8: s64}
_BIG = {2: be16, 4: be32, 8: be64}

Placed: TypeAlias = tuple[str, int, Element, int, int]
"""A field: its name, offset in bytes, type; of a bit-field bits and shift."""


def is_ctypes(cls: Any) -> bool:
    """Whether a class is a structure or a union of ctypes."""
    return isinstance(cls, type) and any(
        one.__module__ == "_ctypes" and one.__name__ in ("Structure", "Union") for one in cls.__mro__
    )


def is_foreign(cls: Any) -> bool:
    """Whether it is a class of a ctypes structure or a dataclass: one whose values compute by other rules.

    A frozen dataclass is a constant, and none of those.
    """
    if is_ctypes(cls):
        return True
    return isinstance(cls, type) and dataclasses.is_dataclass(cls) and not cls.__dataclass_params__.frozen  # type: ignore[attr-defined]


def ctypes_members(cls: Any, struct: Callable[[Any], Any]) -> tuple[list[Placed], int, int]:
    """The fields of a ctypes structure or union at their places, its size and its alignment.

    struct: makes a struct of one that stands in it.
    """
    members: list[Placed] = []
    declared: list[Sequence[Any]] = []
    for one in reversed(cls.__mro__):
        declared += vars(one).get("_fields_", ())
    if not declared:
        raise UsageError(f"struct({cls.__name__}): the ctypes structure has no _fields_")
    for name, kind, *width in declared:
        stored, place = _stored(cls, name, kind, struct), getattr(cls, name)
        if width:
            bits, shift = place.size >> 16, place.size & 0xFFFF
            if not isinstance(stored, Storage) or stored.is_big or bits + shift > stored.bits:
                raise UsageError(
                    f"struct({cls.__name__}): ctypes puts bit-field {name} where its type does not hold it"
                )
            members.append((name, place.offset, stored, bits, shift))
        else:
            members.append((name, place.offset, stored, 0, 0))
    own = sys.modules["_ctypes"]  # where the class comes from
    return members, own.sizeof(cls), own.alignment(cls)


def _stored(cls: Any, name: str, kind: Any, struct: Callable[[Any], Any]) -> Element:
    """The type that stores what a ctypes type does."""
    if hasattr(kind, "_length_"):
        return _stored(cls, name, kind._type_, struct)[kind._length_]  # type: ignore[no-any-return]
    if is_ctypes(kind):
        return struct(kind)  # type: ignore[no-any-return]
    code = getattr(kind, "_type_", None)
    big = getattr(kind, "__ctype_be__", None) is kind and code not in ("b", "B", "c", "?")
    if isinstance(code, str) and code in ("BHILQ" if big else "bBhHiIlLqQc?"):
        return _simple(code, big)
    raise UsageError(f"struct({cls.__name__}): field {name} is {an(kind.__name__)}, which no storage type holds")


def _simple(code: str, big: bool) -> Storage:
    if code in "c?":
        return char if code == "c" else bool8
    size = sizes.calcsize(code)
    return _BIG[size] if big else (_SIGNED if code.islower() else _UNSIGNED)[size]


def defaults_of(cls: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """The values that a class gives to its fields, by name."""
    if dataclasses.is_dataclass(cls):
        found = {}
        for one in dataclasses.fields(cls):
            if one.default is not dataclasses.MISSING:
                found[one.name] = one.default
            elif one.default_factory is not dataclasses.MISSING:
                found[one.name] = one.default_factory()
        return found
    return {name: getattr(cls, name) for name in names if hasattr(cls, name)}
