"""Programs changed at random: what verifiers and loaders rarely see from a generator that knows what they take."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from bpfvm.core.errors import LoadError
from bpfvm.fuzz import edges
from bpfvm.fuzz.case import Case
from bpfvm.fuzz.defined import undefined
from bpfvm.fuzz.edit import Step, closed, inserted, opened, without
from bpfvm.fuzz.generate import FUZZED, program
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind

_TRIES = 20  # to change a program so that machines must still agree on it

Change = Callable[[random.Random, list[Step], int], list[Step]]  # at an index


def mutant(rng: random.Random, name: str) -> Case:
    """A random program with one to three changes that leave it defined (bpfvm.fuzz.defined)."""
    base = program(rng, name)
    for _ in range(_TRIES):
        try:
            case = base.with_insns(changed(rng, base.program.insns, rng.randrange(1, 4)))
        except LoadError:
            continue
        if undefined(case) is None:
            return case
    return base


def changed(rng: random.Random, insns: Sequence[Insn], count: int) -> tuple[Insn, ...]:
    """The program after `count` random changes. LoadError for a jump that became too long, or leads past the end."""
    steps = opened(insns)
    for _ in range(count):
        steps = rng.choice(CHANGES)(rng, steps, rng.randrange(len(steps)))
    return closed(steps)


def _row(rng: random.Random, steps: list[Step], at: int) -> list[Step]:
    """Another operation on the same operands."""
    one = steps[at].insn
    alike = [op for op in FUZZED if op.kind is one.op.kind and op.uses == one.op.uses]
    if not alike or one.op.kind is Kind.IMM64:
        return steps
    op = rng.choice(alike)
    kept = {field: getattr(one, field) if field in op.uses else 0 for field in ("dst", "src", "off", "imm")}
    return _with(steps, at, replace(
        one, op=op, dst=kept["dst"], src=op.src_is or kept["src"], off=op.off_is or kept["off"],
        imm=op.imm_is or kept["imm"],
    ))  # fmt: skip


def _register(rng: random.Random, steps: list[Step], at: int) -> list[Step]:
    """Another register for one of the operands."""
    one = steps[at].insn
    named = [field for field in ("dst", "src") if field in one.op.uses]
    if not named:
        return steps
    number = rng.randrange(10)
    return _with(steps, at, replace(one, dst=number) if rng.choice(named) == "dst" else replace(one, src=number))


def _immediate(rng: random.Random, steps: list[Step], at: int) -> list[Step]:
    """Another number."""
    one = steps[at].insn
    if "imm" not in one.op.uses or steps[at].target is not None or one.symbol is not None:
        return steps
    return _with(steps, at, replace(one, imm=edges.number(rng) if one.width == 2 else edges.operand(rng, one.op)))


def _offset(rng: random.Random, steps: list[Step], at: int) -> list[Step]:
    """Another place in memory."""
    one = steps[at].insn
    if "off" not in one.op.uses or steps[at].target is not None:
        return steps
    off = one.off + rng.choice((-64, -16, -8, -4, -2, -1, 1, 2, 4, 8, 16, 64))
    return _with(steps, at, replace(one, off=max(min(off, 0x7FFF), -0x8000)))


def _gone(rng: random.Random, steps: list[Step], at: int) -> list[Step]:
    return without(steps, at, at + 1) if len(steps) > 1 else steps


def _twice(rng: random.Random, steps: list[Step], at: int) -> list[Step]:
    return steps if steps[at].target is not None else inserted(steps, at, [steps[at].insn])


def _swapped(rng: random.Random, steps: list[Step], at: int) -> list[Step]:
    """An instruction and the one behind it in the other order."""
    return [*steps[:at], *steps[at : at + 2][::-1], *steps[at + 2 :]]


def _target(rng: random.Random, steps: list[Step], at: int) -> list[Step]:
    """A jump to another place behind it."""
    if steps[at].target is None or at + 1 >= len(steps):
        return steps
    return [*steps[:at], Step(steps[at].insn, rng.randrange(at + 1, len(steps))), *steps[at + 1 :]]


CHANGES: tuple[Change, ...] = (_row, _row, _register, _register, _immediate, _offset, _gone, _twice, _swapped, _target)


def _with(steps: list[Step], at: int, one: Insn) -> list[Step]:
    return [*steps[:at], Step(one, steps[at].target), *steps[at + 1 :]]
