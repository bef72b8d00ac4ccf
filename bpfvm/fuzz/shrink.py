"""The smallest case that still shows a difference: fewer inputs, fewer instructions, simpler operands, plainer memory.

smaller = shrink(machines, report.differences[0])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bpfvm.core.machine import Input
from bpfvm.fuzz.case import Case
from bpfvm.fuzz.edit import Step, without
from bpfvm.fuzz.report import Difference
from bpfvm.fuzz.search import Search
from bpfvm.fuzz.simpler import exchange, inline, merge, observe, on_stack, unpack
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind
from bpfvm.run.backend import Backend

_EVERY = 4  # instructions of a run: of these and fewer, runs of every length are tried
TESTS, SECONDS = 4000, 60.0  # at most, for one case


def shrink(
    machines: Sequence[Backend], found: Difference, tests: int = TESTS, seconds: float = SECONDS
) -> Difference:  # fmt: skip
    """A difference of the same kind, of a case that is as small as was found within `tests` and `seconds`."""
    search = Search(machines, found, tests, seconds)
    before = None
    while before != (before := _size(search.case)) and not search.over:
        for reduction in _REDUCTIONS:
            reduction(search)
    return search.best


def _size(case: Case) -> tuple[int, int, int]:
    """What gets smaller: instructions, how much they say, bytes of input that are not 0."""
    insns = case.program.insns
    said = sum(abs(one.imm) + abs(one.off) + 100 * (one.op.kind is not Kind.ALU) for one in insns)
    return len(insns), said, sum(len(data) - data.count(0) for data in map(_bytes, case.inputs))


def _one_input(search: Search) -> None:
    case = search.case
    for given in reversed(case.inputs):
        if len(case.inputs) > 1 and search.better(replace(case, inputs=(given,))):
            return


def _remove(search: Search) -> None:
    """Runs of instructions, first long ones, from the end of the program."""
    width = max(len(search.insns) // 2, 1)
    while width and not search.over:
        at = len(search.insns) - width
        while at >= 0 and not search.over:
            search.better_steps(without(search.steps, at, min(at + width, len(search.insns))))
            at = min(at - max(width // 2, 1), len(search.insns) - 1)
        width = width // 2 if width > _EVERY else width - 1


def _operands(search: Search) -> None:
    """Immediates and offsets nearer to 0."""
    at = 0
    while at < len(search.insns) and not search.over:
        for field in ("imm", "off"):
            steps = search.steps
            if at >= len(steps):
                return
            one, target = steps[at].insn, steps[at].target
            if field not in one.op.uses or target is not None or one.op.kind is Kind.CALL:
                continue
            for value in _nearer(one, field):
                changed = replace(one, imm=value) if field == "imm" else replace(one, off=value)
                if search.better_steps([*steps[:at], Step(changed), *steps[at + 1 :]]):
                    break
        at += 1


def _nearer(one: Insn, field: str) -> list[int]:
    """Numbers that say less than the operand, the least first; an offset stays aligned."""
    old = one.imm if field == "imm" else one.off
    choices = (0, 8, -8, old // 2 & ~7) if field == "off" else (0, 1, -1, 8, -8, old >> 16, old // 2)
    least = 0 if one.op.kind is Kind.IMM64 else -abs(old)
    return [value for value in dict.fromkeys(choices) if abs(value) < abs(old) and value >= least]


def _memory(search: Search) -> None:
    """Bytes of the input by 0, first many at once; a plain context also becomes shorter."""
    for number, given in enumerate(search.case.inputs):
        if given.ctx:
            _shorten(search, number)
        width = max(len(_bytes(given)) // 2, 1)
        while width and not search.over:
            for at in range(0, len(_bytes(search.case.inputs[number])), width):
                data = _bytes(search.case.inputs[number])
                if any(data[at : at + width]):
                    _give(search, number, data[:at] + bytes(len(data[at : at + width])) + data[at + width :])
            width //= 2


def _shorten(search: Search, number: int) -> None:
    size = len(_bytes(search.case.inputs[number]))
    while size:
        size = size // 2 // 8 * 8
        if not _give(search, number, _bytes(search.case.inputs[number])[:size]):
            return


def _bytes(given: Input) -> bytes:
    return given.ctx or given.packet or b""


def _give(search: Search, number: int, data: bytes) -> bool:
    inputs = search.case.inputs
    old = inputs[number]
    new = replace(old, ctx=data) if old.packet is None else replace(old, packet=data)
    return search.better(replace(search.case, inputs=(*inputs[:number], new, *inputs[number + 1 :])))


# Inputs first, since every try runs all of them; what is left of two may have become the same
_REDUCTIONS = (
    _one_input, _remove, inline, observe, unpack, on_stack, _remove, merge, exchange, _operands, _memory,
)  # fmt: skip
