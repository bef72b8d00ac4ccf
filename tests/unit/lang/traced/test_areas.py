# mypy: disable-error-code="no-untyped-def, attr-defined"
"""Areas of a task's memory: given with the task, found by bpf_find_vma, told to a function as objects of the kernel."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from bpfvm import bpf, current, session, vmlinux
from bpfvm.timeline import Task
from tests.contract.areas import ask, wanted
from tests.engines import EMULATORS

ENGINES = ("cpython", *EMULATORS)
FRAME = bytes(64)


@bpf.xdp
def looks(ctx: Any) -> int:
    ask()
    calls = 0

    def counted(task: Any, vma: Any) -> None:
        nonlocal calls
        calls += 1
        assert vma.vm_start != 0x7000, "the last one"

    above = bpf.helper.find_vma(current().real_parent, wanted[0], counted)
    return calls if above == 0 else 9


INIT = Task(1, "systemd", vmas=[])
OWN = [(0x1000, 0x3000), vmlinux.new("vm_area_struct", vm_start=0x5000, vm_end=0x6000), (0x7000, 0x8000)]
BASH = Task(7, "bash", parent=INIT, vmas=OWN)
ALONE = Task(8, "alone", vmas=OWN)
CASES = (
    (BASH, 0x1000, 0, (0x1000, 0x3000, 7, 3, 0), 9),
    (BASH, 0x2FFF, 0, (0x1000, 0x3000, 7, 3, 0), 9),
    (BASH, 0x3000, 0, (0, 0, 0, 0, -errno.ENOENT), 9),
    (BASH, 0x5800, 0, (0x5000, 0x6000, 7, 0, 0), 9),
    (BASH, 0x5800, 1, (0, 0, 0, 0, -errno.EINVAL), 9),
    (ALONE, 0x1000, 0, (0x1000, 0x3000, 8, 3, 0), 1),
    (INIT, 0, 0, (0, 0, 0, 0, -errno.ENOENT), 9),
)


@pytest.mark.parametrize("engine", ENGINES)
def test_areas_are_found(engine: str) -> None:
    for task, address, flags, expected, value in CASES:
        with session(looks, engine, maps={"wanted": {0: address, 1: flags}}) as runs:
            outcome = runs.run(FRAME, task=task)
        assert tuple(outcome.maps["found"][0].values()) == expected, (task, address)
        assert (outcome.value, outcome.fault) == (value, None)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fault_in_the_function_ends_the_program(engine: str) -> None:
    with session(looks, engine, maps={"wanted": {0: 0x7001}}) as runs:
        outcome = runs.run(FRAME, task=ALONE)
    assert outcome.fault is not None
    assert outcome.fault.kind == "AssertionError"
    assert outcome.fault.message.startswith("the last one")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_task_of_which_nobody_says(engine: str) -> None:
    with session(looks, engine) as runs:
        outcome = runs.run(FRAME, task=Task(9, "nobody"))
    assert outcome.fault is not None
    assert "of which nobody says what areas it has: Task(7, vmas=[(0x400000, 0x401000)])" in outcome.fault.message


def test_the_task_shows_them() -> None:
    assert [int(one.vm_start) for one in BASH.areas] == [0x1000, 0x5000, 0x7000]
    assert (BASH["mm"].map_count, INIT["mm"].map_count, Task(3)["mm"]) == (3, 0, 0)
