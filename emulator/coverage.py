"""What was executed, instruction by instruction: how often each slot, and each side of each branch.

with loaded.cover() as coverage:        the reference tier calls it before every instruction
    loaded.run(…)
coverage.counts["count"][7]             how often slot 7 of program count was executed
"""

from __future__ import annotations

from bpfvm.emulator.code import Code, Step
from bpfvm.emulator.interp import Interpreter
from bpfvm.isa.ops import Kind

_BRANCHES = (Kind.JUMP, Kind.MAY_GOTO)


class Coverage:
    """Counts of all runs while it watches. By program name: counts by slot; sides: slot of a branch -> times that it
    fell through, times that it was taken; steps: pairs of slots that followed one another, -1 before the first and
    behind the last.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self.counts: dict[str, list[int]] = {}
        self.sides: dict[str, dict[int, list[int]]] = {}
        self.steps: dict[str, set[tuple[int, int]]] = {}
        self._interpreter = interpreter
        self._code: Code | None = None
        self._branch: Step | None = None
        self._last = -1
        self._counts: list[int] = []
        self._sides: dict[int, list[int]] = {}
        self._steps: set[tuple[int, int]] = set()

    def __call__(self, step: Step, executed: int) -> None:
        """Part of Interpreter.watch."""
        if self._interpreter.code is not self._code:
            self._turn_to(self._interpreter.code)
        if not executed:
            self._branch, self._last = None, -1
        slot = step.slot
        self._counts[slot] += 1
        if self._branch is not None:
            self._sides.setdefault(self._branch.slot, [0, 0])[slot == self._branch.target] += 1
        self._steps.add((self._last, slot))
        if step.kind is Kind.EXIT:
            self._steps.add((slot, -1))
        self._branch = step if step.kind in _BRANCHES else None
        self._last = slot

    def __enter__(self) -> Coverage:
        self._interpreter.watch = self
        return self

    def __exit__(self, *error: object) -> None:
        self._interpreter.watch = None

    def _turn_to(self, code: Code | None) -> None:
        """The program that runs has changed: by a tail call, or because another one is covered."""
        assert code is not None, "something runs"
        name = code.program.name
        self._code, self._branch, self._last = code, None, -1
        self._counts = self.counts.setdefault(name, [0] * len(code.steps))
        self._sides = self.sides.setdefault(name, {})
        self._steps = self.steps.setdefault(name, set())
