"""Maps as section .maps declares them, both ways: a BTF struct whose members' types hold the map's attributes.

    struct {
        int (*type)[2];             a number n is a pointer to an array of n
        u32 *key;  u64 *value;      a type is a pointer to it
        int (*max_entries)[256];
    } hits;

(libbpf's __uint and __type macros, tools/lib/bpf/bpf_helpers.h; the struct's own bytes in the section stay 0.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bpfvm.core.bits import M32
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf import POINTER_SIZE, Btf
from bpfvm.obj.btf_types import Array, DataSec, Member, Ptr, SecVar, Struct, Var
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME, BY_NUMBER

SECTION = ".maps"
MAX_DEFINITION = 4096  # bytes; each attribute takes 8, and there are fewer than 20
_NUMBERS = ("type", "key_size", "value_size", "max_entries", "map_flags")
_TYPES = ("key", "value")


def read_maps(btf: Btf) -> dict[str, MapSpec]:
    """The maps that the BTF declares in section .maps, by name, in its order."""
    number = btf.find(DataSec, SECTION)
    if number is None:
        return {}
    section = btf[number]
    assert isinstance(section, DataSec)
    found: dict[str, MapSpec] = {}
    for place in section.vars:
        var = btf[place.type]
        if not isinstance(var, Var):
            raise LoadError(f"{SECTION}: BTF type {place.type} is a {type(var).__name__}, not a variable")
        if var.name in found:
            raise LoadError(f"{SECTION}: two maps are called {var.name}")
        found[var.name] = _read_map(btf, var)
    return found


def _read_map(btf: Btf, var: Var) -> MapSpec:
    kind = btf.strip(var.type)
    definition = btf[kind] if kind else None
    if not isinstance(definition, Struct):
        raise LoadError(f"map {var.name}: its BTF type is {btf.name_of(var.type)}, not a struct")
    numbers, types = _attributes(btf, var.name, definition)
    row = BY_NUMBER.get(numbers["type"])
    if row is None:
        known = ", ".join(f"{one.number} ({one.name})" for one in BY_NUMBER.values())
        raise LoadError(f"map {var.name}: map type {numbers['type']} is not known to this version; known: {known}")
    return MapSpec(
        name=var.name,
        type=row.name,
        key_size=_size(btf, var.name, "key", types["key"], numbers["key_size"]),
        value_size=_size(btf, var.name, "value", types["value"], numbers["value_size"]),
        max_entries=numbers["max_entries"],
        flags=numbers["map_flags"],
        key_type=types["key"],
        value_type=types["value"],
    )


def _attributes(btf: Btf, name: str, definition: Struct) -> tuple[dict[str, int], dict[str, int]]:
    numbers, types = dict.fromkeys(_NUMBERS, 0), dict.fromkeys(_TYPES, 0)
    for member in definition.members:
        pointer = btf.strip(member.type)
        target = btf[pointer] if pointer else None
        if not isinstance(target, Ptr):
            raise LoadError(f"map {name}: member {member.name!r} is {btf.name_of(member.type)}, not a pointer")
        if member.name in numbers:
            inner = btf.strip(target.type)
            array = btf[inner] if inner else None
            if not isinstance(array, Array):
                raise LoadError(f"map {name}: {member.name} points to {btf.name_of(target.type)}, not to an array")
            numbers[member.name] = array.count
        elif member.name in types:
            types[member.name] = target.type
        else:
            raise LoadError(f"map {name}: attribute {member.name!r} is not read in this version")
    return numbers, types


def _size(btf: Btf, name: str, role: str, kind: int, given: int) -> int:
    """Bytes of the key or value, told by its type, by a number, or by both when they agree."""
    if not kind:
        return given
    size = btf.size_of(kind)
    if size > M32:
        raise LoadError(f"map {name}: a {role} of {size} bytes is more than the kernel can be told ({M32})")
    if given not in (0, size):
        raise LoadError(f"map {name}: {role}_size is {given}, and {btf.name_of(kind)} has {size} bytes")
    return size


def declare(btf: Btf, maps: Mapping[str, MapSpec]) -> None:
    """Make `btf` declare exactly `maps`. Declarations that say the same already stay as they are."""
    number = btf.find(DataSec, SECTION)
    old = btf[number] if number is not None else None
    known = {_name(btf, place.type): place for place in old.vars} if isinstance(old, DataSec) else {}
    places = [_place(btf, one, known.get(name)) for name, one in maps.items()]
    if old is None:
        if places:
            btf.add(DataSec(SECTION, *_laid_out(places)))
    elif {place.type for place in places} != {place.type for place in known.values()}:
        assert number is not None
        btf.define(number, DataSec(SECTION, *_laid_out(places)))


def _name(btf: Btf, number: int) -> str:
    var = btf[number]
    return var.name if isinstance(var, Var) else ""


def _place(btf: Btf, one: MapSpec, known: SecVar | None) -> SecVar:
    if known is not None:
        var = btf[known.type]
        assert isinstance(var, Var)
        if _read_map(btf, var) == replace(one, hidden=False):
            return known
    members = [Member(name, kind, 8 * POINTER_SIZE * at) for at, (name, kind) in enumerate(_members(btf, one))]
    size = POINTER_SIZE * len(members)
    return SecVar(btf.add(Var(one.name, btf.add(Struct("", size, tuple(members))))), 0, size)


def _members(btf: Btf, one: MapSpec) -> list[tuple[str, int]]:
    """Name and pointer type of each attribute that says something."""
    row = BY_NAME.get(one.type)
    if row is None:
        raise LoadError(f"map {one.name}: map type {one.type!r} is not known to this version")
    numbers = {"type": row.number, "max_entries": one.max_entries, "map_flags": one.flags}
    members = []
    for role, kind, size in (("key", one.key_type, one.key_size), ("value", one.value_type, one.value_size)):
        if not kind:
            numbers[f"{role}_size"] = size
            continue
        if btf.size_of(kind) != size:
            raise LoadError(
                f"map {one.name}: {role}_size is {size}, and {btf.name_of(kind)} has {btf.size_of(kind)} bytes"
            )
        members.append((role, btf.add_ptr(kind)))
    number = btf.add_int("int", 4, is_signed=True)
    said = [(name, btf.add_ptr(btf.add_array(number, count))) for name, count in numbers.items() if count]
    return [*said[:1], *members, *said[1:]]


def _laid_out(places: list[SecVar]) -> tuple[int, tuple[SecVar, ...]]:
    """One behind the other: the size of the section and the places."""
    placed, at = [], 0
    for one in places:
        placed.append(SecVar(one.type, at, one.size))
        at += one.size
    return at, tuple(placed)


def layout(btf: Btf) -> dict[str, tuple[int, int]]:
    """Name of each declared map -> its offset and size in section .maps, one behind the other."""
    number = btf.find(DataSec, SECTION)
    section = btf[number] if number is not None else None
    places: dict[str, tuple[int, int]] = {}
    at = 0
    for place in section.vars if isinstance(section, DataSec) else ():
        if place.size > MAX_DEFINITION:
            raise LoadError(f"map {_name(btf, place.type)}: a definition of {place.size} bytes has no meaning")
        places[_name(btf, place.type)] = (at, place.size)
        at += place.size
    return places
