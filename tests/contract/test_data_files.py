"""Every data file on every emulator: all cases give what they must, and how many were compared is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpfvm.core.bits import M64
from bpfvm.emulator import interp
from bpfvm.emulator.portable import runtime
from bpfvm.testing.datafile import Case
from tests.contract.data_files import compare, every_case, long_cases

FLOOR = 13_000


@pytest.mark.parametrize("engine", ["interp", "portable"])
def test_data_files(engine: str) -> None:
    found = compare(engine, every_case())
    print(f"{engine}: {found}")
    assert found.wrong == []
    assert dict(found.elsewhere) == {}
    assert found.compared >= FLOOR


def test_long_data_files() -> None:
    found = compare("portable", long_cases())
    print(f"portable: {found}")
    assert found.wrong == []
    assert found.compared == len(long_cases()) >= 1


def test_may_goto_gives_up_on_either_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The long case with a patience of 1000 tests: 62 turns of 17 instructions, and 8 tests in the last."""
    monkeypatch.setattr(interp, "MAY_GOTO", 1000)
    monkeypatch.setattr(runtime, "MAY_GOTO", 1000)
    (case,) = long_cases()
    case = replace(case, expect=replace(case.expect, insns=1 + 62 * 17 + 9 + 1))
    for engine in ("interp", "portable"):
        assert compare(engine, [case]).wrong == []


def wronged(case: Case) -> Case:
    assert case.result is not None
    return replace(case, expect=replace(case.expect, result=case.result ^ 1))


@pytest.mark.parametrize("engine", ["interp", "portable"])
def test_one_wrong_case_among_many_is_found_and_named(engine: str) -> None:
    cases = [case for case in every_case() if case.result is not None and not case.maps][:100]
    cases[50] = wronged(cases[50])
    found = compare(engine, cases)
    assert found.compared == 100
    assert [line.partition(": r0 is ")[0] for line in found.wrong] == [str(cases[50].place)]


def test_results_are_64_bits() -> None:
    high = [case for case in every_case() if case.result is not None and case.result >> 32 not in (0, M64 >> 32)]
    print(f"{len(high)} results with an upper half of their own")
    assert len(high) >= 1500
