"""Functions of scalars on kernels without syscall programs (before 5.14): XDP programs whose context is a map's value.

The arguments are put into the map before a run, and the result is read there after it. The program gets the address of
the value where it would have got its context; nothing else changes.
"""

from __future__ import annotations

from dataclasses import replace

from bpfvm.core.amounts import octets
from bpfvm.core.errors import Unavailable
from bpfvm.isa.insn import insn
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec

MAP = "bpfvm.context"
SIZE = 4096  # bytes of arguments and result
_SLOTS = 2  # that the address takes
_XDP = "xdp"


def is_of_scalars(program: ProgramSpec) -> bool:
    """Whether it can be run so: a syscall program that calls no helper which other types lack is what compiled
    functions of scalars are."""
    return program.type == "syscall"


def as_xdp(spec: ObjectSpec, program: str) -> ObjectSpec:
    """`spec` with the program changed. Its other programs stay."""
    one = spec.programs[program]
    context = MapSpec(MAP, "array", 4, SIZE, 1, hidden=True)
    made = replace(
        one,
        type=_XDP,
        section=_XDP,
        insns=(insn("lddw_map_value", 1, symbol=MAP), *one.insns),
        lines={slot + _SLOTS: place for slot, place in one.lines.items()},
        functions=tuple(replace(part, slot=part.slot + _SLOTS) for part in one.functions),
        core=tuple(replace(part, slot=part.slot + _SLOTS) for part in one.core),
    )
    return replace(spec, programs={**spec.programs, program: made}, maps={**spec.maps, MAP: context})


def padded(context: bytes) -> bytes:
    """A context as the map's value. Unavailable for one that does not fit."""
    if len(context) > SIZE:
        raise Unavailable(
            f"this kernel has no syscall programs, and a context of {octets(len(context))} is over {SIZE}"
        )
    return context.ljust(SIZE, b"\0")
