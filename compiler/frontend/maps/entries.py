"""Entries of maps that the kernel goes through: a key and a value by their addresses."""

from __future__ import annotations

import ast
from dataclasses import replace

from bpfvm.compiler.frontend.memory import construct, place
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import MapValue, Reference, Value
from bpfvm.lang.maps import Keyed
from bpfvm.lang.types.layout import Element


def key(f: Translation, owner: MapValue, address: Register, node: ast.AST) -> Value:
    """A copy of the key: the entry may be gone before the turn ends, and another be there."""
    found = place.read(f, _place(_declared(owner).key, address, "the key", shared=False))
    return construct.copied(f, found, node) if isinstance(found, Reference) else found


def value(f: Translation, owner: MapValue, address: Register) -> Value:
    """The number, or the struct or array itself."""
    declared = _declared(owner)
    one = _place(declared.value, address, "the element", shared=not declared.is_per_cpu)
    return place.read(f, replace(one, at=replace(one.at, home=owner.timed)))


def _place(kind: Element, address: Register, what: str, *, shared: bool) -> Place:
    at = Reference(kind, "map_value", address, shared=shared)  # type: ignore[arg-type]
    return Place(at, kind, what)


def _declared(owner: MapValue) -> Keyed:
    assert isinstance(owner.declared, Keyed), "asked of maps with keys"
    return owner.declared
