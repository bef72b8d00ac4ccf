"""Storage helpers offline: values by object, the cgroup's own value."""

from __future__ import annotations

from contextlib import closing

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator.machine import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

TASKS = MapSpec("m", "task_storage", 4, 8, 0, 1)
TASK = b"\1" * 64


def answered(body: str, engine: str) -> int:
    """r0 of a program with a task in r6 that a Python function gives."""
    text = f"call 158\nr6 = r0\n{body}exit\n"
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, {"m": TASKS})
    backend = Emulator(engine, answers={"get_current_task_btf": lambda *_: TASK})
    with closing(backend.load(spec, "p", {})) as loaded:
        result = loaded.run(Input())
    assert result.fault is None, result.fault
    return result.r0


GET = "r1 = map[m]\nr2 = r6\nr3 = 0\nr4 = {}\ncall 156\n"
DELETE = "r1 = map[m]\nr2 = r6\ncall 157\n"


@pytest.mark.parametrize("engine", EMULATORS)
def test_values_of_a_task(engine: str) -> None:
    assert answered(GET.format(0), engine) == 0
    assert answered(GET.format(2), engine) == 0
    assert answered(DELETE, engine) == (1 << 64) - 2
    count = "r1 = *(u64 *)(r0 +0)\nr1 += 5\n*(u64 *)(r0 +0) = r1\n"
    made = GET.format(1) + "if r0 == 0 goto out\n" + count
    again = GET.format(0) + "if r0 == 0 goto out\n" + count
    assert answered(f"{made}{again}r0 = r1\nout: ", engine) == 10
    assert answered(f"{made}{DELETE}r7 = r0\n{GET.format(0)}r0 += r7\nout: ", engine) == 0
    assert answered("r6 = 0\n" + GET.format(1), engine) == 0
    assert answered("r6 = 0\n" + DELETE, engine) == (1 << 64) - 22


@pytest.mark.parametrize("engine", EMULATORS)
@pytest.mark.parametrize("kind", ["cgroup_storage", "percpu_cgroup_storage"])
def test_the_value_of_the_cgroup_is_fresh_in_each_run(engine: str, kind: str) -> None:
    text = "r1 = map[m]\nr2 = 0\ncall 81\nr1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1\nr0 = r1\nexit\n"
    program = ProgramSpec("p", "cgroup_skb", "cgroup_skb", tuple(assemble(text)))
    spec = ObjectSpec({"p": program}, {"m": MapSpec("m", kind, 16, 8, 0)})
    with closing(Emulator(engine).load(spec, "p", {})) as loaded:
        assert [loaded.run(Input(packet=b"\x45" + bytes(60))).r0 for _ in range(3)] == [1, 1, 1]  # as BPF_PROG_TEST_RUN
