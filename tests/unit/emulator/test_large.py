"""Programs of more instructions than 16 bits count, and jumps beyond what one field holds."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

ENGINES = EMULATORS


def run(engine: str, insns: list[Insn], *contexts: bytes) -> list[Result]:
    """What each context gives."""
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(insns))}, {})
    with Emulator(engine).load(spec, "p", {}) as loaded:
        return [loaded.run(Input(ctx=one)) for one in contexts]


@pytest.mark.parametrize("engine", ENGINES)
def test_jumps_past_the_reach_of_16_bits(engine: str) -> None:
    """A jump to instruction 33,001, over 33,000 that add 1; and one back from there, by 32 bits both."""
    count = 33_000
    body = [
        insn("ldx64", 2, 1),
        insn("mov64_k", 0, imm=0),
        insn("jeq64_k", 2, off=1, imm=0),
        insn("gotol", imm=count + 1),  # over the additions and the exit
        *[insn("add64_k", 0, imm=1)] * count,
        insn("exit"),
        insn("add64_k", 0, imm=7),
        insn("mov64_k", 2, imm=0),
        insn("gotol", imm=-count - 4),  # to the first addition
    ]
    straight, around = run(engine, body, *(number.to_bytes(8, "little") for number in (0, 1)))
    assert (straight.fault, straight.r0, straight.insns) == (None, count, 4 + count)
    assert (around.fault, around.r0, around.insns) == (None, count + 7, 4 + 3 + count + 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_of_70000_instructions(engine: str) -> None:
    body = [insn("mov64_k", 0, imm=0), *[insn("add64_k", 0, imm=3)] * 70_000, insn("exit")]
    (result,) = run(engine, body, b"")
    assert (result.fault, result.r0, result.insns) == (None, 210_000, 70_002)


@pytest.mark.parametrize("engine", ENGINES)
def test_many_jumps(engine: str) -> None:
    """2,000 tests in a row, half of them taken, each over one instruction."""
    body = [insn("mov64_k", 0, imm=0)]
    for number in range(2_000):
        body += [insn("jset64_k", 0, off=1, imm=1), insn("add64_k", 0, imm=1 + number % 2)]
    (result,) = run(engine, [*body, insn("mov64_k", 0, imm=5), insn("exit")], b"")
    assert (result.fault, result.r0) == (None, 5)
