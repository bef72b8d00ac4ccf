"""Where a function counts its instructions: on edges between its blocks, and on few of them.

Each block has a share: what the count is short of where the block begins. A way from one block to the next adds what
the first block's share and size are more than the second one's share; shares are such that the likely way into each
block adds nothing. Where control comes together, so, only what is rare pays for what is told apart there. (Ball and
Larus, "Optimally profiling and tracing programs", 1994, place counters like this; here one is enough.)
"""

from __future__ import annotations

from collections.abc import Sequence

from bpfvm.isa.cfg import Block, Cfg

RARELY = 1 / 9  # how often a jump forward is taken: as what is written for LLVM has it (translate.py)


def shares(graph: Cfg, order: Sequence[int]) -> dict[int, int]:
    """By block, its share. order: the blocks of a function, in reverse postorder; the first one's share is 0."""
    place = {block: index for index, block in enumerate(order)}
    found, often = {order[0]: 0}, {order[0]: 1.0}
    likely: dict[int, float] = {}
    for block in order:
        one = graph.blocks[block]
        for to, part in ways(one, block):
            flow = often[block] * part
            if place[to] <= place[block]:
                continue
            often[to] = often.get(to, 0.0) + flow
            if flow > likely.get(to, -1.0):
                likely[to] = flow
                found[to] = found[block] + one.last - one.first
    return found


def ways(one: Block, number: int) -> list[tuple[int, float]]:
    """The blocks that follow one, and how often each does."""
    goals = [(edge.way.name, edge.to) for edge in one.edges]
    if len(goals) < 2:
        return [(to, 1.0) for _, to in goals]
    forward = any(name == "JUMP" and to > number for name, to in goals)
    jumps = RARELY if forward else 0.5
    return [(to, jumps if name == "JUMP" else 1 - jumps) for name, to in goals]
