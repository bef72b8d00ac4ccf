"""Programs that mostly no verifier would take, on all tiers, on the native one in both of its modes.

Where the reference tier does not fault, all are equal: r0, memory, packets, maps. Where it does, the portable tier and
mode `checked` fault at the same instruction; mode `safe` ends somehow, and does no harm. A process that dies of it is
what is looked for, too: nothing here catches that. One program in OPTIMISED is compiled as code that runs often is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

from bpfvm.core.errors import LoadError
from bpfvm.emulator import Emulator
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.machine import Tier
from bpfvm.emulator.system import System
from bpfvm.fuzz.case import Case
from bpfvm.fuzz.damage import BUDGET, damaged_case
from bpfvm.fuzz.differ import MOST, compare, count
from bpfvm.fuzz.generate import program
from bpfvm.fuzz.mutate import changed
from bpfvm.fuzz.report import Report
from bpfvm.run.backend import Backend, engine
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

META = "data_meta"
CHECKED, SAFE = "checked", "safe"
NAMES = ("interp", "portable", CHECKED, SAFE)
SLOWEST = 10.0  # seconds of the processor that one program may take on all of them
OPTIMISED = 10  # which takes ten times as long
_WEIGHTS = (3, 3, 4)  # of programs as a verifier takes them, changed ones, damaged ones


class Mode(Emulator):
    """Engine `native` in one mode, by the mode's name. optimised: whether all is optimised from the start."""

    def __init__(self, name: str, budget: int = BUDGET, optimised: bool = False) -> None:
        engine("native")  # Unavailable where it is missing
        super().__init__(name, budget, safe=name == SAFE)
        self.optimised = optimised

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        """Part of Emulator."""
        from bpfvm.emulator.native.code.engine import ONCE, QUICK
        from bpfvm.emulator.native.runtime import Runtime

        return Runtime(system, table, self.budget, self.safe, first=ONCE if self.optimised else QUICK)


def machines(budget: int = BUDGET, optimised: bool = False) -> list[Backend]:
    """The reference tier, the portable one and both modes. Unavailable where the native tier is missing."""
    modes = [Mode(name, budget, optimised) for name in (CHECKED, SAFE)]
    return [Emulator("interp", budget), Emulator("portable", budget), *modes]


def unverified(
    seed: int, programs: int | None = None, seconds: float | None = None, *, most: int = MOST,
    progress: Callable[[Report], None] | None = None, report: Report | None = None,
) -> Report:  # fmt: skip
    """Compare until `programs` were made, `seconds` are over or `most` differences were found. compared counts those
    that all could load and that ended in time."""
    report = report if report is not None else Report(NAMES, seed)
    quick, optimised = machines(), machines(optimised=True)
    start = time.monotonic()
    while len(report.differences) < most:
        began = time.process_time()
        report.seconds = time.monotonic() - start
        if (programs is not None and report.generated >= programs) or (seconds and report.seconds >= seconds):
            break
        case = made(seed, report.generated)
        left = "its bytes are no program" if case is None else _left_out(case)
        if case is None or left is not None:
            report.generated += 1
            report.rejected[str(left)] += 1
            continue
        found = quick if report.generated % OPTIMISED else optimised
        count(report, compare(found, case, contained=(SAFE,)), found)
        if time.process_time() - began > SLOWEST:
            report.rejected[f"over {SLOWEST:.0f} s for a budget of {BUDGET} instructions"] += 1
        if progress is not None:
            progress(report)
    report.seconds = time.monotonic() - start
    return report


def made(seed: int, number: int) -> Case | None:
    """Program `number` of a seed; None for bytes that do not decode."""
    name = f"{seed}:{number}"
    rng = random.Random(f"{name}:unverified")
    base = program(rng, name)
    how = rng.choices(range(3), _WEIGHTS)[0]
    try:
        if how == 0:
            return base
        if how == 1:
            return base.with_insns(changed(rng, base.program.insns, rng.choice((1, 2, 4, 8))))
        return damaged_case(name, rng, base.program.insns)
    except LoadError:
        return None


def _left_out(case: Case) -> str | None:
    """Why a case is not compared: metadata that is not there has no bytes in the reference tier, and is an address in
    the others (docs/differences.md)."""
    layout = CONTEXTS.get(PROGRAM_TYPES[case.program.type].context or "")
    at = next((one.offset for one in layout.fields if one.name == META), None) if layout is not None else None
    if at is None or all(one.fields.get(META) for one in case.inputs):
        return None
    if any(one.op.name == "ldx32" and one.off == at for one in case.program.insns):
        return "it reads data_meta of a packet that has none"
    return None
