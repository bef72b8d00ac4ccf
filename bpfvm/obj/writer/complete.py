"""What a loader wants an object to say and a spec may leave out: maps and functions declared in BTF, canonical fields.

`completed(spec)` is what an object file of `spec` reads back as.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind
from bpfvm.obj.btf.ext import MAX_COLUMN, MAX_LINE
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import GLOBAL, STATIC, Func
from bpfvm.obj.elf import datasec, mapdefs
from bpfvm.obj.elf.datasec import place_values
from bpfvm.obj.elf.externs import laid_out
from bpfvm.obj.elf.functions import is_text
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.writer import legacydecl, mapdecl
from bpfvm.obj.writer.externdecl import declare_externs, extern_at
from bpfvm.obj.writer.unlink import relinked
from bpfvm.tables.progs import of_section


def completed(spec: ObjectSpec) -> ObjectSpec:
    """`spec` with its BTF grown by what is missing. Ids stay; a spec that was read from a file stays as it is.

    Programs of one section stand together, fields that select a row hold the row's value, columns that BTF cannot hold
    become 0 (not known), and source text is kept for lines that programs have. There is no BTF where there was none and
    nothing needs it. LoadError for what ELF cannot say.
    """
    if spec.skipped:
        raise LoadError(f"this object cannot be written whole: {spec.skipped[0]}")
    btf = spec.btf.copy() if spec.btf is not None else Btf() if _needs_btf(spec) else None
    for kind, names in (("map", spec.maps), ("program", spec.programs), ("extern", spec.externs)):
        for name, named in names.items():
            if not name or named.name != name:
                raise LoadError(f"{kind} {name!r} is called {named.name!r}, and a file has one name for it")
    by_section: dict[str, dict[str, ProgramSpec]] = {}
    for name, program in spec.programs.items():
        by_section.setdefault(program.section, {})[name] = _program(program, spec)
    programs = {name: program for group in by_section.values() for name, program in group.items()}
    if btf is not None:
        mapdecl.declare(btf, mapdecl.declared(spec.maps))
        declare_externs(btf, spec.externs)
        _declare_functions(btf, programs)
        place_values(btf, {"license": len(spec.license.encode()) + 1, "version": 4})
    maps = {name: _checked_map(one, btf) for name, one in spec.maps.items()}
    _check_kconfig(spec, btf)
    used = {(place.file, place.line) for one in programs.values() for place in one.lines.values()}
    sources = {place: text for place, text in spec.sources.items() if place in used and text}
    return replace(spec, programs=programs, maps=maps, btf=btf, sources=sources)


def _needs_btf(spec: ObjectSpec) -> bool:
    has_records = any(one.lines or one.core for one in spec.programs.values())
    return has_records or bool(mapdecl.declared(spec.maps)) or bool(spec.externs)


def _checked_map(one: MapSpec, btf: Btf | None) -> MapSpec:
    """`one` where its section can say it; a data section's value is of the type that BTF has for the section."""
    if one.section != mapdefs.SECTION and not legacydecl.is_legacy(one.section):
        return datasec.checked(one, btf)
    if one.initial is not None:
        raise LoadError(f"map {one.name}: it has initial contents, and section {one.section} holds none")
    return one


def _check_kconfig(spec: ObjectSpec, btf: Btf | None) -> None:
    """The map of configuration values follows from the externs: readers make it of them."""
    externs = {name: one for name, one in spec.externs.items() if one.kind == "kconfig"}
    for name, one in laid_out(btf or Btf(), externs).items():
        if one.offset != externs[name].offset:
            where = f"{externs[name].offset} of {datasec.KCONFIG}"
            raise LoadError(f"extern {name}: it is at byte {where}, and readers of a file put it at {one.offset}")
    size = max((one.offset + one.size for one in externs.values()), default=0)
    found = next((one for one in spec.maps.values() if one.section == datasec.KCONFIG), None)
    if (found.value_size if found is not None else 0) != size:
        has = octets(found.value_size) if found is not None else "missing"
        raise LoadError(f"map {datasec.KCONFIG} is {has}, and the values that the object asks for take {size}")


def _declare_functions(btf: Btf, programs: Mapping[str, ProgramSpec]) -> None:
    """Declare all functions in BTF that declares none of them. One that declares some is a compiler's, as it is."""
    functions = {
        one.name: (one, program)
        for program in programs.values()
        for one in (FunctionSpec(program.name, 0), *program.functions)
    }
    if any(btf.find(Func, name) is not None for name in functions):
        return
    for one, program in functions.values():
        _declare_function(btf, one, program)


def _declare_function(btf: Btf, one: FunctionSpec, program: ProgramSpec) -> None:
    params = [("ctx", btf.add_ptr(0))]
    if one.name != program.name:
        if not one.is_static:
            raise LoadError(
                f"function {one.name} is global, so its arguments are checked by BTF, which does not have it"
            )
        params = []
    proto = btf.add_func_proto(btf.add_int("int", 4, is_signed=True), params)
    btf.add_func(one.name, proto, STATIC if one.is_static else GLOBAL)


def _program(one: ProgramSpec, spec: ObjectSpec) -> ProgramSpec:
    row = of_section(one.section)
    told = row.name if row is not None else "unspec"
    if told != one.type:
        raise LoadError(f"program {one.name}: section {one.section} is of {told} programs, and this one is {one.type}")
    if not one.section:
        raise LoadError(f"program {one.name}: its section has no name, and a file has no other place for it")
    if is_text(one.section):
        raise LoadError(f"program {one.name}: section {one.section} holds functions that programs call, no programs")
    one = relinked(one)
    insns = tuple(_insn(insn, one, spec) for insn in one.insns)
    lines = {slot: _line(place, one) for slot, place in sorted(one.lines.items())}
    if lines and not 0 <= min(lines) <= max(lines) < one.slot_count:
        raise LoadError(f"program {one.name}: line information for slot {max(lines)} of {one.slot_count}")
    starts = set(slots(insns)[:-1])
    for reloc in one.core:
        if reloc.slot not in starts:
            raise LoadError(f"program {one.name}: a CO-RE relocation at slot {reloc.slot}, where no instruction starts")
    return replace(one, insns=insns, lines=lines)


def _line(place: Location, program: ProgramSpec) -> Location:
    if not 0 <= place.line <= MAX_LINE:
        raise LoadError(f"program {program.name}: {place}: BTF holds line numbers up to {MAX_LINE}")
    return place if 0 <= place.col <= MAX_COLUMN else replace(place, col=0)


def _insn(one: Insn, program: ProgramSpec, spec: ObjectSpec) -> Insn:
    op = one.op
    if op.kind is Kind.IMM64 or op.name == "call_kfunc":
        one = _bound(one, f"program {program.name}", spec)
    off = one.off if op.off_is is None else op.off_is
    imm = one.imm if op.imm_is is None else op.imm_is
    src = one.src if op.src_is is None else op.src_is
    return one if (off, imm, src) == (one.off, one.imm, one.src) else replace(one, off=off, imm=imm, src=src)


def _bound(one: Insn, where: str, spec: ObjectSpec) -> Insn:
    """`one` with the fields that a relocation leaves: a loader fills in the rest. LoadError for what none can name."""
    name, op = one.symbol, one.op.name
    match op:
        case "lddw_func":
            return one
        case "lddw" if name is None:
            return one
        case "lddw_map":
            _map_of(one, where, spec)
            return replace(one, imm=0)
        case "lddw_map_value":
            return replace(one, imm=_checked_value(one, where, spec))
        case "lddw" | "lddw_btf_id" | "call_kfunc":
            extern = spec.externs.get(name or "")
            kinds = {"lddw": ("ksym", False), "lddw_btf_id": ("ksym kfunc", True), "call_kfunc": ("kfunc", True)}
            kind, typed = kinds[op]
            if extern is None:
                raise LoadError(f"{where}: {op} names {name or one.imm}, which is none of the object's externs")
            if extern.kind not in kind.split() or bool(extern.type) != typed:
                raise LoadError(f"{where}: {op} names {name}, which is {an(extern.kind)} of BTF type {extern.type}")
            return replace(one, imm=0, off=0)
        case _:
            raise LoadError(f"{where}: {op} ({name or one.imm}) names a map by place in a list, which a file cannot")


def _map_of(one: Insn, where: str, spec: ObjectSpec) -> MapSpec:
    found = spec.maps.get(one.symbol or "")
    if found is None:
        raise LoadError(f"{where} refers to map {one.symbol!r}, which the object does not have")
    return found


def _checked_value(one: Insn, where: str, spec: ObjectSpec) -> int:
    """The imm of a reference into a data section: the offset in its upper half."""
    found, offset = _map_of(one, where, spec), one.imm >> 32
    if found.initial is None:
        raise LoadError(f"{where}: lddw_map_value of map {found.name}: a file can name values of data sections only")
    if found.section == datasec.KCONFIG and extern_at(spec.externs, offset) is None:
        raise LoadError(f"{where}: byte {offset} of map {found.name} is in no value that the object asks for")
    return offset << 32
