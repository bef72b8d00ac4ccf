"""Every operation and every jump of the instruction table, compiled with little and with much care."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from bpfvm.core.bits import M64
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator, Loaded
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.isa.asm import assemble
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import OPS, Kind, Op, alu, taken
from bpfvm.obj.model import ObjectSpec, ProgramSpec

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

EDGES = (0, 1, 31, 64, 0x80, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x0123_4567_89AB_CDEF, 1 << 63, M64 - 1, M64)
IMMEDIATES = (0, 1, 31, 63, 0x7FFF_FFFF, -1, -2, -0x8000_0000)
DIVISIONS = ("div", "mod", "sdiv", "smod")


def forms(op: Op) -> Iterator[tuple[Insn, tuple[int, ...]]]:
    """Instructions of a row, each with what its source may be."""
    if op.operand == "imm":
        for imm in IMMEDIATES:
            if imm or not op.name.startswith(DIVISIONS):
                yield insn(op.name, 1, imm=imm, off=1 if op.kind is Kind.JUMP else 0), (imm & M64,)
    else:
        yield insn(op.name, 1, 2, off=1 if op.kind is Kind.JUMP else 0), EDGES


def loaded(one: Insn) -> Loaded:
    """A program that does `one` on two words of its context: what is in r1 then, or 1 where it jumps."""
    first = assemble("r2 = *(u64 *)(r1 + 8)\n r1 = *(u64 *)(r1 + 0)\n r0 = 1")
    behind = assemble("r0 = r1\n exit") if one.op.kind is Kind.ALU else assemble("r0 = 0\n exit")
    program = ProgramSpec("p", "syscall", "syscall", (*first, one, *behind))
    return Emulator("native").load(ObjectSpec({"p": program}, {}), "p", {})


@pytest.mark.parametrize("op", [op for op in OPS if op.kind in (Kind.ALU, Kind.JUMP)], ids=lambda op: op.name)
def test_every_row_is_the_tables(op: Op) -> None:
    compared = 0
    for one, sources in forms(op):
        with loaded(one) as machine:
            assert isinstance(machine.tier, Runtime)
            for level in ("quick", "full") if one.imm in (0, -1, 31) else ("quick",):
                for a, b in itertools.product(EDGES, sources):
                    want = alu(op, a, b) if op.kind is Kind.ALU else int(taken(op, a, b))
                    got = machine.run(Input(ctx=a.to_bytes(8, "little") + b.to_bytes(8, "little")))
                    assert got.fault is None, got.fault
                    assert got.r0 == want, f"{level}: {op.name} {a:#x}, {b:#x}: {got.r0:#x}, not {want:#x}"
                    compared += 1
                if level == "full" or one.imm not in (0, -1, 31):
                    break
                built = machine.tier.built(machine.system.code("p"), ())
                assert built is not None
                built.optimise()
    assert compared >= 96
