"""The reference tier that counts which rows of the instruction table it executes, and which jumps it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from bpfvm.emulator import Emulator
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.caller import Operand
from bpfvm.emulator.code import Code, Step
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.machine import Tier
from bpfvm.emulator.system import System
from bpfvm.isa.ops import Kind

BUDGET = 100_000  # instructions of one run: a case that needs more is no good case


@dataclass(slots=True)
class Hits:
    """ran: name of a row -> times that it was executed. taken: name of a jump -> times that it was taken."""

    ran: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)

    def add(self, other: Hits) -> None:
        """Put in what another process counted."""
        self.ran.update(other.ran)
        self.taken.update(other.taken)


class Traced(Emulator):
    """The engine `interp`, counting into `hits`."""

    def __init__(self, hits: Hits, budget: int = BUDGET) -> None:
        super().__init__("interp", budget)
        self.hits = hits

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        """Part of Emulator."""
        return _Tracer(system, table, self.budget, self.hits)


class _Tracer(Interpreter):
    def __init__(self, system: System, table: Mapping[int, Helper], budget: int, hits: Hits) -> None:
        super().__init__(system, table, budget)
        self._hits = hits

    def run(
        self, code: Code, context: Context, seed: int, registers: Mapping[int, Operand], slot: int = 0
    ) -> int:  # fmt: skip
        """Part of Tier."""
        visited: list[Step] = []
        self.watch = lambda step, executed: visited.append(step)
        try:
            return super().run(code, context, seed, registers, slot)
        finally:
            self._hits.ran.update(step.op.name for step in visited)
            self._hits.taken.update(
                step.op.name for step, after in pairwise(visited)
                if step.kind is Kind.JUMP and after.slot == step.target != step.next
            )  # fmt: skip
