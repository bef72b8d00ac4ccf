"""Values that belong to the kernel's objects: what the kernel gives, and programs that its verifier takes."""

from __future__ import annotations

import pytest

from bpfvm import Program
from bpfvm.kernel.objects.load import load_object
from tests.unit.compiler import storage_programs as programs
from tests.unit.compiler.test_storages import CALLS


def test_values_of_the_current_task() -> None:
    with programs.counted.session("kernel") as session:
        found = [session.outcome(programs.counted.input((one,))) for one, _ in CALLS]
    assert [one.value for one in found] == [want for _, want in CALLS]


@pytest.mark.parametrize("program", [programs.switched, programs.woken], ids=lambda one: one.name)
def test_programs_on_tracepoints_load(program: Program) -> None:
    load_object(program.object, program.name, {}).close()
