"""The object of a compilation: programs, maps with their BTF types, fault sites."""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bpfvm.compiler.emit import layouts
from bpfvm.compiler.emit.core_types import CoreTypes
from bpfvm.compiler.emit.externs import kernel_functions
from bpfvm.compiler.emit.functions import declare
from bpfvm.compiler.ir.function import Function
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, slots
from bpfvm.lang.maps import Map
from bpfvm.lang.maps.data import Section
from bpfvm.lang.types.scalars import u64
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.elf.datasec import BSS
from bpfvm.obj.model import CoreReloc, FunctionSpec, MapSpec, ObjectSpec, ProgramSpec, StackObject


@dataclass(frozen=True, slots=True)
class Code:
    """A program's machine code. lines: slot -> source place. stack: bytes of the deepest chain of calls.

    starts: first slot of each subprogram. frames: by function, what is on its stack.
    """

    function: Function
    insns: tuple[Insn, ...]
    lines: Mapping[int, Location]
    stack: int
    starts: Mapping[Function, int] = field(default_factory=dict)
    frames: Mapping[str, tuple[StackObject, ...]] = field(default_factory=dict)


def assemble(code: Sequence[Code], declared: Mapping[str, Map], record: MapSpec | None) -> ObjectSpec:
    """One object of several programs. record: the map of fault records, where programs keep them."""
    btf = Btf()
    asked = {key: access for one in code for part in (one.function, *one.starts) for key, access in part.core.items()}
    core = CoreTypes(btf, asked.values())
    maps = {name: map_spec(btf, name, one) for name, one in declared.items()}
    made = [_program(one, record, core) for one in code]
    for part, program in zip(code, list(made), strict=True):
        made += [replace(program, name=name, section=section) for name, section in part.function.copies.items()]
    programs = {one.name: one for one in made}
    for one in {function: None for part in code for function in (part.function, *part.starts)}:
        for name in (one.name, *one.copies):
            declare(btf, one, name)
        layouts.declare(btf, one.layouts)
        maps |= {
            name: _typed(btf, spec) for name, spec in one.maps.items() if spec.initial is not None and name not in maps
        }
    if record is not None and any(one.fault_sites for one in programs.values()):
        maps[record.name] = record
    externs = kernel_functions(btf, (insn for one in code for insn in one.insns))
    return ObjectSpec(programs, maps, btf, sources=_sources(code), externs=externs)


def map_spec(btf: Btf, name: str, declared: Map) -> MapSpec:
    """`declared` as an object holds it, its types added to `btf`."""
    if isinstance(declared, Section):
        kind = layouts.section(btf, name, declared.variable or name, declared.value)
        return replace(declared.spec(name), value_type=kind)
    key, value = (0 if one is None else layouts.stored(btf, one) for one in (declared.key, declared.value))
    return replace(declared.spec(name), key_type=key, value_type=value)


def _typed(btf: Btf, made: MapSpec) -> MapSpec:
    """A data section of the compiler's own: that of a count has a variable, which any loader finds by its name."""
    kind, _, variable = made.name.removeprefix(".").partition(".")
    if f".{kind}" != BSS:
        return made
    return replace(made, value_type=layouts.section(btf, made.name, variable, u64))


def _program(code: Code, record: MapSpec | None, types: CoreTypes) -> ProgramSpec:
    function = code.function
    insns, core = _relocated(code, types)
    return ProgramSpec(
        function.name,
        function.section,
        function.type,
        insns,
        code.lines,
        functions=tuple(FunctionSpec(one.name, slot, is_static=not one.is_global) for one, slot in code.starts.items()),
        fault_sites=tuple(function.fault_sites) if record is not None else (),
        stack=code.stack,
        core=core,
        frames=code.frames,
    )


def _relocated(code: Code, types: CoreTypes) -> tuple[tuple[Insn, ...], tuple[CoreReloc, ...]]:
    """The instructions without the names of what they ask of the kernel's types, and what each asks."""
    known = {key: one for part in (code.function, *code.starts) for key, one in part.core.items()}
    insns, core = [], []
    for slot, one in zip(slots(code.insns), code.insns, strict=False):
        asked = known.get(one.symbol or "")
        if asked is not None:
            core.append(CoreReloc(slot, asked.kind, *types.place(asked)))
            one = replace(one, symbol=None)
        insns.append(one)
    return tuple(insns), tuple(core)


def _sources(code: Sequence[Code]) -> dict[tuple[str, int], str]:
    """The text of every line that an instruction comes from."""
    places = {(place.file, place.line) for one in code for place in one.lines.values()}
    return {place: linecache.getline(*place).rstrip("\n") for place in sorted(places)}
