"""Nothing of a run is there in the next one but what maps hold, and nothing of a load in another."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Fault, Input, Result
from bpfvm.emulator import Emulator, interp
from bpfvm.emulator.caller import Caller, Operand, Value
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.native import runtime as native
from bpfvm.emulator.portable import runtime
from bpfvm.emulator.portable.translate import TAIL_CALL
from bpfvm.emulator.system import System
from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import encode
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

ENGINES = pytest.mark.parametrize("engine", EMULATORS)
MAPS = {"m": MapSpec("m", "array", 4, 8, 1)}
FIRST, SECOND = Input(ctx=bytes([1] * 16)), Input(ctx=bytes(8))
COUNTED = "r1 = map[m]+0\n r0 = *(u64 *)(r1 +0)\n *(u64 *)(r1 +0) = 9\n "
START = "r2 = *(u8 *)(r1 +0)\n if r2 == 0 goto second\n"


def spec(text: str) -> ObjectSpec:
    return ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, MAPS)


def runs(engine: str, text: str, *inputs: Input) -> list[Result]:
    """Runs of one load, one after another."""
    with Emulator(engine, 10_000).load(spec(text), "p", {}) as loaded:
        return [loaded.run(given) for given in inputs]


LEFT = {
    "registers": "r3 = 3\n r5 = 5\n r6 = 6\n r9 = 9\n r0 = 0\n exit\n second: r0 = r9\n r0 += r5\n exit",
    "stack": "*(u64 *)(r10 -8) = 77\n r0 = 0\n exit\n second: r0 = *(u64 *)(r10 -8)\n exit",
    "stack of a callee": "call w\n exit\n second: call r\n exit\n"
    " w: *(u64 *)(r10 -8) = 77\n r0 = 0\n exit\n r: r0 = *(u64 *)(r10 -8)\n exit",
    "pointer on the stack": "*(u64 *)(r10 -8) = r1\n r0 = 0\n exit\n"
    " second: r3 = *(u64 *)(r10 -8)\n r0 = *(u8 *)(r3 +0)\n exit",
    "context behind its end": "*(u64 *)(r1 +8) = 77\n r0 = 0\n exit\n second: r0 = *(u64 *)(r1 +8)\n exit",
    "a fault": "r0 = 0\n r0 = *(u8 *)(r0 +0)\n exit\n second: r0 = 5\n exit",
    "a fault in a callee": "call f\n exit\n second: call g\n exit\n"
    " f: call h\n exit\n g: r0 = 6\n exit\n h: r0 = 0\n r0 = *(u8 *)(r0 +0)\n exit",
    "a fault in the last frame": "call f\n exit\n second: call g\n exit\n f: call f\n exit\n g: r0 = 6\n exit",
    "the budget": "again: goto again\n second: r0 = 7\n exit",
    "a warning": "r0 = *(u64 *)(r10 -8)\n r0 = 0\n exit\n second: r0 = 8\n exit",
}


@ENGINES
@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_a_run_finds_nothing_of_the_one_before(engine: str, text: str) -> None:
    """The second run is what it is when nothing went before it, its faults, warnings and counts among it."""
    (alone,) = runs(engine, START + text, SECOND)
    first, after, again = runs(engine, START + text, FIRST, SECOND, FIRST)
    assert after == alone
    assert again == first
    assert first != after


@ENGINES
def test_patience_begins_anew(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interp, "MAY_GOTO", 100)
    monkeypatch.setattr(runtime, "MAY_GOTO", 100)
    monkeypatch.setattr(native, "MAY_GOTO", 100)
    one, two = runs(engine, "r0 = 0\n again: may_goto out\n r0 += 1\n goto again\n out: exit", SECOND, SECOND)
    assert (one.r0, one) == (100, two)


@ENGINES
def test_maps_stay_from_run_to_run(engine: str) -> None:
    assert [one.r0 for one in runs(engine, COUNTED + "exit", SECOND, SECOND)] == [0, 9]


@ENGINES
def test_a_load_finds_nothing_of_the_one_before(engine: str) -> None:
    """Maps, warnings and stacks of a load of its own, also while another is loaded."""
    text = COUNTED + "r2 = *(u64 *)(r10 -8)\n *(u64 *)(r10 -8) = 5\n exit"
    whole, backend = spec(text), Emulator(engine)
    with backend.load(whole, "p", {}) as one, backend.load(whole, "p", {}) as two:
        results = [loaded.run(SECOND) for loaded in (one, two)]
        assert one.read_map("m") == two.read_map("m") == [(bytes(4), (9).to_bytes(8, "little"))]
    with backend.load(whole, "p", {}) as three:
        assert three.read_map("m") == [(bytes(4), bytes(8))]
        results.append(three.run(SECOND))
    assert [one.r0 for one in results] == [0, 0, 0]
    assert results[0] == results[1] == results[2]
    warned = 1 if engine == "interp" else 0
    assert [len(one.warnings) for one in results] == [warned] * 3


@ENGINES
def test_the_count_of_tail_calls_begins_anew(engine: str) -> None:
    """A program that calls itself at its end until it is refused: 33 times in each run."""
    text = "r6 = 0\n call 12\n r0 = 0\n exit"
    system = System(spec(text), ())
    code, region = system.code("p"), system.arena.allocate("context", 16, "context")
    taken: list[bool] = []

    def tail_call(caller: Caller, arguments: list[Value]) -> Operand:
        taken.append(caller.tail_call(code))
        return 0

    tier = Emulator(engine).tier(system, {TAIL_CALL: tail_call})
    for _ in range(3):
        taken.clear()
        assert tier.run(code, Context(region, None, None, {}), 0, {}) == 0
        assert taken == [True] * 33 + [False]
    system.close()


@ENGINES
def test_running_changes_no_program(engine: str) -> None:
    text = START + LEFT["stack of a callee"]
    whole = spec(text)
    before = encode(whole.programs["p"].insns)
    with Emulator(engine).load(whole, "p", {}) as loaded:
        for _ in range(2):
            loaded.run(FIRST)
    assert encode(whole.programs["p"].insns) == before
    assert whole == spec(text)


def test_a_fault_is_told_of_the_run_that_had_it() -> None:
    for engine in EMULATORS:
        first, second, third = runs(engine, START + LEFT["a fault"], FIRST, SECOND, FIRST)
        assert isinstance(first.fault, Fault)
        assert second.fault is None
        assert third.fault == first.fault
