"""Jumps further than 16 bits of offset reach, by stepping stones: blocks of one jump, put between others.

Where the target has `gotol` (v4), with 32 bits, one stone close by is enough. Else a stone jumps on to the next one.
Stones to the same place are shared. Distances are taken too long rather than too short: as if no jump would be saved.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from bpfvm.compiler.lower.lir import Lir, LirBlock
from bpfvm.isa.ops import BY_NAME, Kind

REACH = 1 << 15  # slots that a 16-bit jump offset spans
_STEP = REACH - (1 << 12)  # how far a stone is from a jump at most: stones put in later make the way longer
_PIECE = 1 << 12  # slots of a block that are kept together where the code is long
_GRID = 1 << 13  # slots that all jumps to one place have a stone for


def width(one: Lir) -> int:
    """Slots of an instruction."""
    return 2 if BY_NAME[one.op].kind is Kind.IMM64 else 1


def within_reach(blocks: Sequence[LirBlock], cpu: int) -> list[LirBlock]:
    """`blocks`, in this order, with stones between where a jump would be too long."""
    if sum(width(one) for block in blocks for one in block.insns) < REACH:
        return list(blocks)
    placed = [piece for block in blocks for piece in _pieces(block)]
    while _step(placed, cpu):
        pass
    return placed


def _pieces(block: LirBlock) -> list[LirBlock]:
    """A long block as several, each of which goes on at the next: stones stand between blocks only."""
    pieces, size = [block], 0
    insns, block.insns = block.insns, []
    for one in insns:
        if size + width(one) > _PIECE:
            following = LirBlock(f"{block.name}+{len(pieces)}", cold=block.cold, depth=block.depth)
            pieces[-1].insns.append(Lir("ja", target=following, span=one.span))
            pieces.append(following)
            size = 0
        pieces[-1].insns.append(one)
        size += width(one)
    return pieces


def _step(placed: list[LirBlock], cpu: int) -> bool:
    """Put a stone for every jump that is too long now. False when there was none."""
    starts = _starts(placed)
    begins = [starts[block] for block in placed]
    stones: dict[tuple[LirBlock, int], LirBlock] = {}  # by what they lead to, and before which block they will stand
    slot = 0
    for block in placed:
        for one in block.insns:
            slot += width(one)
            if one.target is None or one.op == "gotol" or -REACH <= starts[one.target] - slot < REACH:
                continue
            if one.op == "ja" and cpu >= 4:
                one.op = "gotol"
                continue
            place = _place(begins, slot, starts[one.target])
            stone = stones.get((one.target, place))
            if stone is None:
                jump = Lir("gotol" if cpu >= 4 else "ja", target=one.target, span=one.span)
                stone = LirBlock(f"{block.name}-{one.target.name}", [jump], depth=block.depth)
                stones[one.target, place] = stone
            one.target = stone
    for (_, place), stone in sorted(stones.items(), key=lambda item: -item[0][1]):
        placed.insert(place, stone)
    return bool(stones)


def _starts(placed: Sequence[LirBlock]) -> dict[LirBlock, int]:
    starts, slot = {}, 0
    for block in placed:
        starts[block] = slot
        slot += sum(width(one) for one in block.insns)
    return starts


def _place(begins: Sequence[int], slot: int, goal: int) -> int:
    """Before which block the stone for a jump at `slot` stands: near where a jump surely reaches, towards the goal.
    Jumps that are not far from one another have the same."""
    if goal > slot:
        return bisect_right(begins, (slot + _STEP) // _GRID * _GRID) - 1
    return bisect_left(begins, -(-(slot - _STEP) // _GRID) * _GRID)
