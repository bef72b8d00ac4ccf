"""Every emulator tier on random and on changed programs: the same results, memory, maps and faults."""

from __future__ import annotations

import pytest

from bpfvm.fuzz.damage import robust
from bpfvm.fuzz.differ import differ
from bpfvm.fuzz.mutate import mutant
from bpfvm.run.backend import ENGINES

TIERS = [row.name for row in ENGINES if row.name not in ("interp", "kernel") and row.missing() is None]
COUNTS = {"native": (200, 60, 300)}  # programs, mutants, damaged programs; compiling takes its time
MOST = (500, 150, 800)


@pytest.mark.parametrize("name", TIERS)
def test_a_tier_agrees_with_the_reference_tier(name: str) -> None:
    programs, mutants, _ = COUNTS.get(name, MOST)
    report = differ(("interp", name), 1, programs)
    print(report)
    assert report.differences == []
    assert report.compared >= programs
    changed = differ(("interp", name), 1, mutants, generator=mutant)
    print(changed)
    assert changed.differences == []
    assert changed.compared >= mutants


@pytest.mark.parametrize("name", TIERS)
def test_nothing_but_its_own_errors_comes_out_of_a_tier(name: str) -> None:
    *_, damaged = COUNTS.get(name, MOST)
    report = robust(name, 2, damaged)
    print(report)
    assert report.differences == []
    assert report.compared == damaged
