"""The control-flow graph of a function: order, predecessors, dominators."""

from __future__ import annotations

from collections.abc import Iterable

from bpfvm.compiler.ir.function import Block, Function, edges, operands
from bpfvm.compiler.ir.types import Value


def order(function: Function) -> list[Block]:
    """The blocks that the entry reaches, in reverse postorder: each before what it alone leads to."""
    post: list[Block] = []
    seen = {function.blocks[0]}
    stack = [(function.blocks[0], iter([block for block, _ in edges(function.blocks[0].terminator)]))]
    while stack:
        block, following = stack[-1]
        for target in following:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter([one for one, _ in edges(target.terminator)])))
                break
        else:
            post.append(block)
            stack.pop()
    return post[::-1]


def predecessors(blocks: Iterable[Block]) -> dict[Block, list[Block]]:
    """For each of the reached blocks those that lead to it; one that leads there by both ways of a branch stands
    twice. blocks: those of `order`, and the result is in theirs."""
    found: dict[Block, list[Block]] = {block: [] for block in blocks}
    for block in found:
        for target, _ in edges(block.terminator):
            found[target].append(block)
    return found


def immediate_dominators(function: Function) -> dict[Block, Block | None]:
    """For each reached block the last one before it that every way to it passes; None for the entry.

    The way of Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001).
    """
    blocks = order(function)
    place = {block: index for index, block in enumerate(blocks)}
    before = predecessors(blocks)
    above: list[int] = [0, *[-1] * (len(blocks) - 1)]
    changed = True
    while changed:
        changed = False
        for index, block in enumerate(blocks[1:], 1):
            met = -1
            for one in before[block]:
                other = place[one]
                if above[other] >= 0:
                    met = other if met < 0 else _common(above, met, other)
            if above[index] != met:
                above[index], changed = met, True
    return {block: blocks[above[index]] if index else None for index, block in enumerate(blocks)}


def _common(above: list[int], a: int, b: int) -> int:
    """The last block that both are behind, by their places in reverse postorder."""
    while a != b:
        while a > b:
            a = above[a]
        while b > a:
            b = above[b]
    return a


class Dominance:
    """Which blocks every way to another one passes. order: all that are reached, as `order` gives them."""

    def __init__(self, function: Function) -> None:
        above = immediate_dominators(function)
        self.order = tuple(above)
        below: dict[Block, list[Block]] = {block: [] for block in above}
        for block, parent in above.items():
            if parent is not None:
                below[parent].append(block)
        self._first: dict[Block, int] = {}  # a block's numbers and those of all behind it are one run
        self._last: dict[Block, int] = {}
        waiting = [(function.blocks[0], False)]
        while waiting:
            block, done = waiting.pop()
            if done:
                self._last[block] = len(self._first) - 1
                continue
            self._first[block] = len(self._first)
            waiting.append((block, True))
            waiting += [(one, False) for one in below[block]]

    def holds(self, above: Block, block: Block) -> bool:
        """Whether every way to `block` passes `above`; each block is on every way to itself."""
        return self._first[above] <= self._first[block] <= self._last[above]


def loop_depths(function: Function) -> dict[Block, int]:
    """How many loops each reached block is in. A loop is what leads back to a block that every way there passes."""
    dominance = Dominance(function)
    before = predecessors(dominance.order)
    depths = dict.fromkeys(before, 0)
    for head, leading in before.items():
        back = [one for one in leading if dominance.holds(head, one)]
        inside = {head} if back else set()
        while back:
            block = back.pop()
            if block not in inside:
                inside.add(block)
                back += before[block]
        for block in inside:
            depths[block] += 1
    return depths


def natural_loop(function: Function, head: Block) -> set[Block]:
    """The blocks that lead back to `head` without passing it, and `head` itself: the loop that it is the head of."""
    before = predecessors(order(function))
    dominance = Dominance(function)
    inside = {head}
    waiting = [one for one in before[head] if dominance.holds(head, one)]
    while waiting:
        block = waiting.pop()
        if block not in inside:
            inside.add(block)
            waiting += before[block]
    return inside


def live_in(function: Function) -> dict[Block, set[Value]]:
    """For each reached block the values from outside of it that it, or what is behind it, reads."""
    blocks = order(function)
    live = {block: _read_first(block) for block in blocks}
    made = {block: {*block.params, *block.values} for block in blocks}
    before = predecessors(blocks)
    waiting = dict.fromkeys(reversed(blocks))
    while waiting:
        block = next(iter(waiting))
        del waiting[block]
        for above in before[block]:
            more = live[block] - made[above] - live[above]
            if more:
                live[above] |= more
                waiting[above] = None
    return live


def _read_first(block: Block) -> set[Value]:
    """Values from outside that a block itself reads."""
    read = {arg for value in block.values for arg in value.args}
    return (read | set(operands(block.terminator))) - {*block.params, *block.values}
