"""What a loader wants an object to say and a spec may leave out: maps and functions declared in BTF, canonical fields.

`completed(spec)` is what an object file of `spec` reads back as.
"""

from __future__ import annotations

from dataclasses import replace

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn
from bpfvm.obj import mapdefs
from bpfvm.obj.btf import Btf
from bpfvm.obj.btf_ext import MAX_COLUMN, MAX_LINE
from bpfvm.obj.btf_types import GLOBAL, STATIC, Func
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.progs import of_section


def completed(spec: ObjectSpec) -> ObjectSpec:
    """`spec` with its BTF grown by what is missing. Ids stay; a spec that was read from a file stays as it is.

    Programs of one section stand together, fields that select a row hold the row's value, columns that BTF cannot hold
    become 0 (not known), and source text is kept for lines that programs have. LoadError for what ELF cannot say.
    """
    if spec.skipped:
        raise LoadError(f"this object cannot be written whole: {spec.skipped[0]}")
    btf = spec.btf.copy() if spec.btf is not None else Btf()
    for declared in spec.maps.values():
        if declared.initial is not None:
            raise LoadError(f"map {declared.name}: initial contents are not written in this version")
    mapdefs.declare(btf, spec.maps)
    by_section: dict[str, dict[str, ProgramSpec]] = {}
    for name, one in spec.programs.items():
        by_section.setdefault(one.section, {})[name] = _program(one, spec)
    programs = {name: one for group in by_section.values() for name, one in group.items()}
    for program in programs.values():
        for function in (FunctionSpec(program.name, 0), *program.functions):
            if btf.find(Func, function.name) is None:
                _declare_function(btf, function, program)
    used = {(place.file, place.line) for one in programs.values() for place in one.lines.values()}
    sources = {place: text for place, text in spec.sources.items() if place in used and text}
    return replace(spec, programs=programs, btf=btf, sources=sources)


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
    if row is None or row.name != one.type:
        raise LoadError(f"program {one.name}: section {one.section} is not one of {one.type} programs")
    insns = tuple(_insn(insn, one, spec) for insn in one.insns)
    lines = {slot: _line(place, one) for slot, place in sorted(one.lines.items())}
    if lines and not 0 <= min(lines) <= max(lines) < one.slot_count:
        raise LoadError(f"program {one.name}: line information for slot {max(lines)} of {one.slot_count}")
    return replace(one, insns=insns, lines=lines)


def _line(place: Location, program: ProgramSpec) -> Location:
    if not 0 <= place.line <= MAX_LINE:
        raise LoadError(f"program {program.name}: {place}: BTF holds line numbers up to {MAX_LINE}")
    return place if 0 <= place.col <= MAX_COLUMN else replace(place, col=0)


_BOUND = frozenset({"lddw_map"})  # what a relocation to a map in section .maps makes
_UNWRITABLE = frozenset(
    {"lddw_map_value", "lddw_btf_id", "lddw_func", "lddw_map_idx", "lddw_map_idx_value", "call_kfunc"}
)


def _insn(one: Insn, program: ProgramSpec, spec: ObjectSpec) -> Insn:
    op = one.op
    if op.name in _UNWRITABLE:
        raise LoadError(f"program {program.name}: {op.name} ({one.symbol or one.imm}) is not written in this version")
    if op.name in _BOUND:
        if one.symbol not in spec.maps:
            raise LoadError(f"program {program.name} refers to map {one.symbol!r}, which the object does not have")
        one = replace(one, imm=0)
    off = one.off if op.off_is is None else op.off_is
    imm = one.imm if op.imm_is is None else op.imm_is
    src = one.src if op.src_is is None else op.src_is
    return one if (off, imm, src) == (one.off, one.imm, one.src) else replace(one, off=off, imm=imm, src=src)
