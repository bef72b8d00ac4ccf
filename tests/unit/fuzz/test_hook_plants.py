"""Planted errors in what the compiler makes of packets, maps and events: each is seen by what is there for it.

Random programs find most of them within a minute: here the quickest, all where the property tests run with many
examples (tox -e fuzz).
"""

from __future__ import annotations

import os
from functools import cache

import pytest

from bpfvm.cli.fuzz_python import smallest
from bpfvm.core.errors import BpfvmError
from bpfvm.fuzz.hooks.constructs import PROGRAMS
from bpfvm.fuzz.python import files
from bpfvm.fuzz.python.differ import differ
from bpfvm.fuzz.python.run import compare, machines
from tests.contract import levels, views
from tests.unit.fuzz.compiler_plants import Plant, planted
from tests.unit.fuzz.hook_plants import HOOK_PLANTS
from tests.unit.fuzz.test_python import FOUND
from tests.views import frames, programs

ENGINES = ("cpython", "interp")
MOST = 2500  # as many as a processor makes in a minute; a clock would tell of what else it does
QUICK = (
    "layers lie a byte further", "what was tested for less is good for more", "bytes of names share one object",
    "setdefault stores over what there is", "get gives the default of the map", "a full map is no fault",
)  # fmt: skip
UNMET = {
    "what was found is found after a deletion": "a key must be the same as another one that was stored in between",
    "a fault leaves its record": "few programs fault between reserve and submit",
    "events are a byte too short": "few programs send what lies in a map by output",
}  # plants that random programs do not find in a minute, with the reason
WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
CUT = 29  # of each frame, every so manieth part is given


@pytest.mark.parametrize(
    "plant",
    [one for one in HOOK_PLANTS if (WHOLE and one.name not in UNMET) or one.name in QUICK],
    ids=lambda one: one.name,
)
def test_a_planted_error_is_found(plant: Plant) -> None:
    with planted(plant):
        report = differ(ENGINES, 1, programs=MOST, most=1, subject=PROGRAMS)
    print(f"{report.generated} programs in {report.seconds:.1f} s: {[str(one) for one in report.differences]}")
    assert report.differences, f"{report.generated} programs did not show it"


@cache
def _cut() -> list[bytes]:
    return list(frames.cut(CUT))


def _shown(plant: Plant) -> str | None:
    """What is wrong with what shows the plant, None for nothing."""
    path = FOUND / f"{plant.seen}.py"
    if path.exists():
        found = (compare(ENGINES, machines(ENGINES), files.read(path), "v3", one) for one in (True, False))
        return next((str(one.difference) for one in found if one.difference is not None), None)
    name, _, sockets = plant.seen.partition(" of ")
    seen = [one for one in (programs.SOCKET if sockets else programs.XDP) if one.name == name]
    try:
        if seen:
            return next(iter(views.compare(seen, _cut(), "interp", record=False).wrong), None)
        return next(levels.wrong(3, "interp", only=plant.seen), None)
    except (AssertionError, BpfvmError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("plant", HOOK_PLANTS, ids=lambda one: one.name)
def test_a_planted_error_is_seen_by_what_is_there_for_it(plant: Plant) -> None:
    with planted(plant):
        found = _shown(plant)
    assert found is not None, f"{plant.seen} does not show it"
    print(found.splitlines()[0][:150])


def test_a_planted_error_is_reduced() -> None:
    plant = next(one for one in HOOK_PLANTS if one.name == QUICK[0])
    with planted(plant):
        first, *_ = differ(ENGINES, 1, programs=MOST, most=1, subject=PROGRAMS).differences
        small = smallest(ENGINES, first)
    print(f"{first.case.text}\n{small.case.text}\n{small}")
    assert small.kind == first.kind
    assert small.case.text.count("\n") <= 8
    assert len(small.case.inputs) == 1


def test_nothing_is_seen_without_plants() -> None:
    shown = {one.seen: _shown(one) for one in HOOK_PLANTS}
    print(f"{len(HOOK_PLANTS)} plants, {len(shown)} programs that show them")
    assert len(HOOK_PLANTS) >= 25
    assert {*QUICK, *UNMET} <= {one.name for one in HOOK_PLANTS}
    assert not any(shown.values())
