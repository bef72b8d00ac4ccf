"""Maps answer as the kernel did: the sequences of answers.txt, which kernel_tests asks of the running kernel again."""

from __future__ import annotations

import pytest

from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.system import System
from bpfvm.obj.model import ObjectSpec
from tests.unit.emulator.maps.answers import CPUS, PROGRAMS, Case, Step, play, read, value_of

CASES = read()


def ask(system: System, store: MapStore, step: Step) -> object:
    system.cpu = step.cpu
    key, size = step.key or b"", store.spec.value_size
    if step.operation in ("use", "look"):
        address = store.lookup(key) if step.operation == "use" else store.lookup_percpu(key, step.number)
        return system.arena.read(address, size) if address else 0
    if step.operation in PROGRAMS:
        value = bytes([step.filler]) * size
        return store.delete(key) if step.operation == "drop" else store.update(key, value, step.number)
    if step.operation in ("lookup", "pop"):
        method = store.sys_lookup if step.operation == "lookup" else store.sys_lookup_and_delete
        return method(key, step.number)
    if step.operation == "update":
        return store.sys_update(key, value_of(store.spec, step.filler), step.number)
    return store.sys_delete(key) if step.operation == "delete" else store.next_key(step.key)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_answers_are_the_kernels(case: Case) -> None:
    system = System(ObjectSpec({}, {"m": case.spec}), ["m"], CPUS)
    assert play(case, lambda step: ask(system, system.maps["m"], step)) == []


def test_a_changed_answer_is_noticed() -> None:
    case = CASES[0]
    changed = Case(0, case.spec, (Step(0, "delete", bytes(4), 0, 0, "0"),))
    system = System(ObjectSpec({}, {"m": case.spec}), ["m"], CPUS)
    assert play(changed, lambda step: ask(system, system.maps["m"], step)) == [
        "0 delete 00000000 0 00 = -22",
        "and not 0",
    ]


def test_the_file_has_every_type_that_it_is_for() -> None:
    assert {case.spec.type for case in CASES} == {
        "array", "percpu_array", "hash", "percpu_hash", "lru_hash", "lru_percpu_hash",
    }  # fmt: skip
    assert sum(len(case.steps) for case in CASES) >= 1000
