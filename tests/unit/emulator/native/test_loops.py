"""Loops whose turns are counted before they begin: the same results and the same budget as turn by turn."""

from __future__ import annotations

import itertools

import pytest

from bpfvm.core.bits import M64
from bpfvm.core.machine import Input, Result
from bpfvm.emulator import INTERP, Emulator
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.loops import Counted, counted
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.emulator.native.translate import unit_of
from bpfvm.isa.asm import assemble
from bpfvm.isa.flow import reverse_postorder
from bpfvm.obj.model import ObjectSpec, ProgramSpec

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

LOOP = """
r2 = *(u{bits} *)(r1 + 0)
r3 = *(u{bits} *)(r1 + 8)
r0 = 0
loop: r0 += 3
if r0 == 30 goto half
r0 ^= 1
half: {r}2 += {step}
if {r}2 {test} {r}3 goto loop
exit
"""
TESTS = ("!=", "<", "<=", ">", ">=", "s<", "s<=", "s>", "s>=")
EDGES = (0, 1, 2, 7, 8, -1, -2, -7, 1 << 31, (1 << 31) - 1, 1 << 63, (1 << 63) - 1, (1 << 32) - 1, (1 << 32) - 3)
BUDGET = 300


def spec(text: str) -> ObjectSpec:
    return ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, {})


def loops_of(text: str) -> list[Counted]:
    with Emulator("native", safe=True).load(spec(text), "p", {}) as loaded:
        tier, code = loaded.tier, loaded.code
        assert isinstance(tier, Runtime)
        unit = unit_of(code.program, loaded.system, None, (), tier.helpers, True)
        assert unit is not None
        return list(counted(unit, reverse_postorder(unit.graph.successors, unit.graph.roots)))


def told(result: Result) -> tuple[object, ...]:
    """What a run gives: a result and its instructions, or that the budget ended it."""
    return (result.fault.kind,) if result.fault is not None else (result.r0, result.insns)


def test_every_test_and_step_is_as_turn_by_turn() -> None:
    """All tests, both widths, steps up and down, first and last values at the edges: as the reference tier goes."""
    compared = ended = taken = 0
    for test, bits, step in itertools.product(TESTS, (32, 64), (1, -1, 3, -4)):
        text = LOOP.format(r="w" if bits == 32 else "r", bits=bits, step=step, test=test)
        taken += len(loops_of(text))
        tiers = (Emulator("native", BUDGET, safe=True), Emulator("interp", BUDGET))
        with tiers[0].load(spec(text), "p", {}) as native, tiers[1].load(spec(text), "p", {}) as reference:
            for first, last in itertools.product(EDGES[:7] if bits == 64 else EDGES[::2], EDGES):
                given = Input(ctx=b"".join((word & M64).to_bytes(8, "little") for word in (first, last)))
                found, wanted = told(native.run(given)), told(reference.run(given))
                assert found == wanted, (text, first, last)
                compared, ended = compared + 1, ended + (wanted == ("budget",))
    print(f"{compared} runs, of which the budget ended {ended}; {taken} loops counted")
    assert (compared >= 6000, ended >= 500, taken >= 40) == (True, True, True)


@pytest.mark.parametrize("text", [
    "r2 = 9\n loop: r2 += -1\n if r2 == 0 goto +1\n goto loop\n r0 = 7\n exit",
    "r2 = 0\n loop: r3 = r2\n r3 += 1\n if r3 > 12 goto out\n r2 = r3\n goto loop\n out: r0 = r3\n exit",
    "r2 = 0\n r0 = 1\n loop: w2 += 1\n r0 += r0\n if w2 != 12 goto loop\n exit",
    "r2 = 0\n r4 = 12\n r0 = 1\n loop: if r0 == 5 goto +1\n if r2 >= r4 goto out\n r0 += 1\n r2 += 2\n goto loop\n"
    " out: exit",
])  # fmt: skip
def test_the_budget_ends_a_counted_loop_where_the_reference_does(text: str) -> None:
    full = INTERP.load(spec(text), "p", {})
    with full:
        whole = full.run(Input(ctx=bytes(16)))
    outcomes = set()
    for budget in range(1, whole.insns + 2):
        with Emulator("native", budget, safe=True).load(spec(text), "p", {}) as native:
            found = told(native.run(Input(ctx=bytes(16))))
        with Emulator("interp", budget).load(spec(text), "p", {}) as reference:
            assert found == told(reference.run(Input(ctx=bytes(16)))), budget
        outcomes.add(len(found))
    assert len(outcomes) == 2, "runs that end and runs that are ended"


@pytest.mark.parametrize(("text", "step"), [
    ("r2 = 9\n loop: r2 += -1\n if r2 != 0 goto loop\n r0 = 7\n exit", -1),
    ("r2 = 0\n loop: r3 = r2\n r3 += 2\n if r3 > 40 goto out\n r2 = r3\n goto loop\n out: r0 = r3\n exit", 2),
    ("r2 = 0\n loop: r2 <<= 1\n if r2 != 0 goto loop\n r0 = 7\n exit", None),  # no sum
    ("r2 = 0\n loop: r2 += 1\n if r2 == 5 goto loop\n r0 = 7\n exit", None),  # one turn more, or none
    ("r2 = 0\n loop: r2 += 1\n if r2 > 5 goto loop\n r0 = 7\n exit", None),  # the wrong way
    ("r2 = 0\n r3 = 9\n loop: r2 += 1\n r3 += 1\n if r2 != r3 goto loop\n r0 = 7\n exit", None),  # both move
    ("r2 = 0\n r0 = 0\n loop: r2 += 1\n if r0 != 0 goto loop\n if r2 != 9 goto loop\n exit", None),  # not each turn
    ("r2 = 0\n loop: w2 += 1\n if r2 != 9 goto loop\n r0 = 7\n exit", None),  # wraps at 32 bits, tested at 64
    ("r0 = 0\n r2 = 0\n loop: r2 += 1\n r1 = 1\n call 5\n if r2 != 9 goto loop\n exit", 1),  # a call that keeps it
    ("r0 = 0\n r6 = 0\n loop: r6 += 1\n call f\n if r6 != 9 goto loop\n exit\n f: r0 = 1\n exit", None),  # counts too
])  # fmt: skip
def test_which_loops_count(text: str, step: int | None) -> None:
    if "call 5" in text:
        text = text.replace("r2", "r6")
    assert [one.step for one in loops_of(text)] == ([] if step is None else [step])
