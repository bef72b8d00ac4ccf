"""Kernel functions that only a kernel has, called by programs of Python."""

from __future__ import annotations

from bpfvm.kernel.objects.load import load_object
from tests.unit.compiler import kernel_function_programs as programs


def test_a_task_is_under_its_cgroup() -> None:
    assert programs.under.kernel(4).value == 5


def test_a_program_on_a_tracepoint_loads() -> None:
    load_object(programs.woken.object, "woken", {}).close()
