"""ELF objects for BPF, from clang of any age, gcc and others, into ObjectSpec.

Reading is the same on every machine: it asks no kernel and resolves nothing that depends on one. What an object holds
and no ObjectSpec can is named in `ObjectSpec.skipped` when no program needs it, and is a LoadError else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf import ext as btf_ext
from bpfvm.obj.btf.dimensions import put_right
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Func
from bpfvm.obj.cursor import one_line
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf import mapdefs, note
from bpfvm.obj.elf.datasec import kind_of, section_of
from bpfvm.obj.elf.externs import read_externs
from bpfvm.obj.elf.link import Function, Place, link
from bpfvm.obj.elf.places import place_kconfig, place_variables
from bpfvm.obj.files import open_regular
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.reader import struct_ops
from bpfvm.obj.reader.code import MAX_CODE, CodeReader
from bpfvm.obj.reader.legacy_maps import is_legacy
from bpfvm.obj.reader.maps import filled, read_table
from bpfvm.obj.reader.references import Binder
from bpfvm.tables.progs import of_section

MAX_FILE = 64 << 20  # bytes; far above any object, far below what memory holds
LICENSE, VERSION = "license", "version"
_STRUCT_OPS = ".struct_ops"


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
    skipped: list[str] = []
    externs = read_externs(file, btf)
    if btf is not None:
        place_variables(file, btf)
        place_kconfig(btf, externs)
    table = read_table(file, btf, externs, skipped)
    code = CodeReader(file, ext, Binder(file, btf, table, externs))
    skipped += [reason for one in file.sections if (reason := _read_section(one, code))]
    skipped += _other_data(file, btf)
    programs = _programs(code, skipped)
    spec = ObjectSpec(
        programs=programs,
        maps=filled(file, btf, table, programs, code.functions),
        btf=btf,
        license=_license(file),
        endian=file.endian,
        sources=_sources(programs, ext),
        externs=externs,
        version=_version(file),
        tables=struct_ops.read_tables(file, btf, programs, code.functions),
        skipped=tuple(map(one_line, skipped)),
    )
    own = file.section(note.SECTION)
    return spec if own is None else note.apply(spec, own.data)


def _read_debug(file: elf.Elf) -> tuple[Btf | None, btf_ext.Ext]:
    section, beside = file.section(".BTF"), file.section(".BTF.ext")
    if section is None:
        return None, btf_ext.Ext()
    btf, strings = btf_codec.decode(section.data)
    if file.gcc is not None and file.gcc < 14:
        put_right(btf)
    if beside is None:
        return btf, btf_ext.Ext()
    ext = btf_ext.decode(beside.data, strings)
    for name, records in ext.functions.items():
        for one in records:
            if not isinstance(btf[one.type], Func):
                raise LoadError(f"section .BTF.ext: {name} offset {one.offset:#x}: type {one.type} is not a function")
    for rows in ext.core.values():
        for row in rows:
            btf[row.type]  # which raises where there is no such type
    return btf, ext


def _read_section(section: elf.Section, code: CodeReader) -> str:
    """Give a section of code to `code`; the reason where a section of the program is left out.

    Data in sections that no loader makes a map of (.eh_frame) is passed over: no program can see it, and one that
    refers to it is refused. What the source declares there is told by `_other_data`.
    """
    if section.type == elf.PROGBITS and section.flags & elf.EXEC:
        if section.size:
            code.read(section)
        return ""
    if section.name.startswith(_STRUCT_OPS) and section.name not in struct_ops.SECTIONS:
        return f"section {section.name}: tables of functions stand in sections {' and '.join(struct_ops.SECTIONS)}"
    return ""


def _other_data(file: elf.Elf, btf: Btf | None) -> list[str]:
    """The sections of variables that are for other tools, and in no map: xdp_metadata of libxdp."""
    known = (LICENSE, VERSION, mapdefs.SECTION)
    return [
        f"section {one.name}: variables for other tools, which no loader makes a map of"
        for one in file.sections
        if btf is not None and one.type in (elf.PROGBITS, elf.NOBITS) and not one.flags & elf.EXEC
        if one.name not in known and not kind_of(one.name) and not is_legacy(one)
        if not one.name.startswith(_STRUCT_OPS) and section_of(btf, one.name) is not None
    ]


def _programs(code: CodeReader, skipped: list[str]) -> dict[str, ProgramSpec]:
    """The programs, linked. Functions that none of them reaches are left out, as loaders do; `skipped` gets them where
    there is no program at all.
    """
    found: dict[str, ProgramSpec] = {}
    total = 0
    for one in code.entries:
        if one.name in found:
            raise LoadError(f"section {one.section}: two programs are called {one.name}")
        found[one.name] = spec = _program(one, code.functions)
        total += spec.slot_count
        if total > MAX_CODE:
            raise LoadError(f"program {one.name}: more than {MAX_CODE} instructions in the programs of one object")
    if not found:
        rest = code.functions.values()
        skipped += [f"function {one.name} in section {one.section}: no program calls it" for one in rest]
    return found


def _program(one: Function, functions: Mapping[Place, Function]) -> ProgramSpec:
    row = of_section(one.section)
    linked = link(one, functions)
    return ProgramSpec(
        name=one.name,
        section=one.section,
        type=row.name if row is not None else "unspec",
        insns=linked.insns,
        lines=linked.lines,
        functions=linked.functions,
        core=linked.core,
    )


def _license(file: elf.Elf) -> str:
    section = file.section(LICENSE)
    text = bytes(section.data.data).partition(b"\0")[0] if section is not None else b""
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise LoadError(f"section {LICENSE}: {text[:40]!r} is not UTF-8") from None


def _version(file: elf.Elf) -> int:
    section = file.section(VERSION)
    if section is None:
        return 0
    if section.size != 4:
        raise LoadError(f"section {VERSION}: {octets(section.size)}, wanted 4: a kernel version as one number")
    return section.data.u32(0, "the version")


def _sources(programs: Mapping[str, ProgramSpec], ext: btf_ext.Ext) -> dict[tuple[str, int], str]:
    used = {(place.file, place.line) for one in programs.values() for place in one.lines.values()}
    texts: dict[tuple[str, int], str] = {}
    for records in ext.lines.values():
        for one in records:
            if one.text and (one.file, one.line) in used:
                texts.setdefault((one.file, one.line), one.text)
    return texts
