"""What the kernel keeps inside map values for itself: locks, timers, references to its objects, found by BTF.

User space and updates never see or change these bytes; deleting an element clears what stands there. The types are by
name, as the kernel finds them; one that a map's type cannot have makes the kernel refuse the types, not the map, and
then its values are plain data (measured on 6.18 with BPF_MAP_CREATE; kernel_tests/maps/test_map_types_fields.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, Const, DataSec, Ptr, Restrict, Struct, Type, Typedef, TypeTag, Volatile
from bpfvm.obj.btf.view import MAX_DEPTH
from bpfvm.obj.model import MapSpec

DEEPEST = 8  # structures in one another
MOST = 64  # fields of one value

_LOCKED = "hash array cgroup_storage sk_storage inode_storage task_storage cgrp_storage"
_TIMED = "hash lru_hash array"
_HOLDING = f"{_TIMED} percpu_hash percpu_array lru_percpu_hash sk_storage inode_storage task_storage cgrp_storage"

# structure -> what it is; the map types that may hold one
STRUCTS: Mapping[str, str] = {
    "bpf_spin_lock": "lock", "bpf_res_spin_lock": "lock", "bpf_timer": "timer", "bpf_wq": "work",
    "bpf_task_work": "work", "bpf_list_head": "list", "bpf_rb_root": "tree", "bpf_refcount": "count",
}  # fmt: skip
TAGS = frozenset({"kptr_untrusted", "kptr", "percpu_kptr", "uptr"})  # of what a pointer points to
HOLDERS: Mapping[str, frozenset[str]] = {
    "lock": frozenset(_LOCKED.split()), "timer": frozenset(_TIMED.split()), "work": frozenset(_TIMED.split()),
    "list": frozenset(_TIMED.split()), "tree": frozenset(_TIMED.split()), "count": frozenset(_HOLDING.split()),
    "reference": frozenset(_HOLDING.split()), "unfit": frozenset(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """kind: "lock", "timer", "work", "list", "tree", "count", "reference" or "unfit". offset, size: bytes."""

    kind: str
    offset: int
    size: int


def special_fields(spec: MapSpec, btf: Btf | None) -> tuple[Field, ...]:
    """The fields of a map's values that are the kernel's, by offset. Empty where types are not known or not taken."""
    if btf is None or not spec.value_type:
        return ()
    number = btf.strip(spec.value_type)
    if not number or not isinstance(btf[number], Struct | DataSec) or btf.size_of(number) != spec.value_size:
        return ()
    found = sorted(_inside(btf, number, DEEPEST, {}), key=lambda one: one.offset)
    locks = [one for one in found if one.kind == "lock"]
    if len(found) > MOST or len(locks) > 1 or any(spec.type not in HOLDERS[one.kind] for one in found):
        return ()
    if any(one.offset + one.size > other.offset for one, other in pairwise(found)):
        return ()
    return tuple(found)


def _inside(btf: Btf, number: int, depth: int, known: dict[int, list[Field]]) -> list[Field]:
    """Those inside type `number`, at most MOST + 1. known: of types that were asked for before."""
    if number not in known:
        known[number] = []  # of a type inside itself, which only a damaged file has
        known[number] = list(islice(_fields(btf, number, depth, known), MOST + 1))
    return known[number]


def _fields(btf: Btf, number: int, depth: int, known: dict[int, list[Field]]) -> Iterator[Field]:
    one = btf[number]
    if isinstance(one, Struct) and one.name in STRUCTS:
        yield Field(STRUCTS[one.name], 0, one.size)
    elif isinstance(one, Ptr):
        reference = _reference(btf, one.type)
        if reference:
            yield Field(reference, 0, btf.pointer_size)
    elif depth:
        for inner, offset in _members(btf, one):
            kind = btf.strip(inner)
            if kind:
                for field in _inside(btf, kind, depth - 1, known):
                    yield replace(field, offset=field.offset + offset)


def _members(btf: Btf, one: Type) -> Iterator[tuple[int, int]]:
    """(type, offset in bytes) of what `one` is made of; bit-fields are never the kernel's."""
    if isinstance(one, Struct):
        yield from ((member.type, member.offset // 8) for member in one.members if not member.bits)
    elif isinstance(one, DataSec):
        for variable in one.vars:
            yield getattr(btf[variable.type], "type", 0), variable.offset
    elif isinstance(one, Array) and one.count <= MOST:
        size = btf.size_of(one.type)
        yield from ((one.type, index * size) for index in range(one.count))


def _reference(btf: Btf, number: int) -> str:
    """What a pointer to this type is: through qualifiers, one tagged as an object of the kernel's is a "reference", or
    "unfit" where that is no structure with members known; "" without such a tag."""
    tagged = False
    for _ in range(MAX_DEPTH):
        one = btf[number] if number else None
        tagged = tagged or (isinstance(one, TypeTag) and one.name in TAGS)
        if not isinstance(one, Typedef | Const | Volatile | Restrict | TypeTag):
            return "" if not tagged else "reference" if isinstance(one, Struct) else "unfit"
        number = one.type
    return ""
