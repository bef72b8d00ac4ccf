"""Cutting programs: jumps and calls lead to the same instructions, whatever goes away between."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.fuzz.case import generated
from bpfvm.fuzz.edit import closed, inserted, opened, reachable, without
from bpfvm.fuzz.generate import program
from bpfvm.isa.asm import assemble
from bpfvm.isa.disasm import listing
from bpfvm.isa.insn import insn

TEXT = """
    r0 = 1
    if r0 == 1 goto last
    r2 = 0x5 ll
    call other
    gotol last
last:
    exit
other:
    r0 = 7
    exit
"""


def texts(insns: object) -> list[str]:
    return [line.partition(": ")[2] for line in listing(insns).splitlines()]  # type: ignore[arg-type]


def test_what_is_opened_closes_to_the_same() -> None:
    for number in range(100):
        insns = generated(program, 1, number).program.insns
        assert closed(opened(insns)) == insns


def test_jumps_lead_on_over_what_is_gone() -> None:
    steps = opened(assemble(TEXT))
    cut = without(steps, 2, 3)
    assert texts(closed(cut)) == [
        "r0 = 1",
        "if r0 == 0x1 goto pc+2",
        "call pc+2",
        "gotol pc+0",
        "exit",
        "r0 = 7",
        "exit",
    ]
    assert texts(closed(without(steps, 5, 6)))[1] == "if r0 == 0x1 goto pc+4"  # to what stood behind the exit
    with pytest.raises(LoadError, match="past the end"):
        closed(without(steps, 5, 8))


def test_jumps_lead_on_over_what_is_new() -> None:
    steps = inserted(opened(assemble(TEXT)), 5, [insn("mov64_k", 0, imm=9)])
    assert texts(closed(steps))[-5:] == ["gotol pc+1", "r0 = 9", "exit", "r0 = 7", "exit"]
    assert texts(closed(steps))[1] == "if r0 == 0x1 goto pc+5"


def test_what_nothing_leads_to_is_not_reachable() -> None:
    steps = opened(assemble("r0 = 0\ngoto pc+1\nr0 = 1\nexit\nr0 = 2\nexit"))
    assert reachable(steps) == {0, 1, 3}


@pytest.mark.parametrize("text", ["goto pc+1\nexit", "goto pc+1\nr1 = 5 ll\nexit"])
def test_a_jump_to_no_instruction_is_refused(text: str) -> None:
    with pytest.raises(LoadError, match="where no instruction begins"):
        opened(assemble(text))


def test_a_distance_that_its_field_cannot_hold_is_refused() -> None:
    steps = opened(assemble("r0 = 0\nif r0 == 0 goto pc+0\nexit"))
    with pytest.raises(LoadError, match="its field has 16 bits"):
        closed(inserted(steps, 2, [insn("mov64_k", 0)] * 40_000))
