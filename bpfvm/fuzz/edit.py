"""Programs as something that can be cut: jumps and calls name instructions, not distances.

steps = opened(program.insns)
closed(without(steps, 3, 5))        # instructions 3 and 4 gone, what went there goes to what stood behind them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bpfvm.core.bits import M32, signed
from bpfvm.core.errors import LoadError
from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction; target: the index of the one that it jumps to, calls or points to, or None."""

    insn: Insn
    target: int | None = None


def opened(insns: Sequence[Insn]) -> list[Step]:
    """The instructions with their targets. LoadError for a jump that leads to no instruction."""
    at = slots(insns)
    index = {slot: number for number, slot in enumerate(at[:-1])}
    steps = []
    for slot, one in zip(at, insns, strict=False):
        goal = target_slot(one, slot)
        if goal is not None and goal not in index:
            raise LoadError(f"instruction {slot} leads to slot {goal}, where no instruction begins")
        steps.append(Step(one, None if goal is None else index[goal]))
    return steps


def closed(steps: Sequence[Step]) -> tuple[Insn, ...]:
    """The instructions with their distances. LoadError for one that is too far for its field."""
    at = slots([step.insn for step in steps])
    return tuple(_aimed(step, at[number], at) for number, step in enumerate(steps))


def without(steps: Sequence[Step], start: int, stop: int) -> list[Step]:
    """The steps but for those from `start` up to `stop`; what led to one of these leads to the step at `stop`."""

    def moved(target: int | None) -> int | None:
        if target is None or target < start:
            return target
        return max(target, stop) - (stop - start)

    return [Step(step.insn, moved(step.target)) for step in (*steps[:start], *steps[stop:])]


def inserted(steps: Sequence[Step], at: int, new: Sequence[Insn]) -> list[Step]:
    """The steps with instructions that lead nowhere before the step at `at`; what led there leads to it still."""
    moved = [
        Step(step.insn, step.target + len(new) if step.target is not None and step.target >= at else step.target)
        for step in steps
    ]
    return [*moved[:at], *map(Step, new), *moved[at:]]


def reachable(steps: Sequence[Step]) -> set[int]:
    """The indexes that the entry leads to, by falling through, jumps and calls; past the end counts as no index."""
    seen: set[int] = set()
    waiting = [0]
    while waiting:
        number = waiting.pop()
        if number in seen or number >= len(steps):
            continue
        seen.add(number)
        step = steps[number]
        if step.target is not None:
            waiting.append(step.target)
        if step.insn.op.kind not in (Kind.GOTO, Kind.EXIT):
            waiting.append(number + 1)
    return seen


def _aimed(step: Step, slot: int, at: Sequence[int]) -> Insn:
    if step.target is None:
        return step.insn
    if step.target >= len(at) - 1:
        raise LoadError(f"instruction {slot} leads past the end")
    reach = at[step.target] - slot - 1
    if "off" in step.insn.op.uses:
        if signed(reach, 16) != reach:
            raise LoadError(f"instruction {slot} leads {reach} slots away, and its field has 16 bits")
        return replace(step.insn, off=reach)
    return replace(step.insn, imm=reach & M32 if step.insn.op.kind is Kind.IMM64 else reach)
