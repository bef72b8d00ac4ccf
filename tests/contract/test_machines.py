"""Every data file, committed object and function on every machine that needs no kernel, and that a wrong one is found.

kernel_tests/runs/test_all_machines.py is the same with the kernel among the machines. Packet programs over made frames
are compared in tests/unit/emulator/test_packets.py here, which looks closer.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bpfvm.core.bits import M64
from bpfvm.emulator import interp
from bpfvm.emulator.native import runtime as native
from bpfvm.emulator.portable import runtime
from bpfvm.testing.datafile import Case
from tests.contract import exceptions, objects
from tests.contract.data_files import compare, every_case, long_cases
from tests.contract.machines import CORPORA, CPYTHON, MACHINES, Corpus, pairs
from tests.engines import EMULATORS

OFFLINE = [(corpus, name) for corpus, name in pairs()
           if name in (CPYTHON, *EMULATORS) and corpus.name != "packet programs"]  # fmt: skip


@pytest.mark.parametrize(("corpus", "machine"), OFFLINE, ids=str)
def test_machines_agree(corpus: Corpus, machine: str) -> None:
    corpus.check(machine)


def test_nothing_is_left_out() -> None:
    assert [str(corpus) for corpus in CORPORA] == ["data files", "objects", "packet programs", "functions"]
    assert set(MACHINES) >= {"cpython", "interp", "portable", "kernel"}
    assert len(pairs()) == len(CORPORA) * len(MACHINES) - 3  # cpython takes no bytecode


def test_may_goto_gives_up_on_either_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The long case with a patience of 1000 tests: 62 turns of 17 instructions, and 8 tests in the last."""
    monkeypatch.setattr(interp, "MAY_GOTO", 1000)
    monkeypatch.setattr(runtime, "MAY_GOTO", 1000)
    monkeypatch.setattr(native, "MAY_GOTO", 1000)
    (case,) = long_cases()
    case = replace(case, expect=replace(case.expect, insns=1 + 62 * 17 + 9 + 1))
    for engine in ("interp", "portable"):
        assert compare(engine, [case]).wrong == []


def wronged(case: Case) -> Case:
    assert case.result is not None
    return replace(case, expect=replace(case.expect, result=case.result ^ 1))


@pytest.mark.parametrize("engine", EMULATORS)
def test_one_wrong_case_among_many_is_found_and_named(engine: str) -> None:
    cases = [case for case in every_case() if case.result is not None and not case.maps][:100]
    cases[50] = wronged(cases[50])
    found = compare(engine, cases)
    assert found.counts["cases"] == 100
    assert [line.partition(": r0 is ")[0] for line in found.wrong] == [str(cases[50].place)]


def test_results_are_64_bits() -> None:
    high = [case for case in every_case() if case.result is not None and case.result >> 32 not in (0, M64 >> 32)]
    print(f"{len(high)} results with an upper half of their own")
    assert len(high) >= 1500


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No object but this one."""
    one = {name: objects.objects()[name]}
    monkeypatch.setattr(objects, "objects", lambda: one)


def test_a_program_that_is_taken_and_must_not_be_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = exceptions.Row(7, "xdp_count.o", "count", "", "some words")
    planted = {**exceptions.table(), "emulators": (row, *exceptions.table()["emulators"])}
    monkeypatch.setattr(exceptions, "table", lambda: planted)
    only(monkeypatch, "xdp_count.o")
    lines = objects.compare("portable").wrong
    assert lines[0] == "xdp_count.o count: it was loaded, and must be refused with 'some words'"


def test_a_line_of_no_program_and_a_refusal_without_a_line_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = exceptions.Row(7, "nowhere.o", "count", "", "some words")
    monkeypatch.setattr(exceptions, "table", lambda: {name: (row,) for name in exceptions.SECTIONS})
    only(monkeypatch, "insns_callx.o")
    lines = objects.compare("portable").wrong
    assert "objects.data:7: section 'kernel': no object has nowhere.o count" in lines
    assert any(re.fullmatch(r"insns_callx\.o indirect: refused: .*calls through a register.*", line) for line in lines)
