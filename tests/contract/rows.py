"""Which rows of the instruction table each tier has a handler for and which data file executes: what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bpfvm.core.errors import BpfvmError
from bpfvm.emulator import Emulator
from bpfvm.emulator.code import REFUSED
from bpfvm.isa.insn import slots
from bpfvm.isa.ops import Op
from bpfvm.testing.datafile import NAME, Case
from tests.engines import EMULATORS

ENGINES = EMULATORS

# Row -> the words that a load of it ends in. A kernel function has no handler but what a user gives for it.
REFUSALS = {**REFUSED, "call_kfunc": "a kernel function that is not emulated in this version"}


def gaps(rows: Iterable[Op], cases: Sequence[Case]) -> list[str]:
    """What is missing, a line each: a row that no case executes to its end, or that a tier fails in.

    A row of REFUSALS must be refused by name in a case instead.
    """
    holding: dict[str, list[Case]] = {}
    for case in cases:
        for name in {one.op.name for one in case.insns}:
            holding.setdefault(name, []).append(case)
    return [line for row in rows for line in _gaps(row, holding.get(row.name, []))]


def _gaps(row: Op, cases: Sequence[Case]) -> list[str]:
    if row.name in REFUSALS:
        named = any(case.expect.refused is not None and _refused(row, case) for case in cases)
        return [] if named else [f"{row.name}: no data file shows that it is refused by name"]
    ends = [case for case in cases if case.result is not None]
    if not ends:
        return [f"{row.name}: no data file executes it"]
    wrong = [_handled(row, ends, engine) for engine in ENGINES]
    return [f"{row.name}: {engine}: {line}" for engine, line in zip(ENGINES, wrong, strict=True) if line is not None]


def _refused(row: Op, case: Case) -> bool:
    try:
        Emulator("interp").load(case.spec(), NAME, {}).close()
    except BpfvmError as error:
        return f"({row.name})" in str(error) and REFUSALS[row.name] in str(error)
    return False


def _handled(row: Op, cases: Sequence[Case], engine: str) -> str | None:
    """None where some case executes the row and ends right; else what is wrong with the last that was tried."""
    line = "no data file executes it"
    for case in cases:
        try:
            wrong, met = _run(case, engine)
        except (BpfvmError, LookupError, AttributeError, TypeError) as error:  # what a missing handler raises
            line = f"no handler ({type(error).__name__}: {error})"
            continue
        if wrong:
            line = wrong[0]
        elif row.name in met:
            return None
    return line


def _run(case: Case, engine: str) -> tuple[list[str], set[str]]:
    """What is wrong with a run, and the rows that were executed; on tiers that cannot tell, those of the program."""
    spec = case.spec()
    insns = spec.programs[NAME].insns
    with Emulator(engine, case.budget or 100_000).load(spec, NAME, {}) as loaded:
        if engine != "interp":
            return case.check(loaded.run(case.input())), {one.op.name for one in insns}
        with loaded.cover() as coverage:
            wrong = case.check(loaded.run(case.input()), reference=True)
        counts = coverage.counts[NAME]
    return wrong, {one.op.name for slot, one in zip(slots(insns), insns, strict=False) if counts[slot]}


def executed(cases: Iterable[Case]) -> dict[str, int]:
    """By row, in how many cases that end by a result it stands."""
    counts: dict[str, int] = {}
    for case in cases:
        if case.result is not None:
            for name in {one.op.name for one in case.insns}:
                counts[name] = counts.get(name, 0) + 1
    return counts
