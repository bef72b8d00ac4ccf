"""Sequences of map operations on emulators and in the kernel, for every type that both have: every answer is equal.

BPFVM_MAP_OPERATIONS: how many for each type.
"""

from __future__ import annotations

import os

import pytest

from bpfvm.fuzz.maps.differ import differ, lacking, left_out
from bpfvm.fuzz.maps.generate import SHAPES
from bpfvm.fuzz.maps.machine import backends
from bpfvm.fuzz.maps.operation import USER
from bpfvm.fuzz.maps.program import operations
from bpfvm.fuzz.maps.shrink import shrink
from kernel_tests.loading import release
from tests.unit.fuzz.map_plants import Wrong, keeps_the_newest

OPERATIONS, PORTABLE = int(os.environ.get("BPFVM_MAP_OPERATIONS", "50000")), 5_000
TIMES = 50  # that each operation of a type is compared at least
SEED = 1

pytestmark = pytest.mark.skipif(
    release() != (6, 18), reason=f"maps are those of 6.18, and this kernel is {os.uname().release}"
)


@pytest.mark.parametrize("kind", SHAPES)
def test_operations_agree_with_the_kernel(kind: str) -> None:
    report = differ(("interp", "kernel"), SEED, OPERATIONS, types=[kind])
    print(report)
    assert report.differences == []
    assert kind not in [line.partition(":")[0] for line in lacking(report, OPERATIONS)]
    wanted = {("program", name) for shape in SHAPES[kind] for name in operations(shape)}
    wanted |= {("user", name) for name in USER}
    rare = [(one, report.done[kind, *one]) for one in sorted(wanted) if report.done[kind, *one] < TIMES]
    assert rare == []


def test_every_tier_agrees_with_the_kernel() -> None:
    report = differ(("portable", "kernel"), SEED + 1, PORTABLE)
    print(report)
    assert report.differences == []
    assert lacking(report, PORTABLE) == []
    print(f"{len(SHAPES)} types compared, {len(left_out())} left out")
    assert len(SHAPES) >= 16


def test_a_planted_mistake_is_found_and_made_small_on_the_kernel() -> None:
    machines = (Wrong(keeps_the_newest), *backends(["kernel"]))
    report = differ(machines, SEED, 20_000, types=["queue"])
    smallest = shrink(machines, report.differences[0])
    print(f"{len(report.differences[0].case.operations)} to {len(smallest.case.operations)} operations: {smallest}")
    assert len(smallest.case.operations) <= smallest.case.map.max_entries + 3
