"""All maps of a file: those it declares, in .maps or in the old way, and those that stand for its data."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import SLOT
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf import mapdefs
from bpfvm.obj.elf.link import Function, Place
from bpfvm.obj.model import ExternSpec, MapSpec, ProgramSpec
from bpfvm.obj.reader import legacy_maps
from bpfvm.obj.reader.data_maps import kconfig_map, read_data
from bpfvm.obj.reader.legacy_maps import LegacyMap

_POINTERS = frozenset({elf.R_64_64, elf.R_64_ABS64, elf.R_DATA_64})  # R_64_64 here: LLVM before 13


@dataclass(slots=True)
class MapTable:
    """Maps by where they stand: declared ones by section index and offset, data by section index."""

    declared: dict[tuple[int, int], MapSpec] = field(default_factory=dict)
    legacy: dict[tuple[int, int], LegacyMap] = field(default_factory=dict)
    data: dict[int, MapSpec] = field(default_factory=dict)
    kconfig: MapSpec | None = None

    def name_at(self, section: int, offset: int) -> str | None:
        """The declared map at this place, or None."""
        if (section, offset) in self.legacy:
            return self.legacy[section, offset].spec.name
        one = self.declared.get((section, offset))
        return None if one is None else one.name

    def __iter__(self) -> Iterator[MapSpec]:
        yield from self.declared.values()
        yield from (one.spec for one in self.legacy.values())
        yield from self.data.values()
        yield from [] if self.kconfig is None else [self.kconfig]


def read_table(file: elf.Elf, btf: Btf | None, externs: dict[str, ExternSpec], skipped: list[str]) -> MapTable:
    """The maps of `file`, but for what they hold at load. skipped: gets what is left out."""
    table = MapTable(
        _declared(file, btf),
        legacy_maps.read_legacy(file, btf, skipped),
        read_data(file, btf, skipped),
        kconfig_map(externs, btf),
    )
    names: set[str] = set()
    for one in table:
        if one.name in names:
            raise LoadError(f"two maps are called {one.name}")
        names.add(one.name)
    return table


def _declared(file: elf.Elf, btf: Btf | None) -> dict[tuple[int, int], MapSpec]:
    """The maps of section .maps by place, which the symbol table tells."""
    section = file.section(mapdefs.SECTION)
    if section is None or not section.size:
        return {}
    where = f"section {section.name}"
    if btf is None:
        raise LoadError(f"{where}: maps are declared by .BTF, which is missing; compile with -g")
    places = {one.name: one.value for one in file.symbols if one.section == section.index and one.type != elf.SECTION}
    found: dict[tuple[int, int], MapSpec] = {}
    for name, spec in mapdefs.read_maps(btf).items():
        if name not in places:
            raise LoadError(f"{where}: map {name} is declared by .BTF and has no symbol")
        if places[name] >= section.size or (section.index, places[name]) in found:
            raise LoadError(f"{where}: map {name} at {places[name]:#x} has no place of its own")
        found[section.index, places[name]] = spec
    return dict(sorted(found.items()))


def filled(
    file: elf.Elf,
    btf: Btf | None,
    table: MapTable,
    programs: Mapping[str, ProgramSpec],
    functions: Mapping[Place, Function],
) -> dict[str, MapSpec]:
    """All maps by name, with the maps and programs that stand in them at load."""
    maps = {one.name: one for one in table}
    maps.update({one.name: one for one in legacy_maps.linked(table.legacy.values(), programs)})
    section = file.section(mapdefs.SECTION)
    relocations = [one for one in file.relocations(section) if one.type != elf.R_NONE] if section is not None else []
    if section is None or btf is None or not relocations:
        return maps
    variables = mapdefs.variables(btf)
    starts = sorted(offset for _, offset in table.declared)
    contents: dict[str, dict[int, str]] = {}
    for one in relocations:
        number = bisect_right(starts, one.offset)
        if not number:
            raise section.data.error(one.offset, f"{one.type_name} where no map is declared")
        start = starts[number - 1]
        spec = table.declared[section.index, start]
        begins = mapdefs.values_offset(btf, variables[spec.name])
        if one.type not in _POINTERS or begins is None:
            target_name = one.symbol.name or file.place_name(one.symbol)
            raise LoadError(f"map {spec.name}: {one.type_name} to {target_name} in its definition has no meaning")
        index = mapdefs.entry_of(one.offset - start, begins, spec.name)
        (in_place,) = section.data.unpack("q", one.offset, "a pointer")
        target = one.symbol.value + one.addend(in_place)
        contents.setdefault(spec.name, {})[index] = _target(table, spec, one, target, programs, functions)
    return {
        name: replace(one, contents=tuple(sorted(contents[name].items()))) if name in contents else one
        for name, one in maps.items()
    }


def _target(
    table: MapTable,
    spec: MapSpec,
    one: elf.Relocation,
    offset: int,
    programs: Mapping[str, ProgramSpec],
    functions: Mapping[Place, Function],
) -> str:
    """The map or program at byte `offset` of the section that `one` points into."""
    if spec.type == mapdefs.OF_PROGRAMS:
        function = functions.get((one.symbol.section, offset // SLOT)) if offset % SLOT == 0 else None
        name = one.symbol.name if function is None or one.symbol.name in programs else function.name
        if function is not None and name in programs:
            return name
    elif (name_at := table.name_at(one.symbol.section, offset)) is not None:
        return name_at
    kind = "program" if spec.type == mapdefs.OF_PROGRAMS else "map"
    named = one.symbol.name or f"byte {offset:#x} of section number {one.symbol.section}"
    raise LoadError(f"map {spec.name}: its values name {named}, which is no {kind} of this object")
