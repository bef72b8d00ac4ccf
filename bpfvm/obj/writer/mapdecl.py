"""Maps declared in BTF as section .maps wants them (see elf/mapdefs.py, which reads the same): what a writer adds.

struct {
    int (*type)[12];  int (*max_entries)[5];  u32 *key;
    struct { … } *values[];     maps inside: what they look like, and behind the struct's own bytes the ones at load
} by_number;
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M32, M64
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import POINTER_SIZE, Btf
from bpfvm.obj.btf.types import STATIC, Const, DataSec, Enum64, FuncProto, Member, SecVar, Struct, Var
from bpfvm.obj.elf.datasec import name_of, section_of
from bpfvm.obj.elf.mapdefs import INNER_SIZE, OF_MAPS, OF_PROGRAMS, SECTION, VALUES, read_map, values_offset
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME

MAX_DEFINITION = 4096  # bytes without the values; each attribute takes 8, and there are fewer than 20
MAX_VALUES = 1 << 16
PINNING = {"": 0, "by_name": 1}  # enum libbpf_pin_type


@dataclass(frozen=True, slots=True)
class Place:
    """Where a map is declared: bytes of section .maps; values: offset of the array of what stands in it at load."""

    offset: int
    size: int
    values: int
    is_static: bool


def declared(maps: Mapping[str, MapSpec]) -> dict[str, MapSpec]:
    """Those of the maps that section .maps declares."""
    return {name: one for name, one in maps.items() if one.section == SECTION}


def declare(btf: Btf, maps: Mapping[str, MapSpec]) -> None:
    """Make section .maps of `btf` declare exactly `maps`. Declarations that say the same already stay as they are."""
    number = btf.find(DataSec, SECTION)
    old = section_of(btf, SECTION)
    known = {name_of(btf, place): place for place in old.vars} if old is not None else {}
    places = [_place(btf, one, known.get(name)) for name, one in maps.items()]
    if old is None or number is None:
        if places:
            btf.add(DataSec(SECTION, *_laid_out(places)))
    elif not places:
        btf.define(number, Const(0))  # ids stay, and a DATASEC without variables is refused by the kernel
    elif {(place.type, place.size) for place in places} != {(place.type, place.size) for place in old.vars}:
        btf.define(number, DataSec(SECTION, *_laid_out(places)))


def _place(btf: Btf, one: MapSpec, known: SecVar | None) -> SecVar:
    if known is not None:
        var = btf[known.type]
        assert isinstance(var, Var)
        if read_map(btf, var) == replace(one, hidden=False, contents=()):
            return replace(known, size=max(known.size, _needed(btf, var, one)))
    _check(one)
    kind = btf.add(_struct(btf, one))
    var = Var(one.name, kind)
    return SecVar(btf.add(var), 0, max(btf.size_of(kind), _needed(btf, var, one)))


def _check(one: MapSpec) -> None:
    if one.type not in BY_NAME:
        raise LoadError(f"map {one.name}: map type {one.type!r} is not known to this version")
    if one.initial is not None:
        raise LoadError(f"map {one.name}: it has initial contents, and section {SECTION} holds none")
    if one.pin not in PINNING:
        raise LoadError(f"map {one.name}: pin is {one.pin!r}, and a file can say {', '.join(map(repr, PINNING))}")
    for what, number, most in (
        ("extra", one.extra, M64),
        ("max_entries", one.max_entries, M32),
        ("flags", one.flags, M32),
        ("numa_node", one.numa_node, M32),
        ("key_size", one.key_size, M32),
        ("value_size", one.value_size, M32),
    ):
        if not 0 <= number <= most:
            raise LoadError(f"map {one.name}: {what} is {number}, and a file holds numbers from 0 to {most}")
    if (one.inner is not None or one.contents) and one.value_size != INNER_SIZE:
        raise LoadError(
            f"map {one.name}: value_size is {one.value_size}, and maps and programs in maps take {INNER_SIZE}"
        )
    if one.inner is not None:
        _check_inner(one, one.inner)


def _check_inner(outer: MapSpec, one: MapSpec) -> None:
    if outer.type not in OF_MAPS:
        raise LoadError(f"map {outer.name}: it has an inner map, and {outer.type} maps hold none")
    if one.name != f"{outer.name}.inner" or one.section != SECTION or one.hidden:
        raise LoadError(f"map {outer.name}: its inner map is {one.name} of {one.section}, wanted {outer.name}.inner")
    if one.inner is not None or one.contents or one.pin:
        raise LoadError(f"map {outer.name}: what is inside can neither hold maps or programs nor be pinned")
    _check(one)


def _struct(btf: Btf, one: MapSpec) -> Struct:
    rows = _members(btf, one)
    members = tuple(Member(name, kind, 8 * POINTER_SIZE * at) for at, (name, kind) in enumerate(rows))
    return Struct("", POINTER_SIZE * (len(rows) - (bool(rows) and rows[-1][0] == "values")), members)


def _members(btf: Btf, one: MapSpec) -> list[tuple[str, int]]:
    """Name and type of each attribute that says something, the values last."""
    numbers = {"type": BY_NAME[one.type].number, "max_entries": one.max_entries, "map_flags": one.flags}
    numbers |= {"numa_node": one.numa_node, "pinning": PINNING[one.pin]}
    numbers["map_extra"] = one.extra if one.extra <= M32 else 0
    members = []
    if one.extra > M32:
        members.append(("map_extra", btf.add(Enum64("", 8, (("extra", one.extra),)))))
    for role, kind, size in (("key", one.key_type, one.key_size), ("value", one.value_type, one.value_size)):
        if not kind:
            numbers[f"{role}_size"] = size
            continue
        if btf.size_of(kind) != size:
            raise LoadError(
                f"map {one.name}: {role}_size is {size}, and {btf.name_of(kind)} has {octets(btf.size_of(kind))}"
            )
        members.append((role, btf.add_ptr(kind)))
    number = btf.add_int("int", 4, is_signed=True)
    said = [(name, btf.add_ptr(btf.add_array(number, count))) for name, count in numbers.items() if count]
    return [*said[:1], *members, *said[1:], *_values(btf, one)]


def _values(btf: Btf, one: MapSpec) -> list[tuple[str, int]]:
    """The array without an end that names what stands in the map: a pointer to an inner map, or to a program."""
    if one.inner is not None:
        target = btf.add(_struct(btf, one.inner))
    elif one.contents and one.type == OF_PROGRAMS:
        target = btf.add(FuncProto(btf.add_int("int", 4, is_signed=True), (("", btf.add_ptr(0)),)))
    elif one.contents:
        raise LoadError(f"map {one.name}: things stand in it at load, and what its inner map looks like is not said")
    else:
        return []
    return [(VALUES, btf.add_array(btf.add_ptr(target), 0))]


def _needed(btf: Btf, var: Var, one: MapSpec) -> int:
    """Bytes of a definition with its values."""
    at = values_offset(btf, var)
    if not one.contents:
        return 0
    if at is None:
        raise LoadError(f"map {one.name}: things stand in it at load, and its declaration has no member `{VALUES}`")
    low, high = min(one.contents)[0], max(one.contents)[0]
    if not 0 <= low <= high < MAX_VALUES:
        raise LoadError(f"map {one.name}: a file says what stands in a map at load up to index {MAX_VALUES - 1}")
    return at + POINTER_SIZE * (high + 1)


def _laid_out(places: list[SecVar]) -> tuple[int, tuple[SecVar, ...]]:
    """One behind the other: the size of the section and the places."""
    out, at = [], 0
    for one in places:
        out.append(replace(one, offset=at))
        at += one.size
    return at, tuple(out)


def layout(btf: Btf) -> dict[str, Place]:
    """Name of each declared map -> its place in section .maps: where BTF puts it, or else one behind the other."""
    section = section_of(btf, SECTION)
    places: dict[str, Place] = {}
    at = 0
    for one in section.vars if section is not None else ():
        var = btf[one.type]
        assert isinstance(var, Var)
        values = values_offset(btf, var)
        if (values or one.size) > MAX_DEFINITION:
            raise LoadError(f"map {var.name}: a definition of {octets(one.size)} has no meaning")
        offset = one.offset if section is not None and section.size else at
        places[var.name] = Place(offset, one.size, values or 0, var.linkage == STATIC)
        at += one.size
    _check_apart(places)
    return places


def _check_apart(places: Mapping[str, Place]) -> None:
    """Whether definitions overlap, or leave more room between them than a definition could take."""
    last, end = "", 0
    for name, one in sorted(places.items(), key=lambda place: place[1].offset):
        if one.offset < end:
            raise LoadError(f"section {SECTION}: BTF gives maps {last} and {name} the same bytes at {one.offset:#x}")
        if one.offset > end + MAX_DEFINITION:
            raise LoadError(f"section {SECTION}: BTF puts map {name} at {one.offset:#x}, far behind all others")
        last, end = name, one.offset + one.size
