"""Soundness by machine: all that a run of the reference tier holds lies in the model's state at that instruction, and
nothing that the model takes faults there.

BPFVM_SOUNDNESS says how many programs, on all processors; docs/verifier.md tells of the long run.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Callable

import pytest

from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.emulator import Emulator
from bpfvm.emulator.interp import Interpreter
from bpfvm.fuzz.case import PROGRAM, Case
from bpfvm.verifier.domain import scalar, stack
from bpfvm.verifier.program.object import verify
from bpfvm.verifier.report.verdict import ACCEPT, Verdict
from bpfvm.verifier.steps import alu, branch
from tests.unit.verifier import concrete
from tests.unit.verifier.concrete import Walked, recorded, unlike
from tests.unit.verifier.sources import KINDS, case_of

PROGRAMS = int(os.environ.get("BPFVM_SOUNDNESS", "100"))
BUDGET, WHOLE = 50_000, 4000  # instructions walked: for the verdict, and with every path walked to its end
EXECUTED = 20_000
# Faults of the run: it is too long, a helper is not there, a context is shorter than the program says that it must be
_NOT_OF_THE_PROGRAM = r"^budget:|is not emulated|, context is \d+ bytes"
CHUNK = 250


def judged(numbers: range) -> tuple[Counter[str], list[str]]:
    """What came of the programs, counted by kind, and what is wrong."""
    counts, wrong = Counter[str](), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        for number in numbers:
            kind, case = case_of(number)
            try:
                _judge(patch, kind, case, counts)
            except AssertionError as error:
                wrong.append(f"program {number} ({case.name}): {error}")
    return counts, wrong


def _judge(patch: pytest.MonkeyPatch, kind: str, case: Case, counts: Counter[str]) -> None:
    counts[f"{kind}: programs"] += 1
    if not case.program.insns:
        counts[f"{kind}: no instructions"] += 1
        return
    try:
        verdict = verify(case.spec, PROGRAM, budget=BUDGET)
    except LoadError:
        verdict = Verdict("reject", "", None, 0)
    counts[f"{kind}: {verdict.verdict}"] += 1
    if verdict.verdict != ACCEPT:
        return
    with recorded(patch) as walked:
        whole = verify(case.spec, PROGRAM, budget=WHOLE)
    if whole.verdict != ACCEPT:
        counts[f"{kind}: too many paths, run for faults alone"] += 1
    _run(case, walked if whole.verdict == ACCEPT else None, kind, counts)


def _run(case: Case, walked: Walked | None, kind: str, counts: Counter[str]) -> None:
    """Run the program on its inputs; AssertionError for a fault, and for what lies in no state."""
    try:
        machine = Emulator("interp", EXECUTED).load(case.spec, PROGRAM, case.maps)
    except BpfvmError:
        counts[f"{kind}: not run here"] += 1
        return
    with machine:
        tier = machine.tier
        assert isinstance(tier, Interpreter)

        def look(step: object, executed: int) -> None:
            if walked is not None and tier.code is machine.code:
                slot: int = step.slot  # type: ignore[attr-defined]
                why = unlike(walked, tier, slot)
                counts["instructions compared"] += 1
                assert why is None, why

        for given in case.inputs:
            tier.watch = look
            try:
                result = machine.run(given)
            except BpfvmError:
                counts[f"{kind}: not run here"] += 1
                return
            if result.fault is not None and re.search(
                _NOT_OF_THE_PROGRAM, f"{result.fault.kind}: {result.fault.message}"
            ):
                counts[f"{kind}: not run to its end"] += 1
                return
            assert result.fault is None, result.fault
            counts["runs"] += 1
        counts[f"{kind}: run"] += 1


def test_every_value_lies_in_the_model() -> None:
    counts, wrong = Counter[str](), list[str]()
    parts = [range(first, min(first + CHUNK, PROGRAMS)) for first in range(0, PROGRAMS, CHUNK)]
    if len(parts) == 1:
        results = [judged(parts[0])]
    else:
        with multiprocessing.get_context("spawn").Pool() as pool:
            results = pool.map(judged, parts, chunksize=1)
    for found, faults in results:
        counts += found
        wrong += faults
    for kind in KINDS:
        shown = {name.partition(": ")[2]: count for name, count in counts.items() if name.startswith(f"{kind}: ")}
        print(f"{kind}: {shown}")
    print(f"{PROGRAMS} programs: {counts['runs']} runs, {counts['instructions compared']} instructions compared")
    assert not wrong, "\n".join([f"{len(wrong)} are wrong", *wrong[:20]])
    taken = sum(counts[f"{kind}: run"] for kind in KINDS)
    assert taken >= PROGRAMS // 4
    assert counts["instructions compared"] >= PROGRAMS * 20


def _forgets_a_half(patch: pytest.MonkeyPatch) -> None:
    """An addition takes the other half of what it does not know for zero."""
    patch.setitem(scalar._PLAIN, "add", lambda dst, src: dst.known(dst.v))


def _finds_a_byte_too_many(patch: pytest.MonkeyPatch) -> None:
    """A comparison with the packet's end finds a byte more than there is."""
    with_range = branch._with_range
    patch.setattr(branch, "_with_range", lambda reg, bytes_there: with_range(reg, bytes_there + 1))


def _keeps_an_id(patch: pytest.MonkeyPatch) -> None:
    """A number that was computed is still taken for equal to what it was computed from."""
    patch.setattr(alu, "_link", lambda new, dst, one, name, src: None)


def _keeps_zeros(patch: pytest.MonkeyPatch) -> None:
    """A store of any number leaves the stack zero where it was."""
    patch.setattr(stack, "_is_zero", lambda source, one: True)


def test_a_number_loaded_with_its_sign_is_not_the_one_that_was_spilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes both for equal, and so does the model; a machine does not."""
    numbers = range(23470, 23471)
    assert judged(numbers)[1] == []
    monkeypatch.setattr(concrete, "_of_no_id", scalar.sign_extend)
    assert "fp-24: not in" in judged(numbers)[1][0]


@pytest.mark.parametrize("plant", [_forgets_a_half, _finds_a_byte_too_many, _keeps_an_id, _keeps_zeros])
def test_a_planted_error_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for first in range(0, 400, 40):
        if judged(range(first, first + 40))[1]:
            return
    pytest.fail("no program sees it")
