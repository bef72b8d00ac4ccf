"""Maps as objects declared them before BTF: sections "maps", "maps/NAME" and "lirc_mode2/maps" (of v4l-utils), in them
a C struct of numbers for each map.

All layouts begin with type, key size, value size, entries, flags, 4 bytes each. What follows differs by loader, and
only the size tells them apart:

    16       no flags
    20       bpf_map_def of libbpf
    24, 28   + inner map's number, NUMA node: the kernel's samples; or + id, pinning: iproute2
    36       + id, pinning, inner map's id, index in the outer map: iproute2 (bpf_elf_map), Cilium
    280      + pinning, a path: gobpf

iproute2 puts the program of a section "ID/INDEX" into entry INDEX of the prog array with that id (its bpf_legacy.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Struct
from bpfvm.obj.elf.container import EXEC, NOTYPE, OBJECT, PROGBITS, Elf, Section, Symbol
from bpfvm.obj.elf.mapdefs import MAX_MAPS
from bpfvm.obj.model import MapSpec, ProgramSpec
from bpfvm.tables.maps import BY_NUMBER, FLAGS

SECTION = "maps"
_WORDS = ("type", "key_size", "value_size", "max_entries", "flags")
MAX_INSIDE = 1 << 16  # maps inside of others, of one object
_LEAST, _MOST = 16, 4096  # bytes of a definition
_OF_MAPS = frozenset({"array_of_maps", "hash_of_maps"})
_NO_INDEX = 0xFFFF_FFFF
_TAIL = re.compile(r"(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})/(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class LegacyMap:
    """id: by which others name this map, 0 for none. inner_id: of the map that those inside look like.

    inner_number: the same by the map's place among all definitions, or None. inner_index: where in its outer map it is.
    """

    spec: MapSpec
    id: int = 0
    inner_id: int = 0
    inner_number: int | None = None
    inner_index: int = _NO_INDEX


def is_legacy(section: Section) -> bool:
    """Whether `section` declares maps in the old way."""
    named = section.name == SECTION or section.name.startswith(f"{SECTION}/") or section.name.endswith(f"/{SECTION}")
    return named and section.type == PROGBITS and section.size > 0 and not section.flags & EXEC


def read_legacy(file: Elf, btf: Btf | None, skipped: list[str]) -> dict[tuple[int, int], LegacyMap]:
    """The maps by section index and offset in it, in order. skipped: gets what a definition says in unknown places."""
    sections = {one.index: one for one in file.sections if is_legacy(one)}
    symbols: dict[int, dict[int, Symbol]] = {index: {} for index in sections}
    for symbol in file.symbols:
        if symbol.section in symbols and symbol.type in (OBJECT, NOTYPE) and symbol.name:
            symbols[symbol.section].setdefault(symbol.value, symbol)
    found: dict[tuple[int, int], LegacyMap] = {}
    for index, section in sections.items():
        for offset, name, size in _places(section, symbols[index]):
            found[index, offset] = _read(section, offset, size, name, btf, skipped)
            if len(found) > MAX_MAPS:
                raise LoadError(f"section {section.name}: more than {MAX_MAPS} maps in one object")
    return found


def _places(section: Section, symbols: Mapping[int, Symbol]) -> Iterable[tuple[int, str, int]]:
    """Offset, name and size of each definition. The distance to the next one tells the size, as symbols may not."""
    if not symbols:
        yield 0, section.name.partition("/")[2] or section.name, section.size
        return
    starts = sorted(symbols)
    for start, following in zip(starts, [*starts[1:], section.size], strict=True):
        symbol = symbols[start]
        gap = following - start
        size = symbol.size if 0 < symbol.size <= gap else gap
        if not _LEAST <= size <= _MOST:
            raise LoadError(
                f"section {section.name}: map {symbol.name} at {start:#x} has {octets(size)}, wanted "
                f"{_LEAST} to {_MOST}"
            )
        yield start, symbol.name, size


def _read(section: Section, offset: int, size: int, name: str, btf: Btf | None, skipped: list[str]) -> LegacyMap:
    count = min(size // 4, 9)
    words = section.data.unpack(f"{count}I", offset, f"map {name}")
    numbers = dict(zip(_WORDS, words, strict=False))
    row = BY_NUMBER.get(numbers["type"])
    if row is None:
        raise LoadError(f"map {name}: map type {numbers['type']} is not known to this version")
    key, value = _annotated(btf, name, numbers["key_size"], numbers["value_size"])
    spec = MapSpec(
        name=name,
        type=row.name,
        key_size=numbers["key_size"],
        value_size=numbers["value_size"],
        max_entries=numbers["max_entries"],
        flags=numbers.get("flags", 0),
        key_type=key,
        value_type=value,
        section=section.name,
    )
    one, known = _extended(spec, words[5:], size)
    if any(section.data.cut(offset + known, size - known, "a definition")):
        skipped.append(
            f"map {name}: bytes {known} to {size} of its definition are not 0, and their meaning is not known"
        )
    return one


def _extended(spec: MapSpec, more: tuple[int, ...], size: int) -> tuple[LegacyMap, int]:
    """What a definition says behind its flags, and how many of its bytes are understood."""
    if size == 36:
        number, pinning, inner, index = more
        return LegacyMap(_pinned(spec, pinning), number, inner, None, index), 36
    if size == 280:  # the path says where it is pinned, which is by name here
        return LegacyMap(_pinned(spec, more[0])), 280
    if size not in (24, 28) or not any(more):
        return LegacyMap(spec), min(size, 20)
    second = more[1] if size == 28 else 0
    if spec.type in _OF_MAPS:
        return LegacyMap(replace(spec, numa_node=second), inner_number=more[0]), size
    if spec.flags & FLAGS["numa_node"]:
        return LegacyMap(replace(spec, numa_node=second)), size
    return LegacyMap(_pinned(spec, second), more[0]), size


def _pinned(spec: MapSpec, pinning: int) -> MapSpec:
    return replace(spec, pin="by_name" if pinning else "")


def _annotated(btf: Btf | None, name: str, key_size: int, value_size: int) -> tuple[int, int]:
    """Types of key and value, where a struct ____btf_map_NAME tells them (BPF_ANNOTATE_KV_PAIR of old libbpf)."""
    number = btf.find(Struct, f"____btf_map_{name}") if btf is not None else None
    if btf is None or number is None:
        return 0, 0
    struct = btf[number]
    assert isinstance(struct, Struct)
    types = tuple(one.type for one in struct.members if one.name in ("key", "value"))
    if len(types) != 2 or (btf.size_of(types[0]), btf.size_of(types[1])) != (key_size, value_size):
        return 0, 0
    return types[0], types[1]


def linked(maps: Iterable[LegacyMap], programs: Mapping[str, ProgramSpec]) -> list[MapSpec]:
    """The maps with what stands in them at load: inner maps by id, programs by the names of their sections."""
    known = list(maps)
    by_id = {one.id: one for one in reversed(known) if one.id}
    contents: dict[str, dict[int, str]] = {one.spec.name: {} for one in known}
    outer: dict[int, list[str]] = {}
    for one in known:
        if one.spec.type in _OF_MAPS and one.inner_id:
            outer.setdefault(one.inner_id, []).append(one.spec.name)
    total = 0
    for one in known:
        if one.id and not one.inner_id and one.inner_index != _NO_INDEX:
            total += len(outer.get(one.id, ()))
            if total > MAX_INSIDE:
                raise LoadError(f"map {one.spec.name}: more than {MAX_INSIDE} maps stand in others at load")
            for name in outer.get(one.id, ()):
                contents[name][one.inner_index] = one.spec.name
    for program in programs.values():
        named = _TAIL.fullmatch(program.section)
        target = by_id.get(_number(named[1])) if named is not None else None
        if named is not None and target is not None and target.spec.type == "prog_array":
            contents[target.spec.name][_number(named[2])] = program.name
    return [_filled(one, known, by_id, contents[one.spec.name]) for one in known]


def _number(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text)


def _filled(
    one: LegacyMap, known: list[LegacyMap], by_id: Mapping[int, LegacyMap], contents: Mapping[int, str]
) -> MapSpec:
    inner = by_id.get(one.inner_id)
    if one.inner_number is not None and one.inner_number < len(known):
        inner = known[one.inner_number]
    template = None
    if inner is not None and one.spec.type in _OF_MAPS and inner is not one:
        template = replace(inner.spec, name=f"{one.spec.name}.inner", pin="")
    return replace(one.spec, inner=template, contents=tuple(sorted(contents.items())))
