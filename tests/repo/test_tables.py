"""Every row of the instruction table has a handler in each tier and a data file that executes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bpfvm.emulator import interp
from bpfvm.emulator.portable import expressions
from bpfvm.isa.ops import BY_NAME, OPS, Kind
from bpfvm.testing.datafile import Case, load_cases
from tests.contract.data_files import ISA
from tests.contract.rows import REFUSALS, executed, gaps

CASES = load_cases(ISA)


def test_no_row_lacks_a_handler_or_a_data_file() -> None:
    counts = executed(CASES)
    rows = [op for op in OPS if op.name not in REFUSALS]
    print(f"{len(rows)} rows executed on two tiers by {len(CASES)} cases, {len(REFUSALS)} rows refused by name")
    print("fewest cases:", *sorted((counts.get(op.name, 0), op.name) for op in rows)[:5])
    assert gaps(OPS, CASES) == []
    assert len(rows) >= 175


def _without_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(interp.OTHERS, Kind.STORE_RELEASE)


def _without_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(expressions.VALUES, "smod")


def _without_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(expressions.TESTS, "jset")


@pytest.mark.parametrize(
    ("remove", "names", "engine"),
    [
        (_without_handler, [f"store_release{bits}" for bits in (8, 16, 32, 64)], "interp"),
        (_without_expression, [f"smod{bits}_{form}" for bits in (32, 64) for form in "kx"], "portable"),
        (_without_test, [f"jset{bits}_{form}" for bits in (32, 64) for form in "kx"], "portable"),
    ],
)
def test_a_handler_that_is_removed_is_missed(
    monkeypatch: pytest.MonkeyPatch, remove: Callable[[pytest.MonkeyPatch], None], names: list[str], engine: str
) -> None:
    remove(monkeypatch)
    found = gaps([BY_NAME[name] for name in (*names, "add64_k")], CASES)
    assert [line.partition(": no handler")[0] for line in found] == [f"{name}: {engine}" for name in names]


def _holds(case: Case, name: str) -> bool:
    return any(one.op.name == name for one in case.insns)


@pytest.mark.parametrize("name", ["neg32", "ldsx16", "atomic_fetch_xor64", "bswap64", "gotol"])
def test_a_data_file_that_is_removed_is_missed(name: str) -> None:
    left = [case for case in CASES if not _holds(case, name)]
    assert gaps([BY_NAME[name], BY_NAME["add64_k"]], left) == [f"{name}: no data file executes it"]


def test_a_row_that_is_refused_needs_its_data_file_too() -> None:
    left = [case for case in CASES if not _holds(case, "gotox")]
    assert gaps([BY_NAME["gotox"]], left) == ["gotox: no data file shows that it is refused by name"]


def test_a_case_that_only_holds_a_row_does_not_execute_it() -> None:
    (case,) = (one for one in CASES if one.name == "goto: forward: r2=0")
    unreached = replace(case, insns=(*case.insns, replace(case.insns[-1], op=BY_NAME["neg32"]), case.insns[-1]))
    assert gaps([BY_NAME["neg32"]], [unreached]) == ["neg32: interp: no data file executes it"]


def test_a_new_row_is_missed() -> None:
    assert gaps([replace(BY_NAME["neg64"], name="abs64")], CASES) == ["abs64: no data file executes it"]
