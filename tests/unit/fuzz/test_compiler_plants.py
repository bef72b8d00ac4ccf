"""Planted errors of the compiler: random functions find each within a minute, here the quickest of them.

All are planted where the property tests run with many examples (tox -e fuzz).
"""

from __future__ import annotations

import os

import pytest

from bpfvm.cli.fuzz_python import smallest
from bpfvm.fuzz.python.differ import differ
from tests.unit.fuzz.compiler_plants import PLANTS, Plant, planted

ENGINES = ("cpython", "interp")
SECONDS = 60
GONE = 2  # plants whose text the compiler has no more: they are planted anew beside what came in its place
QUICK = ("comparisons are unsigned", "casts to 8 bits keep 16", "line information is late", "max is min")
WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"


@pytest.mark.parametrize("plant", [one for one in PLANTS if WHOLE or one.name in QUICK], ids=lambda one: one.name)
def test_a_planted_error_is_found(plant: Plant) -> None:
    with planted(plant):
        report = differ(ENGINES, 1, seconds=SECONDS, most=1)
    print(f"{report.generated} functions in {report.seconds:.1f} s: {[str(one) for one in report.differences]}")
    assert report.differences, f"{report.generated} functions and {SECONDS} s did not show it"


def test_plants_are_where_they_were() -> None:
    gone = []
    for plant in PLANTS:
        try:
            with planted(plant):
                pass
        except AssertionError as error:
            gone.append(str(error))
    print(f"{len(PLANTS)} plants; {gone}")
    assert len(PLANTS) >= 30
    assert len(gone) <= GONE, gone
    assert {*QUICK} <= {one.name for one in PLANTS}


def test_a_planted_error_is_reduced() -> None:
    plant = next(one for one in PLANTS if one.name == "comparisons are unsigned")
    with planted(plant):
        first, *_ = differ(ENGINES, 1, seconds=SECONDS, most=1).differences
        small = smallest(ENGINES, first)
    print(f"{first.case.text}\n{small.case.text}\n{small}")
    assert small.kind == first.kind
    assert small.case.text.count("\n") <= 10
    assert len(small.case.inputs) == 1
