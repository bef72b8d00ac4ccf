"""Loops that count: a register goes by one step each turn, and a test of it ends the loop. How often they go round is
known before they begin, so that the budget is held against all their turns at once, and not at each.

What a block makes of registers is followed as sums: a register of the loop's head and a distance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfvm.core.bits import mask
from bpfvm.emulator.native.words import CONDITIONS, constant
from bpfvm.emulator.portable.kinds import stem_of
from bpfvm.emulator.portable.translate import calls_functions
from bpfvm.isa.cfg import Structure
from bpfvm.isa.flow import Loop
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind as Does
from bpfvm.tables.helpers import BY_NAME as HELPERS

if TYPE_CHECKING:
    from bpfvm.emulator.native.function import Function
    from bpfvm.emulator.native.translate import Unit

TAIL_CALL = HELPERS["tail_call"].id
LONGEST = 128  # instructions of a loop that is written twice, with tests and without
TURNS = 1 << 32  # as many turns cannot be counted in advance: their instructions may not fit a word

Sum = tuple[int, int, bool]  # a register of the loop's head, what was added, whether all 64 bits are that sum
Sums = list[Sum | None]

_OPPOSITE = {
    "eq": "ne", "ne": "eq", "ult": "uge", "uge": "ult", "ugt": "ule", "ule": "ugt",
    "slt": "sge", "sge": "slt", "sgt": "sle", "sle": "sgt",
}  # fmt: skip
_UP, _DOWN = ("ult", "ule", "slt", "sle"), ("ugt", "uge", "sgt", "sge")


@dataclass(frozen=True, slots=True)
class Counted:
    """A loop that counts. blocks: all of it, in the order of the function. size: instructions of a turn, at most.

    It goes on while `register` of its head plus `ahead` is as `holds` says to `bound`, in so many bits; each turn adds
    `step` to it. bound: a register that does not change and a distance, or None and a number.
    """

    header: int
    blocks: tuple[int, ...]
    size: int
    register: int
    ahead: int
    step: int
    holds: str
    bound: tuple[int | None, int]
    bits: int


def counted(unit: Unit, order: Sequence[int], calling: bool = False) -> Iterator[Counted]:
    """The innermost loops of a function that count. order: its blocks, in reverse postorder. calling: also those that
    call functions; the size of their turns is without them."""
    shape = unit.shape
    around = {one.parent for one in shape.loops}
    tangled = {node for one in shape.irreducible for node in one.nodes}
    reached = set(order)
    for number, loop in enumerate(shape.loops):
        blocks = set(loop.own)
        if number in around or loop.header not in reached or blocks & tangled:
            continue
        inside = tuple(block for block in order if block in blocks)
        insns = [insn for block in inside for insn in _insns(unit, block)]
        if calling or (len(insns) <= LONGEST and not any(map(_counts_elsewhere, insns))):
            found = _found(unit, shape, loop, inside, len(insns))
            if found is not None:
                yield found


def _insns(unit: Unit, block: int) -> Sequence[Insn]:
    one = unit.graph.blocks[block]
    return unit.program.insns[one.first : one.last]


def _counts_elsewhere(insn: Insn) -> bool:
    """Whether functions may run inside of an instruction, which take from the same budget."""
    return insn.op.kind is Does.CALL and (calls_functions(insn) or insn.imm == TAIL_CALL)


def _found(unit: Unit, shape: Structure, loop: Loop, inside: tuple[int, ...], size: int) -> Counted | None:
    ends = _sums(unit, loop, inside)
    steps = _steps(ends, loop)
    for block in inside:
        insn = _insns(unit, block)[-1]
        goals = {edge.way.name: edge.to for edge in unit.graph.blocks[block].edges}
        out = [way for way, to in goals.items() if to not in inside]
        always = all(shape.dominance.dominates(block, latch) for latch in loop.latches)
        if insn.op.kind is not Does.JUMP or len(goals) < 2 or len(out) != 1 or not always:
            continue
        condition = CONDITIONS.get(stem_of(insn))
        if condition is None:
            continue
        holds = _OPPOSITE[condition] if out == ["JUMP"] else condition
        test = _test(ends[block], steps, insn)
        if test is None:
            continue
        register, ahead, bound = test
        step = steps[register]
        assert step is not None, "asked before"
        distance = step[1]
        if holds == "ne" or holds in (_UP if distance > 0 else _DOWN):
            return Counted(loop.header, inside, size, register, ahead, distance, holds, bound, insn.op.bits)
    return None


def _test(sums: Sums, steps: Sums, insn: Insn) -> tuple[int, int, tuple[int | None, int]] | None:
    """The register of the head that a jump tests, what was added to it before, and what it is compared with."""
    bits = insn.op.bits
    known = sums[insn.dst]
    if known is None or not _is_step(steps[known[0]], bits) or not (known[2] or bits == 32):
        return None
    if insn.op.operand == "imm":
        return known[0], known[1], (None, insn.imm)
    other = sums[insn.src]
    if other is None or not (other[2] or bits == 32):
        return None
    kept = steps[other[0]]
    if kept is None or kept[1] or not (kept[2] or bits == 32):
        return None
    return known[0], known[1], (other[0], other[1])


def _is_step(step: Sum | None, bits: int) -> bool:
    return step is not None and step[1] != 0 and (step[2] or bits == 32)


def _steps(ends: dict[int, Sums], loop: Loop) -> Sums:
    """By register, what a turn adds to it; None where turns differ, or make something else of it."""
    found: Sums = []
    for register in range(11):
        last = [ends[latch][register] if latch in ends else None for latch in loop.latches]
        first = last[0]
        alike = first is not None and first[0] == register and all(one == first for one in last)
        found.append(first if alike else None)
    return found


def _sums(unit: Unit, loop: Loop, inside: tuple[int, ...]) -> dict[int, Sums]:
    """By block, what the registers are behind it."""
    head: Sums = [(register, 0, True) for register in range(11)]
    before: dict[int, Sums] = {loop.header: head}
    ends: dict[int, Sums] = {}
    for block in inside:
        sums = list(before[block])
        for insn in _insns(unit, block):
            _step(sums, insn)
        ends[block] = sums
        for edge in unit.graph.blocks[block].edges:
            if edge.to in inside and edge.to != loop.header:
                known = before.get(edge.to, sums)
                before[edge.to] = [a if a == b else None for a, b in zip(known, sums, strict=True)]
    return ends


def _step(sums: Sums, insn: Insn) -> None:
    """What an instruction does to the sums."""
    op = insn.op
    if op.kind in (Does.CALL, Does.PACKET):
        sums[:6] = [None] * 6
    elif op.kind is Does.ATOMIC:
        sums[0] = sums[insn.src] = None
    elif op.kind is Does.ALU:
        stem, wide = stem_of(insn), op.bits == 64
        if stem == "mov" and op.operand == "src" and not insn.off:
            known = sums[insn.src]
            sums[insn.dst] = None if known is None else (known[0], known[1], known[2] and wide)
        elif stem in ("add", "sub") and op.operand == "imm":
            known = sums[insn.dst]
            distance = insn.imm if stem == "add" else -insn.imm
            sums[insn.dst] = None if known is None else (known[0], known[1] + distance, known[2] and wide)
        else:
            sums[insn.dst] = None
    elif op.kind in (Does.LOAD, Does.LOAD_SX, Does.LOAD_ACQUIRE, Does.IMM64):
        sums[insn.dst] = None


def fits(f: Function, loop: Counted) -> str:
    """The i1 that tells, at the loop's head, whether the budget holds for all turns that can follow."""
    bits, distance = loop.bits, abs(loop.step)
    first = _plus(f, f.cut(f.read(loop.register), bits), loop.ahead, bits)
    register, added = loop.bound
    last = constant(added, bits) if register is None else _plus(f, f.cut(f.read(register), bits), added, bits)
    low, high = (first, last) if loop.step > 0 else (last, first)
    span = f.emit(f"sub i{bits} {high}, {low}")
    turns = f.widen(f.emit(f"udiv i{bits} {span}, {distance}") if distance > 1 else span, bits)
    few = f.emit(f"icmp ult i64 {turns}, {TURNS}")  # before one is added, which may wrap
    if loop.holds != "ne":
        begun = f.emit(f"icmp {loop.holds} i{bits} {first}, {last}")
        turns = f.emit(f"select i1 {begun}, i64 {f.emit(f'add i64 {turns}, 1')}, i64 0")
        sure = f.emit(f"icmp {_last_that_fits(loop, last)}")
    elif distance > 1:
        sure = f.emit(f"icmp eq i{bits} {f.emit(f'urem i{bits} {span}, {distance}')}, 0")
    else:
        sure = "true"
    rest = f.emit(f"sub i64 {f.emit('load i64, ptr %limit')}, {f.so_far(0)}")
    enough = f.emit(f"icmp slt i64 {f.emit(f'mul i64 {turns}, {loop.size}')}, {rest}")
    return f.emit(f"and i1 {f.emit(f'and i1 {sure}, {few}')}, {enough}")


def _last_that_fits(loop: Counted, last: str) -> str:
    """The comparison that tells whether the register passes its bound before it wraps around."""
    bits, kind, room = loop.bits, loop.holds[0], abs(loop.step) - (loop.holds in ("ult", "slt", "ugt", "sgt"))
    most = mask(bits - (kind == "s"))
    least = 0 if kind == "u" else -most - 1
    if loop.step > 0:
        return f"{kind}le i{bits} {last}, {constant(most - room, bits)}"
    return f"{kind}ge i{bits} {last}, {constant(least + room, bits)}"


def _plus(f: Function, word: str, distance: int, bits: int) -> str:
    return f.emit(f"add i{bits} {word}, {constant(distance, bits)}") if distance else word
