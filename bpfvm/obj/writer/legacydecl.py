"""Maps of sections "maps", "maps/NAME" and "NAME/maps" to be written (reader/legacy_maps.py: read), in the least size.

Inner maps and programs that stand in a map at load are told by numbers that name maps (ids): the definition of 36 bytes
has them. A prog array's id comes from the sections of its programs, "ID/INDEX"; others are free numbers.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.elf import datasec
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import BY_NAME, FLAGS

SECTION = "maps"
SHORT, NUMA, LONG, LONGEST = 20, 28, 36, 4096  # bytes of a definition
_NO_INDEX = 0xFFFF_FFFF
_PINNED = 2  # PIN_GLOBAL_NS of iproute2; readers take any number but 0
_TAIL = re.compile(r"(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})/(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class Definitions:
    """One section's bytes. places: name of a map -> offset and size of its definition."""

    section: str
    data: bytes
    places: Mapping[str, tuple[int, int]]


@dataclass(slots=True)
class _Numbers:
    """What a long definition says behind its flags."""

    id: int = 0
    inner_id: int = 0
    inner_index: int = _NO_INDEX


@dataclass(slots=True)
class _Ids:
    """The numbers of all maps, by name. used: ids that are taken, or that a section's name would fill."""

    numbers: dict[str, _Numbers] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    def of(self, name: str) -> _Numbers:
        return self.numbers.setdefault(name, _Numbers())

    def free(self) -> int:
        number = next(number for number in range(1, len(self.used) + 2) if number not in self.used)
        self.used.add(number)
        return number


def is_legacy(section: str) -> bool:
    """Whether maps of this section are declared in the old way."""
    return section == SECTION or section.startswith(f"{SECTION}/") or section.endswith(f"/{SECTION}")


def definitions(spec: ObjectSpec) -> list[Definitions]:
    """The sections of old maps that `spec` needs. LoadError for what they cannot say."""
    maps = [one for one in spec.maps.values() if is_legacy(one.section)]
    ids = _ids(maps, spec.programs)
    found = []
    for section in dict.fromkeys(one.section for one in maps):
        inside = [one for one in maps if one.section == section]
        places = _places(inside, section, spec.btf, ids)
        data = bytearray(max(at + size for at, size in places.values()))
        for one in inside:
            at, size = places[one.name]
            data[at : at + size] = _definition(one, ids.of(one.name), size, spec.endian)
        found.append(Definitions(section, bytes(data), places))
    return found


def _ids(maps: Sequence[MapSpec], programs: Mapping[str, ProgramSpec]) -> _Ids:
    ids = _Ids()
    tails = {name: (_number(found[1]), _number(found[2])) for name, one in programs.items()
             if (found := _TAIL.fullmatch(one.section))}  # fmt: skip
    ids.used.update(number for number, _ in tails.values())
    for one in maps:
        if one.type == "prog_array" and one.contents:
            ids.of(one.name).id = _tail_id(one, tails)
    for one in maps:
        if one.inner is not None:
            _add_inner(one, one.inner, maps, ids)
        elif one.contents and one.type != "prog_array":
            raise LoadError(
                f"map {one.name}: things stand in it at load, and what its inner map looks like is not said"
            )
    return ids


def _tail_id(one: MapSpec, tails: Mapping[str, tuple[int, int]]) -> int:
    """The id of a prog array: what the sections of its programs say, which must be all programs that say it."""
    first = one.contents[0][1]
    number = tails[first][0] if first in tails else 0
    filled = {index: name for name, (id_, index) in tails.items() if id_ == number}
    if not number or dict(one.contents) != filled:
        raise LoadError(
            f"map {one.name}: in section {one.section} the programs that stand in a prog array at load are those of "
            f"sections ID/INDEX with one ID, and these are others: {', '.join(name for _, name in one.contents)}"
        )
    return number


def _add_inner(outer: MapSpec, inner: MapSpec, maps: Sequence[MapSpec], ids: _Ids) -> None:
    """Give numbers to a map of maps, to the map that shows what is inside, and to those inside at load."""
    contents = {name: index for index, name in outer.contents}
    if len(contents) != len(outer.contents):
        raise LoadError(f"map {outer.name}: one map stands in it twice, which section {outer.section} cannot say")
    shape = replace(inner, name="", pin="", hidden=False)
    alike = [one for one in maps if replace(one, name="", pin="", contents=(), hidden=False) == shape]
    members = [one for one in alike if one.name in contents]
    if len(members) != len(contents) or not alike:
        raise LoadError(
            f"map {outer.name}: section {outer.section} says what is inside by maps of the object, and has none alike"
        )
    shown = members or alike[:1]
    if any(ids.of(one.name).id for one in shown):
        raise LoadError(f"map {shown[0].name}: in section {outer.section} a map shows what is inside of one other map")
    ids.of(outer.name).inner_id = number = ids.free()
    for one in shown:
        ids.of(one.name).id, ids.of(one.name).inner_index = number, contents.get(one.name, _NO_INDEX)


def _places(maps: Sequence[MapSpec], section: str, btf: Btf | None, ids: _Ids) -> dict[str, tuple[int, int]]:
    """Where the definitions stand: where BTF says, which must be large enough, or one behind the other."""
    needed = {one.name: _needed(one, ids.of(one.name)) for one in maps}
    found = datasec.section_of(btf, section) if btf is not None else None
    if found is None or btf is None:
        return _packed(needed)
    if not found.size:
        raise LoadError(f"section {section}: BTF does not say where its maps stand: its DATASEC has size 0")
    given = {datasec.name_of(btf, one): (one.offset, one.size) for one in found.vars}
    for one in maps:
        _, size = given.get(one.name, (0, 0))
        if not needed[one.name] <= size <= LONGEST or (size != needed[one.name] and size not in (SHORT, LONG)):
            raise LoadError(f"map {one.name}: its definition needs {octets(needed[one.name])}, and BTF gives it {size}")
    _check_apart(section, {one.name: given[one.name] for one in maps})
    return {one.name: given[one.name] for one in maps}


def _check_apart(section: str, places: Mapping[str, tuple[int, int]]) -> None:
    """Whether definitions overlap, or leave more room between them than definitions could take."""
    last, end = "", 0
    for name, (at, size) in sorted(places.items(), key=lambda one: one[1]):
        if at < end:
            raise LoadError(f"section {section}: BTF gives maps {last} and {name} the same bytes at {at:#x}")
        if at + size > LONGEST * len(places):
            raise LoadError(f"map {name}: BTF puts it at {at:#x} of section {section}, which has {len(places)} maps")
        last, end = name, at + size


def _packed(needed: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """One behind the other, of one size where one form says all: old loaders divide the section by their number."""
    sizes = set(needed.values())
    common = max(sizes) if len(sizes - {SHORT}) < 2 else 0
    places, at = {}, 0
    for name, size in needed.items():
        places[name] = (at, common or size)
        at += common or size
    return places


def _needed(one: MapSpec, numbers: _Numbers) -> int:
    """Bytes of the least definition that says all of `one`."""
    if one.extra:
        raise LoadError(f"map {one.name}: section {one.section} cannot say extra ({one.extra})")
    is_long = numbers != _Numbers() or bool(one.pin)
    if not one.numa_node:
        return LONG if is_long else SHORT
    if is_long or not one.flags & FLAGS["numa_node"]:
        raise LoadError(
            f"map {one.name}: section {one.section} can say a NUMA node ({one.numa_node}) only of a map with flag "
            "numa_node that is not pinned, has no maps or programs inside and is inside of none"
        )
    return NUMA


def _definition(one: MapSpec, numbers: _Numbers, size: int, endian: str) -> bytes:
    row = BY_NAME.get(one.type)
    if row is None:
        raise LoadError(f"map {one.name}: map type {one.type!r} is not known to this version")
    words = [row.number, one.key_size, one.value_size, one.max_entries, one.flags]
    if size == NUMA:
        words += [0, one.numa_node]
    elif size >= LONG:
        words += [numbers.id, _PINNED if one.pin else 0, numbers.inner_id, numbers.inner_index]
    try:
        return struct.pack(f"{'<' if endian == 'little' else '>'}{len(words)}I", *words).ljust(size, b"\0")
    except struct.error:
        raise LoadError(f"map {one.name}: a number of its definition does not fit into 32 bits: {words}") from None


def _number(text: str) -> int:
    """As C's %i reads it."""
    return int(text, 16 if text.startswith("0x") else 8 if text.startswith("0") and text.isdecimal() else 10)
