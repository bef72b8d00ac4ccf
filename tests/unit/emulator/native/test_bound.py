"""How many instructions a program can execute at most: never fewer than it does, and known where its code tells."""

from __future__ import annotations

import itertools

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator import INTERP, Emulator
from bpfvm.emulator.native.bound import bound, turns
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.loops import Counted
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.emulator.native.translate import unit_of
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

LOOP = "r2 = 0\n loop: r2 += 1\n r0 = r2\n if r2 != 9 goto loop\n exit"
CALLS = "r6 = 0\n loop: call f\n r6 += 2\n if r6 < 9 goto loop\n r0 = 0\n exit\n"
CALLS += " f: r0 = 1\n if r0 == 0 goto +1\n exit\n exit"
TESTS = {
    "ne": lambda a, b: a != b, "ult": lambda a, b: a < b, "ule": lambda a, b: a <= b,
    "ugt": lambda a, b: a > b, "uge": lambda a, b: a >= b,
}  # fmt: skip
TESTS |= {f"s{name[1:]}": test for name, test in TESTS.items() if name != "ne"}


def spec(text: str) -> ObjectSpec:
    return ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, {})


def bound_of(text: str) -> int | None:
    with Emulator("native", safe=True).load(spec(text), "p", {}) as loaded:
        tier, code = loaded.tier, loaded.code
        assert isinstance(tier, Runtime)
        unit = unit_of(code.program, loaded.system, None, (), tier.helpers, True)
        assert unit is not None
        return bound(unit)


@pytest.mark.parametrize(("text", "most"), [
    ("r0 = 0\n if r1 == 0 goto +1\n r0 = 1\n exit", 4),
    (LOOP, 29),  # 8 turns follow the first
    (LOOP.replace("r2 != 9", "r2 < 9"), 29),
    (LOOP.replace("r2 = 0", "r2 = 0\n r3 = 9").replace("r2 != 9", "r2 != r3"), 30),
    (CALLS, 38),
    ("r2 = 0\n loop: r2 += 2\n r0 = r2\n if r2 != 9 goto loop\n exit", None),  # goes past it
    (LOOP.replace("r2 = 0", "r2 = *(u64 *)(r1 + 0)"), None),  # from a number that is not known
    ("r0 = 0\n loop: r0 += 1\n if r0 == 0 goto loop\n exit", None),  # does not count
    ("r6 = 0\n out: r2 = 0\n in: r2 += 1\n if r2 != 3 goto in\n r6 += 1\n if r6 != 3 goto out\n r0 = 0\n exit", None),
    ("call f\n exit\n f: call f\n r0 = 0\n exit", None),  # calls itself
    ("r1 = 9\n r2 = func f\n r3 = 0\n r4 = 0\n call 181\n r0 = 0\n exit\n f: r0 = 0\n exit", None),  # called back
])  # fmt: skip
def test_known_bounds(text: str, most: int | None) -> None:
    found = bound_of(text)
    assert found == most
    if found is not None:
        with INTERP.load(spec(text), "p", {}) as reference:
            assert reference.run(Input(ctx=bytes(16))).insns <= found


def test_turns_are_those_that_a_loop_makes() -> None:
    """Every test, steps up and down, first and last values in 3 bits: as a loop that is gone round does it."""
    compared = endless = 0
    for holds, step, first, last in itertools.product(TESTS, (1, 2, 3, -1, -3), range(8), range(8)):
        if holds != "ne" and (holds[1] == "l") != (step > 0):
            continue
        value, count = first, 0
        wraps = False
        while count < 9 and TESTS[holds](*(_shown(one, holds) for one in (value, last))):
            count += 1
            wraps |= not (0 if holds[0] == "u" else -4) <= _shown(value, holds) + step <= (7 if holds[0] == "u" else 3)
            value = (value + step) & 7
        found = turns(Counted(0, (0,), 1, 2, 0, step, holds, (None, last), 3), first, last)
        if found is None:
            endless += 1
            assert wraps or holds == "ne", (holds, step, first, last)
        else:
            assert found == count, (holds, step, first, last)
        compared += 1
    print(f"{compared} loops, {endless} of them with no number of turns")
    assert (compared >= 1500, endless >= 100) == (True, True)


def _shown(value: int, holds: str) -> int:
    return value - 8 if holds[0] == "s" and value > 3 else value
