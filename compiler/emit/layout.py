"""Block order and jump offsets: allocated LIR to instructions of the table, with the source place of each slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bpfvm.compiler.emit.reach import width, within_reach
from bpfvm.compiler.ir.ops import CONDITIONS, OPPOSITES
from bpfvm.compiler.lower.lir import Lir, LirBlock, LirFunction
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.lang.target import DEFAULT

_INVERTED = {CONDITIONS[cond]: CONDITIONS[opposite] for cond, opposite in OPPOSITES.items()}


def linked(parts: Sequence[tuple[str, Sequence[Insn]]]) -> tuple[tuple[Insn, ...], dict[str, int]]:
    """The instructions of a program and of the subprograms that it calls, one behind the other, and where each begins.

    parts: name and instructions, the program's first; calls of subprograms name them.
    """
    starts: dict[str, int] = {}
    slot = 0
    for name, insns in parts:
        starts[name] = slot
        slot += slots(insns)[-1]
    out: list[Insn] = []
    for name, insns in parts:
        for at, one in zip(slots(insns), insns, strict=False):
            if one.op.name == "call_local" and one.symbol is not None:
                one = replace(one, imm=starts[one.symbol] - (starts[name] + at + 1), symbol=None)
            out.append(one)
    return tuple(out), starts


def layout(function: LirFunction, cpu: int = DEFAULT.cpu) -> tuple[tuple[Insn, ...], dict[int, Location]]:
    """The instructions, and for each slot at which another source line begins its place; slot 0 has one always."""
    blocks = within_reach(_in_order(function), cpu)
    code = [_closed(block, following) for block, following in zip(blocks, [*blocks[1:], None], strict=True)]
    starts: dict[LirBlock, int] = {}
    slot = 0
    for block, insns in zip(blocks, code, strict=True):
        starts[block] = slot
        slot += sum(width(one) for one in insns)
    out: list[Insn] = []
    lines: dict[int, Location] = {}
    slot, last = 0, None
    for insns in code:
        for one in insns:
            if one.span is not None and one.span != last:
                lines[slot] = last = one.span
            slot += width(one)
            out.append(_insn(one, slot, starts))
    if lines:  # the kernel refuses line information that leaves out a program's first instruction
        lines = {0: lines[min(lines)]} | lines
    return tuple(out), lines


def _in_order(function: LirFunction) -> list[LirBlock]:
    """Reached blocks, each behind one that goes there where that can be: of two ways the one that stays in a loop, else
    the one not jumped to. Fault exits stand at the end."""
    entry = function.blocks[0]
    placed: dict[LirBlock, None] = {}
    waiting = [entry]
    while waiting:
        block: LirBlock | None = waiting.pop()
        while block is not None and block not in placed:
            placed[block] = None
            after = [one for one in block.successors() if one not in placed]
            hot = sorted((one for one in after if not one.cold), key=lambda one: one.depth)
            waiting += [one for one in after if one.cold] + hot[:-1]
            block = hot[-1] if hot else None
    return [block for block in placed if not block.cold] + [block for block in placed if block.cold]


def _closed(block: LirBlock, following: LirBlock | None) -> list[Lir]:
    """The block's instructions without a jump to what follows anyway."""
    insns = list(block.insns)
    if insns and insns[-1].op == "ja" and insns[-1].target is following:
        insns.pop()
    elif len(insns) > 1 and insns[-1].op == "ja" and insns[-2].target is following:
        jump, form = insns[-2].op[:-4], insns[-2].op[-4:]
        if jump in _INVERTED:
            insns[-2:] = [replace(insns[-2], op=f"{_INVERTED[jump]}{form}", target=insns[-1].target)]
    return insns


def _insn(one: Lir, behind: int, starts: dict[LirBlock, int]) -> Insn:
    off, imm = one.off, one.imm
    if one.op == "gotol":
        imm = starts[_goal(one)] - behind
    elif one.target is not None:
        off = starts[one.target] - behind
    src = 0 if one.is_call else one.src  # there it counts the arguments
    return replace(insn(one.op, one.dst, src, off, imm, one.symbol), source=one.span)


def _goal(one: Lir) -> LirBlock:
    assert one.target is not None, "a jump goes somewhere"
    return one.target
