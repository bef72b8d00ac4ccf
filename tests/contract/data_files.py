"""Running data files on a machine: what is wrong with which case, how many were compared, and which could not be."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from bpfvm.core.errors import BpfvmError, Unavailable, VerifierReject
from bpfvm.emulator import Emulator
from bpfvm.run.backend import Backend, engine
from bpfvm.testing.batch import Batch, batches
from bpfvm.testing.datafile import NAME, Case, load_cases
from tests.contract.comparison import Comparison

TESTS = Path(__file__).resolve().parents[1]
ISA = TESTS / "isa"
# Edge values of each row; all registers; programs that other machines get wrong; bugs that others had, by symptom
FOLDERS = (ISA, ISA / "registers", ISA / "probes", ISA / "bugs")
OTHERS = (ISA / "long", TESTS / "verifier", Path(__file__).parent)  # those that no run answers among them


@functools.cache
def every_case() -> tuple[Case, ...]:
    """The cases of all folders, read once."""
    return tuple(case for folder in FOLDERS for case in load_cases(folder))


def long_cases() -> list[Case]:
    """The cases that are millions of instructions long: too many for the reference tier, and nothing for the others."""
    return load_cases(ISA / "long")


def compare_all(name: str) -> Comparison:
    """Every data file there is; the long ones are too long for the reference tier."""
    assert {path.parent for path in TESTS.rglob("*.data")} == {*FOLDERS, *OTHERS}
    return compare(name, every_case() if name == "interp" else [*every_case(), *long_cases()])


def compare(name: str, cases: Iterable[Case]) -> Comparison:
    """Every case on the machine `name`.

    Emulators run cases of a result in batches; a batch that is not right is run again case by case. On the kernel each
    is a program of its own, and r0 goes through the context, because it shows 32 bits; a program that its verifier is
    said to refuse must be refused in those words.
    """
    backend, found = engine(name), Comparison()
    if not isinstance(backend, Emulator):
        _one_by_one(backend, cases, found)
        return found
    for one in batches(cases):
        if isinstance(one, Case):
            _one_by_one(backend, [one], found)
        elif _is_right(backend, one):
            found.counts["cases"] += len(one.cases)
        else:
            before = len(found.wrong)
            _one_by_one(backend, one.cases, found)
            if len(found.wrong) == before:
                first, last = one.cases[0].place, one.cases[-1].place
                found.wrong.append(f"{first} to {last}: each case is right, and together in one program they are not")
    return found


def _is_right(backend: Backend, batch: Batch) -> bool:
    try:
        with closing(backend.load(batch.spec(), NAME, {})) as loaded:
            return batch.is_right(loaded.run(batch.input()))
    except BpfvmError:
        return False


def _one_by_one(backend: Backend, cases: Iterable[Case], found: Comparison) -> None:
    """Run each case as a program of its own, and put into `found` what came of it."""
    for case in cases:
        reason = _not_for(case, backend)
        if reason is None:
            try:
                wrong = _compared(case, backend)
            except Unavailable as error:
                reason = str(error).partition(": ")[2] or str(error)
        if reason is not None:
            found.elsewhere[reason] += 1
            continue
        if _must_be_refused(case, backend):
            found.refused += not wrong
        else:
            found.counts["cases"] += 1
        found.wrong += wrong


def _must_be_refused(case: Case, backend: Backend) -> bool:
    return case.expect.refused is not None or (backend.name == "kernel" and case.expect.kernel is not None)


def _not_for(case: Case, backend: Backend) -> str | None:
    """Why the machine is not asked this case, or None."""
    ends_by_budget = case.expect.fault is not None and case.expect.fault[0] == "budget"
    if case.budget is None or isinstance(backend, Emulator) or case.expect.kernel is not None or not ends_by_budget:
        return None
    return f"engine {backend.name} has no budget of instructions"


def _compared(case: Case, backend: Backend) -> list[str]:
    """What is wrong with one case. Unavailable where the machine lacks what the case needs, and is not said to."""
    stored = backend.name == "kernel"
    if case.budget is not None and isinstance(backend, Emulator):
        backend = Emulator(backend.name, case.budget)
    try:
        loaded = backend.load(case.spec(store_result=stored, unread=stored), NAME, {})
    except VerifierReject as error:
        return _refused_by_kernel(case, error)
    except BpfvmError as error:
        if stored and case.expect.kernel is not None:
            return _said(case, str(error))
        if isinstance(error, Unavailable) and case.expect.refused is None:
            raise
        return case.check_refusal(error)
    try:
        wrong = []
        if stored and case.expect.kernel is not None:
            wrong.append(f"{case.place}: the kernel takes it, and must refuse it with {case.expect.kernel!r}")
        return wrong + case.check(loaded.run(case.input(store_result=stored)), reference=backend.name == "interp")
    finally:
        loaded.close()


def _refused_by_kernel(case: Case, error: VerifierReject) -> list[str]:
    if case.expect.kernel is None:
        return case.check_refusal(error)
    return _said(case, f"{error}\n{error.log}")


def _said(case: Case, words: str) -> list[str]:
    if case.expect.kernel is not None and case.expect.kernel in words:
        return []
    return [f"{case.place}: the kernel must say {case.expect.kernel!r}, and says {words.splitlines()[0]}"]
