"""Block order and jump offsets: allocated LIR to instructions of the table, with the source place of each slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bpfvm.compiler.emit.reach import width, within_reach
from bpfvm.compiler.ir.ops import CONDITIONS, OPPOSITES
from bpfvm.compiler.lower.lir import Lir, LirBlock, LirFunction
from bpfvm.core.bits import M32
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.lang.target import DEFAULT

_MIRRORED = {"jlt": "jgt", "jle": "jge", "jslt": "jsgt", "jsle": "jsge"}  # with its operands exchanged
_FROM_V2 = tuple(_MIRRORED)
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
            if one.op.name in ("call_local", "lddw_func") and one.symbol is not None:
                distance = starts[one.symbol] - (starts[name] + at + 1)
                one = replace(one, imm=distance & M32 if one.op.name == "lddw_func" else distance, symbol=None)
            out.append(one)
    return tuple(out), starts


def layout(function: LirFunction, cpu: int = DEFAULT.cpu) -> tuple[tuple[Insn, ...], dict[int, Location]]:
    """The instructions, and for each slot at which another source line begins its place; slot 0 has one always."""
    _thread(function)
    blocks = within_reach(_in_order(function), cpu)
    code = [_closed(block, following, cpu) for block, following in zip(blocks, [*blocks[1:], None], strict=True)]
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


def _thread(function: LirFunction) -> None:
    """Jump past blocks that only jump on: what coalescing leaves of edges."""
    onward = {
        block: block.insns[0].target for block in function.blocks if len(block.insns) == 1 and block.insns[0].op == "ja"
    }
    for block in function.blocks:
        for one in block.insns:
            passed: dict[LirBlock, None] = {}
            while one.target is not None and onward.get(one.target) is not None and one.target not in passed:
                passed[one.target] = None
                one.target = onward[one.target]
            onward |= dict.fromkeys(passed, one.target)  # a long chain is followed once


def _in_order(function: LirFunction) -> list[LirBlock]:
    """Reached blocks, each behind one that does not jump to it where that can be; fault exits at the end.

    So the end of a loop stands behind its test, which jumps to the body. The kernel's verifier walks on behind a jump
    before it walks where that leads: it sees the end of a loop after each turn, and finds it walked already. With the
    body there, what waits to be walked grows with every turn ("The sequence of 8193 jumps is too complex").
    """
    placed: dict[LirBlock, None] = {}
    waiting = [function.blocks[0]]
    while waiting:
        block: LirBlock | None = waiting.pop()
        while block is not None and block not in placed:
            placed[block] = None
            after = [one for one in block.successors() if one not in placed]
            hot = [one for one in after if not one.cold]
            waiting += [one for one in after if one.cold] + hot[:-1]
            block = hot[-1] if hot else None
    return [block for block in placed if not block.cold] + [block for block in placed if block.cold]


def _closed(block: LirBlock, following: LirBlock | None, cpu: int) -> list[Lir]:
    """The block's instructions without a jump to what follows anyway."""
    insns = list(block.insns)
    if insns and insns[-1].op == "ja" and insns[-1].target is following:
        insns.pop()
    elif len(insns) > 1 and insns[-1].op == "ja" and insns[-2].target is following:
        opposite = _opposite(insns[-2], insns[-1].target, cpu)
        insns[-2:] = [opposite] if opposite is not None else insns[-2:]
    return insns


def _opposite(jump: Lir, target: LirBlock | None, cpu: int) -> Lir | None:
    """A jump to `target` where `jump` does not go. None where the instructions of the level have none."""
    name, form = jump.op[:-4], jump.op[-4:]
    if name not in _INVERTED:
        return None
    opposite = _INVERTED[name]
    if cpu > 1 or opposite not in _FROM_V2:
        return replace(jump, op=f"{opposite}{form}", target=target)
    if not form.endswith("_x"):
        return None
    return replace(jump, op=f"{_MIRRORED[opposite]}{form}", dst=jump.src, src=jump.dst, target=target)


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
