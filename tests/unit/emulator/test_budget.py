"""The budget of instructions: exact on the reference tier, where control joins on the other."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.testing.datafile import NAME, Case, load_cases
from tests.contract.data_files import ISA


def run(case: Case, budget: int) -> Result | None:
    """A run of the reference tier; None for what it does not take."""
    try:
        with Emulator("interp", budget).load(case.spec(), NAME, {}) as loaded:
            return loaded.run(case.input())
    except BpfvmError:
        return None


def test_the_budget_is_exact_to_the_instruction() -> None:
    """Each case as many instructions as it takes, and one fewer."""
    compared = 0
    for case in load_cases(ISA):
        free = run(case, 1_000_000) if case.result is not None else None
        if free is None:
            continue
        assert run(case, free.insns) == free
        short = run(case, free.insns - 1)
        assert short is not None
        assert short.fault is not None
        assert (short.fault.kind, short.insns) == ("budget", free.insns - 1), case.name
        assert short.fault.message == f"{free.insns - 1} instructions were executed without reaching an end"
        compared += 1
    print(f"{compared} cases")
    assert compared >= 650


LOOP = "r6 = 0\n again: r6 += 1\n r6 += 1\n r6 += 1\n goto again\n exit"


def looped(engine: str, budget: int) -> Result:
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(LOOP)))}, {})
    with Emulator(engine, budget).load(spec, "p", {}) as loaded:
        return loaded.run(Input(ctx=b""))


@pytest.mark.parametrize("budget", range(1, 40))
def test_the_place_where_a_budget_ends(budget: int) -> None:
    exact, joined = looped("interp", budget), looped("portable", budget)
    assert exact.fault is not None
    assert joined.fault is not None
    assert exact.insns == budget
    assert exact.fault.insn == (0 if budget == 0 else 1 + (budget - 1) % 4)  # what would have been next
    assert joined.fault.message == exact.fault.message
    assert joined.fault.insn == 1  # the head of the loop
    assert budget < joined.insns <= budget + 4


def test_a_budget_is_for_each_run() -> None:
    for engine in ("interp", "portable"):
        text = "r0 = 50\n again: r0 += -1\n if r0 != 0 goto again\n exit"
        spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, {})
        with Emulator(engine, 102).load(spec, "p", {}) as loaded:
            assert [(one.fault, one.insns) for one in (loaded.run(Input(ctx=b"")) for _ in range(3))] == [
                (None, 102)
            ] * 3


CHAINED = ObjectSpec(
    {
        "p": ProgramSpec("p", "xdp", "xdp", tuple(assemble("""
            r6 = r1
            r7 = 5
            again: r7 += -1
            if r7 != 0 goto again
            r2 = map[next]
            r3 = 0
            call 12
            r0 = 1
            exit
        """))),
        "q": ProgramSpec("q", "xdp", "xdp", tuple(assemble(
            "r7 = 20\n again: r7 += -1\n if r7 != 0 goto again\n r0 = *(u32 *)(r1 +0)\n r0 = 2\n exit"))),
    },
    {"next": MapSpec("next", "prog_array", 4, 4, 1, contents=((0, "q"),))},
)  # fmt: skip


def chained(engine: str, budget: int) -> Result:
    with Emulator(engine, budget).load(CHAINED, "p", {}) as loaded:
        return loaded.run(Input(packet=bytes(64)))


def test_a_budget_goes_on_behind_a_tail_call() -> None:
    whole = chained("interp", 1_000)
    assert (whole.r0, whole.insns) == (2, 2 + 10 + 3 + 1 + 40 + 3)
    assert chained("portable", 1_000) == whole
    for budget in range(1, whole.insns):
        exact, joined = chained("interp", budget), chained("portable", budget)
        assert exact.fault is not None
        assert exact.insns == budget
        assert joined.insns <= budget + 8 if joined.fault is not None else joined == whole, budget
    assert chained("portable", 40).fault is not None  # in the loop behind the call
