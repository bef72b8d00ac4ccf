"""The reference tier that counts which rows of the instruction table it executes, and which jumps it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import SupportsIndex, cast

from bpfvm.emulator import Emulator, helpers
from bpfvm.emulator.code import Code, Step
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.interp import Helper, Interpreter
from bpfvm.emulator.machine import Tier
from bpfvm.emulator.system import System
from bpfvm.isa.ops import Kind
from bpfvm.tables.helpers import BY_NAME as HELPERS

BUDGET = 100_000  # instructions of one run: a case that needs more is no good case


@dataclass(slots=True)
class Hits:
    """ran: name of a row -> times that it was executed. taken: name of a jump -> times that it was taken."""

    ran: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)


class Traced(Emulator):
    """The engine `interp`, counting into `hits`."""

    def __init__(self, hits: Hits, budget: int = BUDGET) -> None:
        super().__init__("interp", budget)
        self.hits = hits

    def tier(self, system: System) -> Tier:
        """Part of Emulator."""
        table = {HELPERS[name].id: function for name, function in helpers.IMPLEMENTED.items()}
        return _Tracer(system, table, self.budget, self.hits)


class _Steps(list[Step]):
    """Steps that note which of them were asked for."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__(steps)
        self.visited: list[Step] = []

    def __getitem__(self, slot: SupportsIndex | slice) -> Step:  # type: ignore[override]  # the tier asks for one step
        step = cast(Step, super().__getitem__(slot))
        self.visited.append(step)
        return step


class _Tracer(Interpreter):
    def __init__(self, system: System, table: Mapping[int, Helper], budget: int, hits: Hits) -> None:
        super().__init__(system, table, budget)
        self._hits = hits

    def run(self, code: Code, context: Context, seed: int, registers: Mapping[int, int]) -> int:
        """Part of Tier."""
        steps = _Steps(code.steps)
        try:
            return super().run(replace(code, steps=steps), context, seed, registers)
        finally:
            visited = steps.visited[1:]  # a run asks for its first step twice
            self._hits.ran.update(step.op.name for step in visited)
            self._hits.taken.update(
                step.op.name for step, after in pairwise(visited)
                if step.kind is Kind.JUMP and after.slot == step.target != step.next
            )  # fmt: skip
