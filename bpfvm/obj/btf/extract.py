"""A part of BTF: the types of some names with what lies inside of them. What they only point to is named, not defined.

A struct is there with all of its members or not at all, so that a question has the answer that the whole gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import (
    Array,
    Enum,
    Enum64,
    Func,
    FuncProto,
    Fwd,
    Ptr,
    Struct,
    Type,
    Typedef,
    Union,
    references,
)
from bpfvm.obj.btf.view import TypeView

# The kinds of what is asked for, by the words for them; an "enumerator" is asked for the enum that has it
KINDS: Mapping[str, tuple[type[Type], ...]] = MappingProxyType(
    {"struct": (Struct, Union), "type": (Typedef,), "enum": (Enum, Enum64), "function": (Func,)}
)
ENUMERATOR = "enumerator"


def extract(types: TypeView, wanted: Mapping[str, Iterable[str]]) -> Btf:
    """The types of the names in `wanted`, by the words of KINDS. LoadError for one that is not there."""
    roots = [_found(types, kind, name) for kind, names in wanted.items() for name in names]
    taken = _Extract(types)
    for number in roots:
        taken.mark(number)
    for number in roots:
        taken.take(number)
    return taken.made


class _Extract:
    """One extraction. whole: ids of structs that are taken with their members. known: ids of what was taken, by those
    in the whole BTF."""

    def __init__(self, types: TypeView) -> None:
        self._types, self.made = types, Btf()
        self._whole: set[int] = set()
        self._known: dict[int, int] = {0: 0}

    def mark(self, number: int) -> None:
        """Note the structs that lie inside of a type."""
        one = self._types[number] if number else None
        if one is None or number in self._whole or isinstance(one, Ptr | FuncProto | Func):
            return
        if isinstance(one, Struct | Union):
            self._whole.add(number)
        for inner in references(one):
            self.mark(inner)

    def take(self, number: int) -> int:
        """The id of what stands for type `number`."""
        if number in self._known:
            return self._known[number]
        one = self._types[number]
        if isinstance(one, Struct | Union):
            if one.name and number not in self._whole:
                made = self.made.add(Fwd(one.name, isinstance(one, Union)))
            else:
                return self._struct(number, one)
        else:
            made = self.made.add(_with(one, [self.take(to) for to in references(one)]))
        self._known[number] = made
        return made

    def _struct(self, number: int, one: Struct | Union) -> int:
        self._known[number] = place = self.made.reserve(one.name)
        members = tuple(replace(member, type=self.take(member.type)) for member in one.members)
        self.made.define(place, replace(one, members=members))
        return place


def _found(types: TypeView, kind: str, name: str) -> int:
    for number in range(1, len(types) + 1) if kind == ENUMERATOR else ():
        one = types[number]
        if isinstance(one, Enum | Enum64) and name in dict(one.values):
            return number
    for wanted in KINDS.get(kind, ()):
        found = types.find(wanted, name)
        if found is not None:
            return found
    raise LoadError(f"the BTF has no {kind} {name!r}")


def _with(one: Any, ids: list[int]) -> Any:
    """The type with other ids in the places of its own."""
    if isinstance(one, FuncProto):
        return FuncProto(ids[0], tuple((name, to) for (name, _), to in zip(one.params, ids[1:], strict=True)))
    if isinstance(one, Array):
        return replace(one, type=ids[0], index=ids[1])
    return replace(one, type=ids[0]) if ids else one
