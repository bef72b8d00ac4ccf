"""The budget of instructions: exact on the reference tier, where loops and functions begin on the other."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.testing.datafile import NAME, Case, load_cases
from tests.contract.data_files import ISA
from tests.engines import EMULATORS


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
    assert budget <= joined.insns < budget + 4


def test_a_budget_is_for_each_run() -> None:
    for engine in EMULATORS:
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
        assert joined.fault is not None
        assert joined.fault.kind == "budget"
        assert budget <= joined.insns <= budget + 8


# Functions that call the next one five times each, and a callback inside of a callback
DEEP = "call f1\nexit\n" + "".join(f"f{n}: " + f"call f{n + 1}\n" * 5 + "r0 = 0\nexit\n" for n in range(1, 7))
DEEP += "f7: r0 = 0\nexit"
CALLED_BACK = """
    r1 = 100
    r2 = func outer
    r3 = 0
    r4 = 0
    call 181
    r0 = 0
    exit
    outer: r1 = 5000
    r2 = func inner
    r3 = 0
    r4 = 0
    call 181
    r0 = 0
    exit
    inner: r0 = 0
    exit
"""
PLAIN = "r1 = 0\n" + "r1 += 1\n" * 30 + "r0 = r1\nexit"


def once(engine: str, text: str, budget: int) -> Result:
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, {})
    with Emulator(engine, budget).load(spec, "p", {}) as loaded:
        return loaded.run(Input(ctx=b""))


@pytest.mark.parametrize(("text", "within"), [(DEEP, 9), (CALLED_BACK, 9), (PLAIN, 40)])
def test_a_budget_ends_what_has_no_loops_of_its_own(text: str, within: int) -> None:
    for budget in (1, 5, 20, 100, 1_003):
        exact, joined = once("interp", text, budget), once("portable", text, budget)
        assert (exact.fault is None) == (joined.fault is None)
        if exact.fault is None or joined.fault is None:
            assert exact == joined
            continue
        assert (exact.fault.kind, exact.insns) == ("budget", budget)
        assert joined.fault.kind == "budget"
        assert budget <= joined.insns < budget + within


def test_the_place_where_a_budget_ends_in_a_callback() -> None:
    places = [8, 9, 11, 12, 13, *[16, 17] * 10]  # from the call on
    for budget, place in enumerate(places, 5):
        exact, joined = once("interp", CALLED_BACK, budget), once("portable", CALLED_BACK, budget)
        assert exact.fault is not None
        assert (exact.fault.insn, exact.insns) == (place, budget)
        assert joined.fault is not None
        assert joined.fault.insn == (8 if budget == 5 else 16)


DOUBTFUL = """
    r0 = 7
    r2 = *(u32 *)(r1 +0)
    r3 = *(u32 *)(r1 +4)
    r3 -= r2
    if r3 > 64 goto read
    exit
    read: r0 = r9
    exit
"""


def test_a_tail_call_to_a_program_that_may_read_what_is_not_written() -> None:
    """It is run by the reference tier from there, on what is left of the budget."""
    programs = {**CHAINED.programs, "q": ProgramSpec("q", "xdp", "xdp", tuple(assemble(DOUBTFUL)))}
    spec = ObjectSpec(programs, CHAINED.maps)
    for size, budget in ((64, 1_000), (65, 1_000), (64, 18), (64, 17), (64, 22)):
        results = []
        for engine in EMULATORS:
            with Emulator(engine, budget).load(spec, "p", {}) as loaded:
                results.append(loaded.run(Input(packet=bytes(size))))
        assert results[0] == results[1], (size, budget)
        assert (results[0].fault is None) == ((size, budget) in ((64, 1_000), (64, 22)))
