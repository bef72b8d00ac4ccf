"""The search for a smaller case: the smallest difference so far, and candidates that are tried against it.

Every candidate must be defined (bpfvm.fuzz.defined), so that what is left differs because a machine is wrong and not
because the program asks for something of the machine's own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from bpfvm.core.errors import LoadError
from bpfvm.fuzz.case import Case
from bpfvm.fuzz.defined import undefined
from bpfvm.fuzz.differ import compare, excuse
from bpfvm.fuzz.edit import Step, closed, opened, reachable, without
from bpfvm.fuzz.report import Difference
from bpfvm.isa.insn import Insn
from bpfvm.run.backend import Backend


class Search:
    """best: the smallest difference so far. tried: candidates that were run."""

    def __init__(self, machines: Sequence[Backend], found: Difference, tests: int, seconds: float) -> None:
        self.machines, self.best, self.tried = machines, found, 0
        self._excused = excuse(machines, found.case) is not None
        self._most, self._end = tests, time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether nothing more may be tried."""
        return self.tried >= self._most or time.monotonic() >= self._end

    @property
    def case(self) -> Case:
        """The best case."""
        return self.best.case

    @property
    def insns(self) -> tuple[Insn, ...]:
        """Its instructions."""
        return self.best.case.program.insns

    @property
    def steps(self) -> list[Step]:
        """Its instructions with their targets."""
        return opened(self.insns)

    def better(self, case: Case, where: str = "") -> bool:
        """Whether the case differs in the same kind as the best one, and in `where`; it is the best one then."""
        if self.over or (self.best.kind != "crash" and undefined(case) is not None):
            return False
        self.tried += 1
        found = compare(self.machines, case).difference
        if found is None or found.kind != self.best.kind or not any(line.startswith(where) for line in found.lines):
            return False
        if not self._excused and excuse(self.machines, case) is not None:
            return False
        self.best = found
        return True

    def better_steps(self, steps: Sequence[Step], where: str = "") -> bool:
        """The same for a program of these steps, but for those that nothing leads to; False where they make none."""
        try:
            insns = reached(steps)
        except LoadError:
            return False
        return bool(insns) and insns != self.insns and self.better(self.case.with_insns(insns), where)


def reached(steps: Sequence[Step]) -> tuple[Insn, ...]:
    """The program without the steps that nothing leads to. LoadError where a jump leads past the end."""
    numbers = reachable(steps)
    kept = list(steps)
    for number in range(len(kept) - 1, -1, -1):
        if number not in numbers:
            kept = without(kept, number, number + 1)
    return closed(kept)
