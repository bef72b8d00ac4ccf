"""Soundness by machine: every register of the reference tier lies in the model's state at that instruction, and nothing
that the model takes faults there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import pytest

from bpfvm.core.bits import M32, signed
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.interp import Interpreter
from bpfvm.isa.asm import assemble
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.progs import BY_NAME
from bpfvm.verifier import explore, tnum
from bpfvm.verifier.regs import NONE, SCALAR, Reg
from bpfvm.verifier.verdict import check
from bpfvm.verifier.walk import Setting, Walk
from tests.unit.verifier.programs import program

PROGRAMS = int(os.environ.get("BPFVM_SOUNDNESS", "120"))
INPUTS, BUDGET = 4, 4000
States = dict[int, list[tuple[Reg, ...]]]


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[States]:
    """The states in which the model walks each slot, with no path left out because another one covers it."""
    states: States = {}
    walk_one = explore._walk_one

    def noted(walk: Walk) -> int | None:
        states.setdefault(walk.at, []).append(tuple(walk.state.regs))
        return walk_one(walk)

    with monkeypatch.context() as patched:
        patched.setattr(explore, "_walk_one", noted)
        patched.setattr(explore, "visited", lambda walk: False)
        yield states


def code_of(seed: int) -> tuple[Insn, ...]:
    """A random program on a context of 32 bytes."""
    return tuple(assemble(program(seed).replace("r3 = *(u64 *)(r10 -8)", "r3 = *(u64 *)(r6 +0)")))


def holds(reg: Reg, value: int) -> bool:
    low = value & M32
    return (
        tnum.contains((reg.v, reg.m), value) and reg.umin <= value <= reg.umax
        and reg.smin <= signed(value, 64) <= reg.smax and reg.umin32 <= low <= reg.umax32
        and reg.smin32 <= signed(low, 32) <= reg.smax32
    )  # fmt: skip


def fits(state: tuple[Reg, ...], values: Sequence[object]) -> bool:
    """Whether the registers of the reference tier are of this state. A pointer is one of which the model knows that."""
    for reg, value in zip(state, values, strict=True):
        if reg.kind == SCALAR and isinstance(value, int) and not holds(reg, value):
            return False
        if reg.kind not in (SCALAR, NONE) and isinstance(value, int):
            return False
        if reg.kind == SCALAR and value is not None and not isinstance(value, int) and not reg.m:
            return False
    return True


def test_every_register_lies_in_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, runs, left = 0, 0, 0
    for seed in range(PROGRAMS):
        insns = code_of(seed)
        with recorded(monkeypatch) as states:
            verdict = check(insns, Setting(BY_NAME["syscall"], None, {}, sleepable=True), budget=BUDGET)
        if verdict.verdict != "accept":
            left += 1
            continue
        compared += watched(insns, states, seed)
        runs += INPUTS
    print(f"{PROGRAMS - left} programs taken, {runs} runs, {compared} instructions compared; {left} left out")
    assert compared >= PROGRAMS * 20


def watched(insns: tuple[Insn, ...], states: States, seed: int) -> int:
    """Run the program on a few contexts; how many instructions were compared."""
    chance, compared = Random(seed), 0
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", insns)}, {})
    with Emulator("interp").load(spec, "p", {}) as machine:
        tier = machine.tier
        assert isinstance(tier, Interpreter)

        def look(step: object, executed: int) -> None:
            nonlocal compared
            slot = step.slot  # type: ignore[attr-defined]
            values = list(tier.registers)
            assert any(fits(state, values) for state in states.get(slot, ())), (seed, slot, values, states.get(slot))
            compared += 1

        for _ in range(INPUTS):
            words = [chance.choice((0, 1, 7, 0x80000000, M32, chance.getrandbits(32))) for _ in range(8)]
            tier.watch = look
            result = machine.run(Input(ctx=b"".join(word.to_bytes(4, "little") for word in words)))
            assert result.fault is None, (seed, result.fault)
    return compared


def test_a_planted_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that takes the other half of an addition for zero."""
    from bpfvm.verifier import scalar

    monkeypatch.setitem(scalar._PLAIN, "add", lambda dst, src: dst.known(dst.v))
    with pytest.raises(AssertionError):
        test_every_register_lies_in_the_model(monkeypatch)
