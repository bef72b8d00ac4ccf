"""Tables of functions for the kernel (struct_ops) as a file holds them: variables of sections .struct_ops and
.struct_ops.link, whose members that are relocated point to programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import SLOT
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Struct, Var
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.datasec import section_of
from bpfvm.obj.elf.link import Function, Place
from bpfvm.obj.model import ProgramSpec, TableSpec

LINKED = ".struct_ops.link"  # registered by a link, and as long as it is there (Linux 6.4)
SECTIONS = (".struct_ops", LINKED)
_POINTERS = (elf.R_64_64, elf.R_64_ABS64)


def read_tables(
    file: elf.Elf, btf: Btf | None, programs: Mapping[str, ProgramSpec], functions: Mapping[Place, Function]
) -> dict[str, TableSpec]:
    """All tables by name. LoadError for one that BTF does not describe, or that points to what is no program."""
    found: dict[str, TableSpec] = {}
    for name in SECTIONS:
        section = file.section(name)
        if section is not None and section.size:
            for one in _of_section(file, section, btf):
                if one.name in found:
                    raise LoadError(f"two tables of functions are called {one.name}")
                found[one.name] = one
            _fill(file, section, found, programs, functions)
    return found


def _of_section(file: elf.Elf, section: elf.Section, btf: Btf | None) -> Iterator[TableSpec]:
    described = section_of(btf, section.name) if btf is not None else None
    if btf is None or described is None:
        raise LoadError(f"section {section.name}: its tables are described by .BTF, which has none; compile with -g")
    for place in described.vars:
        variable = btf[place.type]
        if not isinstance(variable, Var):
            continue
        number = btf.strip(variable.type)
        kind = btf[number] if number else None
        where = f"section {section.name}: {variable.name}"
        if not isinstance(kind, Struct) or not kind.name:
            raise LoadError(f"{where} is no struct that has a name, and the kernel knows tables by the names of theirs")
        if place.offset + kind.size > section.size:
            raise LoadError(
                f"{where} has {octets(kind.size)} at {place.offset}, and the section ends at {section.size}"
            )
        contents = bytes(section.data.data[place.offset : place.offset + kind.size]).ljust(kind.size, b"\0")
        yield TableSpec(variable.name, number, contents, section=section.name, offset=place.offset)


def _fill(
    file: elf.Elf, section: elf.Section, tables: dict[str, TableSpec], programs: Mapping[str, ProgramSpec],
    functions: Mapping[Place, Function],
) -> None:  # fmt: skip
    """Put the programs in place that relocations name."""
    for one in file.relocations(section):
        if one.type == elf.R_NONE:
            continue
        here = [table for table in tables.values() if table.section == section.name and table.holds(one.offset)]
        if not here or one.type not in _POINTERS:
            raise section.data.error(one.offset, f"{one.type_name} where no member of a table can hold a function")
        (table,) = here
        (in_place,) = section.data.unpack("q", one.offset, "a pointer")
        at = one.symbol.value + one.addend(in_place)
        function = functions.get((one.symbol.section, at // SLOT)) if at % SLOT == 0 else None
        if function is None or function.name not in programs:
            target = one.symbol.name or file.place_name(one.symbol)
            raise LoadError(
                f"section {section.name}: {table.name} points to {target}, which is no program of this object; put the "
                "function into a section struct_ops/NAME"
            )
        tables[table.name] = table.with_program(one.offset - table.offset, function.name)
