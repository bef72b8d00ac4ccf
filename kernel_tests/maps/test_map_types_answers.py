"""The answers that offline tests hold the emulator to (tests/unit/emulator/maps/answers.txt), asked again."""

from __future__ import annotations

import os

import pytest

from bpfvm.kernel.maps.calls import Calls
from bpfvm.kernel.maps.elements import possible_cpus
from kernel_tests.loading import release
from kernel_tests.maps.calls import DELETE, LOOKUP, LOOKUP_CPU, UPDATE, Call, Programs, in_kernel
from tests.unit.emulator.maps.answers import CPUS, PROGRAMS, Case, Step, play, read, value_of

pytestmark = [
    pytest.mark.skipif(release() != (6, 18), reason=f"measured on 6.18, and this kernel is {os.uname().release}"),
    pytest.mark.skipif(possible_cpus() != CPUS, reason=f"measured with {CPUS} possible CPUs, and here are others"),
]


def ask(case: Case, programs: Programs, user: Calls, step: Step) -> object:
    os.sched_setaffinity(0, {step.cpu})
    key = step.key or b""
    if step.operation in PROGRAMS:
        value = bytes([step.filler]) * case.spec.value_size
        operation = {"use": LOOKUP, "look": LOOKUP_CPU, "change": UPDATE, "drop": DELETE}[step.operation]
        cpu, flags = (step.number, 0) if step.operation == "look" else (0, step.number)
        result, _, found = programs(Call(operation, key, value, flags, cpu), step.cpu)
        if operation in (LOOKUP, LOOKUP_CPU):
            return found[: case.spec.value_size] if result else 0
        return result - (1 << 64) if result >> 63 else result
    if step.operation in ("lookup", "pop"):
        method = user.sys_lookup if step.operation == "lookup" else user.sys_lookup_and_delete
        return method(key, step.number)
    if step.operation == "update":
        return user.sys_update(key, value_of(case.spec, step.filler), step.number)
    return user.sys_delete(key) if step.operation == "delete" else user.next_key(step.key)


def test_the_kernel_answers_as_the_file_says() -> None:
    cases, before = read(), os.sched_getaffinity(0)
    asked = 0
    for case in cases:
        programs, user = in_kernel(case.spec)
        try:
            wrong = play(case, lambda step: ask(case, programs, user, step))  # noqa: B023
        finally:
            os.sched_setaffinity(0, before)
            programs.close()
        assert not wrong, (str(case), wrong)
        asked += len(case.steps)
    print(f"{asked} answers on {len(cases)} maps")
    assert asked >= 1000
