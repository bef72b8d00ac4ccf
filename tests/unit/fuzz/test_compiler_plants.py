"""Planted errors of the compiler: each is seen by a program or a test that is there for it, whatever chance does.

Random functions find most of them within a minute: here the quickest, all where the property tests run with many
examples (tox -e fuzz), but for those that random functions cannot show.
"""

from __future__ import annotations

import os
from importlib import import_module

import pytest

from bpfvm.cli.fuzz_python import smallest
from bpfvm.compiler.ir.check import BrokenIr
from bpfvm.compiler.regalloc.check import BadAllocation
from bpfvm.core.errors import BpfvmError
from bpfvm.fuzz.python import files
from bpfvm.fuzz.python.differ import differ
from bpfvm.fuzz.python.run import compare, machines
from tests.contract import levels
from tests.unit.fuzz.compiler_plants import PLANTS, Plant, planted
from tests.unit.fuzz.test_python import FOUND

ENGINES = ("cpython", "interp")
MOST = 4500  # as many as a processor makes in a minute; a clock would tell of what else it does
GONE = 2  # plants whose text the compiler has no more: they are planted anew beside what came in its place
UNMET = {
    "jumps reach twice as far": "no random function is so long",
    "a long jump counts from itself": "no random function is so long",
    "members in BTF stand at bytes": "debug information is not run",
    "numbers in BTF have no sign": "debug information is not run",
    "bit-fields keep no neighbours": "random structs have no bit-fields",
    "bit-fields have no sign": "random structs have no bit-fields",
}  # plants that random functions do not find in a minute, with the reason
QUICK = ("comparisons are unsigned", "casts to 8 bits keep 16", "line information is late", "max is min")
WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"


@pytest.mark.parametrize(
    "plant", [one for one in PLANTS if (WHOLE and one.name not in UNMET) or one.name in QUICK], ids=lambda one: one.name
)
def test_a_planted_error_is_found(plant: Plant) -> None:
    with planted(plant):
        report = differ(ENGINES, 1, programs=MOST, most=1)
    print(f"{report.generated} functions in {report.seconds:.1f} s: {[str(one) for one in report.differences]}")
    assert report.differences, f"{report.generated} functions did not show it"


def _shown(plant: Plant) -> str | None:
    """What is wrong with what shows the plant, None for nothing."""
    module, _, test = plant.seen.partition(":")
    path = FOUND / f"{plant.seen}.py"
    try:
        if test:
            getattr(import_module(f"tests.unit.{module}"), test)(*plant.given)
            return None
        if path.exists():
            verdict = compare(ENGINES, machines(ENGINES), files.read(path), "v3")
            return str(verdict.difference) if verdict.difference is not None else None
        return next(levels.wrong(3, "interp", only=plant.seen), None)
    except (AssertionError, BadAllocation, BrokenIr, BpfvmError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("plant", PLANTS, ids=lambda one: one.name)
def test_a_planted_error_is_seen_by_what_is_there_for_it(plant: Plant) -> None:
    with planted(plant):
        found = _shown(plant)
    assert found is not None, f"{plant.seen} does not show it"
    print(found.splitlines()[0][:150])


def test_plants_are_where_they_were() -> None:
    gone = []
    for plant in PLANTS:
        try:
            with planted(plant):
                pass
        except AssertionError as error:
            gone.append(str(error))
    print(f"{len(PLANTS)} plants; {gone}")
    assert len(PLANTS) >= 50
    assert len(gone) <= GONE, gone
    assert {*QUICK, *UNMET} <= {one.name for one in PLANTS}


def test_a_planted_error_is_reduced() -> None:
    plant = next(one for one in PLANTS if one.name == "comparisons are unsigned")
    with planted(plant):
        first, *_ = differ(ENGINES, 1, programs=MOST, most=1).differences
        small = smallest(ENGINES, first)
    print(f"{first.case.text}\n{small.case.text}\n{small}")
    assert small.kind == first.kind
    assert small.case.text.count("\n") <= 10
    assert len(small.case.inputs) == 1
