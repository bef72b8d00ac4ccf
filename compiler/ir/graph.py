"""The control-flow graph of a function: order, predecessors, dominators."""

from __future__ import annotations

from bpfvm.compiler.ir.function import Block, Function, edges


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


def predecessors(function: Function) -> dict[Block, list[Block]]:
    """For each reached block those that lead to it; one that leads there by both ways of a branch stands twice."""
    found: dict[Block, list[Block]] = {block: [] for block in order(function)}
    for block in found:
        for target, _ in edges(block.terminator):
            found[target].append(block)
    return found


def dominators(function: Function) -> dict[Block, set[Block]]:
    """For each reached block all blocks that every way to it passes, itself included."""
    blocks = order(function)
    before = predecessors(function)
    found = {block: set(blocks) for block in blocks}
    found[blocks[0]] = {blocks[0]}
    changed = True
    while changed:
        changed = False
        for block in blocks[1:]:
            new = set.intersection(*(found[one] for one in before[block])) | {block}
            if new != found[block]:
                found[block], changed = new, True
    return found
