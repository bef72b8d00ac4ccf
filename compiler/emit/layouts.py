"""Structs and arrays in BTF, so that tools show what lies in memory by the names of its fields."""

from __future__ import annotations

from typing import Any

from bpfvm.compiler.emit.functions import storage
from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.layout import Layout, size_of
from bpfvm.lang.types.scalars import Storage, bool8, char
from bpfvm.lang.types.structs import StructType
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Member, SecVar


def stored(btf: Btf, kind: Any) -> int:
    """The type of a number, a struct or an array."""
    if kind is char:
        return btf.add_int("char", 1, is_signed=True)  # as compilers write it
    if kind is bool8:
        return btf.add_int("_Bool", 1, is_bool=True)
    if isinstance(kind, Storage):
        return storage(btf, kind)
    if isinstance(kind, ArrayType):
        return btf.add_array(stored(btf, kind.__element__), kind.__length__)
    assert isinstance(kind, StructType), "these are all types of memory"
    members = [
        Member(one.name, stored(btf, one.type), 8 * one.offset + one.shift, one.bits)
        for one in kind.__members__.values()
    ]
    return btf.add_struct(kind.__name__, kind.__size__, members)


def section(btf: Btf, name: str, variable: str, kind: Any) -> int:
    """The DATASEC of a section that holds one variable."""
    size = size_of(kind)
    return btf.add_datasec(name, size, [SecVar(btf.add_var(variable, stored(btf, kind)), 0, size)])


def declare(btf: Btf, kinds: dict[Layout, None]) -> None:
    """All structs that a program makes, with those inside of them."""
    for kind in kinds:
        element: Any = kind
        while isinstance(element, ArrayType):
            element = element.__element__
        if isinstance(element, StructType):
            stored(btf, element)
