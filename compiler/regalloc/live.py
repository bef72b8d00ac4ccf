"""Liveness: which registers are read again, at each place of a function."""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.compiler.lower.lir import Lir, LirBlock, LirFunction, Reg


def live_out(function: LirFunction) -> dict[LirBlock, set[Reg]]:
    """Registers that are live at the end of each block, to a fixed point."""
    writes: dict[LirBlock, set[Reg]] = {}
    live_in: dict[LirBlock, set[Reg]] = {}  # so far
    before: dict[LirBlock, list[LirBlock]] = {block: [] for block in function.blocks}
    for block in function.blocks:
        live_in[block], writes[block] = _summary(block)
        for after in block.successors():
            before[after].append(block)
    out: dict[LirBlock, set[Reg]] = {block: set() for block in function.blocks}
    waiting = {block: None for block in function.order()}  # the last one is looked at next
    while waiting:
        block, _ = waiting.popitem()
        for one in before[block]:
            new = live_in[block] - out[one]
            if new:
                out[one] |= new
                new -= writes[one]
                if not new <= live_in[one]:
                    live_in[one] |= new
                    waiting[one] = None
    return out


def _summary(block: LirBlock) -> tuple[set[Reg], set[Reg]]:
    """Registers read before they are written in the block, and those written in it."""
    reads: set[Reg] = set()
    writes: set[Reg] = set()
    for one in block.insns:
        reads |= one.uses() - writes
        writes |= one.defs()
    return reads, writes


def backwards(block: LirBlock, out: set[Reg]) -> Iterator[tuple[Lir, set[Reg]]]:
    """Each instruction from the last to the first, with the registers live behind it."""
    live = set(out)
    for one in reversed(block.insns):
        yield one, live
        live = (live - one.defs()) | one.uses()
