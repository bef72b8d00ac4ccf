"""A case: one program with its maps and the inputs that it runs on. Generators make them, the differ runs them.

A generator is any function of a random number generator and a name; what it makes may come from the instruction table
or from anywhere else. Case `number` of a seed has a random number generator of its own, so it can be made again alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bpfvm.core.machine import Entries, Input
from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import GLOBAL, STATIC
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec

PROGRAM = "fuzz"  # the program's name in its object


@dataclass(frozen=True, slots=True)
class Case:
    """name: where it came from, "seed:number". inputs: run one after the other, the maps kept between them.

    maps: contents before the first run, over zeros.
    """

    name: str
    spec: ObjectSpec
    inputs: tuple[Input, ...]
    maps: Mapping[str, Entries] = field(default_factory=dict)

    @property
    def program(self) -> ProgramSpec:
        """The one program of the object."""
        return self.spec.programs[PROGRAM]

    def with_insns(self, insns: Sequence[Insn]) -> Case:
        """The case with other instructions, without the maps that these do not name."""
        return make(self.name, self.program.type, insns, self.inputs, tuple(self.spec.maps.values()), self.maps)


Generator: TypeAlias = Callable[[random.Random, str], Case]


def make(
    name: str, kind: str, insns: Sequence[Insn], inputs: Sequence[Input],
    maps: Sequence[MapSpec] = (), contents: Mapping[str, Entries] | None = None,
) -> Case:  # fmt: skip
    """A case of one program of type `kind`, with those of `maps` that it names."""
    program = _program(kind, insns)
    used = program.map_names
    spec = ObjectSpec({PROGRAM: program}, {one.name: one for one in maps if one.name in used}, btf=_types(program))
    return Case(name, spec, tuple(inputs), {key: value for key, value in (contents or {}).items() if key in used})


def generated(generator: Generator, seed: int, number: int) -> Case:
    """Case `number` of `seed`: always the same, whatever was made before it."""
    name = f"{seed}:{number}"
    return generator(random.Random(name), name)


def _program(kind: str, insns: Sequence[Insn]) -> ProgramSpec:
    named = {
        target_slot(one, slot)
        for slot, one in zip(slots(insns), insns, strict=False)
        if one.op.name in ("call_local", "lddw_func")
    }
    functions = tuple(
        FunctionSpec(f"f{number}", slot, is_static=True)
        for number, slot in enumerate(sorted(slot for slot in named if slot), 1)
    )
    return ProgramSpec(PROGRAM, kind, kind, tuple(insns), functions=functions)


def _types(program: ProgramSpec) -> Btf | None:
    """The types of the program's functions, where the kernel asks for them, which it does for addresses of functions.

    It asks for legacy packet loads in functions too, and gets none: its verifier follows such a load out of the
    function, does not find its way back, and writes outside of its own memory (6.18.44 died of it). Without types it
    refuses the program.
    """
    if not any(one.op.name == "lddw_func" for one in program.insns):
        return None
    entry = min((one.slot for one in program.functions), default=program.slot_count)
    rows = zip(slots(program.insns), program.insns, strict=False)
    if any(one.op.kind is Kind.PACKET and slot >= entry for slot, one in rows):
        return None
    btf = Btf()
    proto = btf.add_func_proto(btf.add_int("int", 4, is_signed=True))
    btf.add_func(PROGRAM, proto, GLOBAL)
    for one in program.functions:
        btf.add_func(one.name, proto, STATIC)
    return btf
