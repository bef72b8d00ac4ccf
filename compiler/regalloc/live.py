"""Liveness: which registers are read again, at each place of a function."""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.compiler.lower.lir import Lir, LirBlock, LirFunction, Reg


def live_out(function: LirFunction) -> dict[LirBlock, set[Reg]]:
    """Registers that are live at the end of each block, to a fixed point."""
    reads, writes = {}, {}
    for block in function.blocks:
        reads[block], writes[block] = _summary(block)
    out: dict[LirBlock, set[Reg]] = {block: set() for block in function.blocks}
    changed = True
    while changed:
        changed = False
        for block in reversed(function.blocks):
            new: set[Reg] = set()
            for after in block.successors():
                new |= reads[after] | (out[after] - writes[after])
            if new != out[block]:
                out[block], changed = new, True
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
