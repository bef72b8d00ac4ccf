"""ELF objects, as clang makes them for BPF, into ObjectSpec.

Reading is the same on every machine: it asks no kernel and resolves nothing that depends on one. What an object holds
and this version does not read is named in `ObjectSpec.skipped` when no program needs it, and is a LoadError else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from bpfvm.core.errors import LoadError
from bpfvm.obj import btf_codec, btf_ext, elf, mapdefs, note
from bpfvm.obj.btf import Btf
from bpfvm.obj.btf_types import Func
from bpfvm.obj.cursor import Strings, one_line
from bpfvm.obj.elf_code import MAX_CODE, CodeReader
from bpfvm.obj.files import open_regular
from bpfvm.obj.link import Function, Place, link
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.progs import of_section

MAX_FILE = 64 << 20  # bytes; far above any object, far below what memory holds
TEXT, LICENSE = ".text", "license"
_SILENT = frozenset({"version"})  # the kernel stopped reading it in 5.0


def read_object(path: str | os.PathLike[str]) -> ObjectSpec:
    """The object in file `path`. LoadError, one line, for a file that cannot be read or is damaged."""
    with open_regular(path) as file:
        return parse_object(file.read(MAX_FILE + 1), os.fspath(path))


def parse_object(data: bytes, name: str = "object") -> ObjectSpec:
    """The object in `data`; name: what messages call it."""
    try:
        if len(data) > MAX_FILE:
            raise LoadError(f"more than {MAX_FILE >> 20} MiB, the largest object that is read")
        return _read(elf.Elf(data))
    except LoadError as error:
        raise LoadError(one_line(f"{name}: {error}")) from None


def _read(file: elf.Elf) -> ObjectSpec:
    btf, ext = _read_debug(file)
    maps = _read_maps(file, btf)
    section = file.section(mapdefs.SECTION)
    code = CodeReader(file, ext, section.index if section else 0, {at: one.name for at, one in maps.items()})
    skipped = [reason for one in file.sections if (reason := _read_section(one, code))]
    programs = _programs(code.functions, skipped)
    spec = ObjectSpec(
        programs=programs,
        maps={one.name: one for one in maps.values()},
        btf=btf,
        license=_license(file),
        endian=file.endian,
        sources=_sources(programs, ext),
        skipped=tuple(map(one_line, skipped)),
    )
    own = file.section(note.SECTION)
    return spec if own is None else note.apply(spec, own.data)


def _read_debug(file: elf.Elf) -> tuple[Btf | None, btf_ext.Ext]:
    section, beside = file.section(".BTF"), file.section(".BTF.ext")
    if section is None:
        return None, btf_ext.Ext()
    btf, strings = btf_codec.decode(section.data)
    if beside is None:
        return btf, btf_ext.Ext()
    ext = btf_ext.decode(beside.data, strings)
    for name, records in ext.functions.items():
        for one in records:
            if not isinstance(btf[one.type], Func):
                raise LoadError(f"section .BTF.ext: {name} offset {one.offset:#x}: type {one.type} is not a function")
    return btf, ext


def _read_maps(file: elf.Elf, btf: Btf | None) -> dict[int, MapSpec]:
    """Maps by their offset in section .maps."""
    section = file.section(mapdefs.SECTION)
    if section is None:
        return {}
    where = f"section {section.name}"
    if btf is None:
        raise LoadError(f"{where}: maps are declared by .BTF, which is missing; compile with -g")
    declared = mapdefs.read_maps(btf)
    found: dict[int, MapSpec] = {}
    for symbol in file.symbols:
        if symbol.section != section.index or symbol.type == elf.SECTION:
            continue
        if symbol.name not in declared:
            raise LoadError(f"{where}: symbol {symbol.name!r} is not declared by .BTF, or twice in the symbol table")
        if symbol.value in found or symbol.value >= section.size:
            raise LoadError(f"{where}: map {symbol.name} at {symbol.value:#x} has no place of its own")
        found[symbol.value] = declared.pop(symbol.name)
    if declared:
        raise LoadError(f"{where}: map {next(iter(declared))} is declared by .BTF and has no symbol")
    return found


def _read_section(section: elf.Section, code: CodeReader) -> str:
    """Give a section of code to `code`; the reason where a section of the program is left out."""
    if not section.flags & elf.ALLOC or not section.size or section.type not in (elf.PROGBITS, elf.NOBITS):
        return ""
    if section.name in (mapdefs.SECTION, LICENSE) or section.name in _SILENT:
        return ""
    if not section.flags & elf.EXEC:
        return f"section {section.name}: data of programs is not read in this version"
    if section.name != TEXT and of_section(section.name) is None:
        return f"section {section.name}: no program type that this version knows has this section name"
    code.read(section)
    return ""


def _programs(functions: Mapping[Place, Function], skipped: list[str]) -> dict[str, ProgramSpec]:
    """The global functions of program sections, linked. Functions that none of them reaches are noted in `skipped`."""
    found: dict[str, ProgramSpec] = {}
    used: set[Place] = set()
    total = 0
    for one in functions.values():
        row = of_section(one.section)
        if one.is_static or row is None:
            continue
        if one.name in found:
            raise LoadError(f"section {one.section}: two programs are called {one.name}")
        linked = link(one, functions)
        spec = ProgramSpec(one.name, one.section, row.name, linked.insns, linked.lines, functions=linked.functions)
        total += spec.slot_count
        if total > MAX_CODE:
            raise LoadError(f"program {one.name}: more than {MAX_CODE} instructions in the programs of one object")
        found[one.name] = spec
        used.update(linked.places)
    unused = (one for place, one in functions.items() if place not in used)
    skipped += [f"function {one.name} in section {one.section}: no program calls it" for one in unused]
    return found


def _license(file: elf.Elf) -> str:
    section = file.section(LICENSE)
    return "" if section is None or not section.size else Strings(section.data).at(0)


def _sources(programs: Mapping[str, ProgramSpec], ext: btf_ext.Ext) -> dict[tuple[str, int], str]:
    used = {(place.file, place.line) for one in programs.values() for place in one.lines.values()}
    texts: dict[tuple[str, int], str] = {}
    for records in ext.lines.values():
        for one in records:
            if one.text and (one.file, one.line) in used:
                texts.setdefault((one.file, one.line), one.text)
    return texts
