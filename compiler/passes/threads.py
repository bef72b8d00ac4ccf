"""threads: a way on which a test is already decided goes past it, to where the test would lead."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from bpfvm.compiler.ir.function import Block, Branch, Function, edges, operands, retarget
from bpfvm.compiler.ir.graph import Dominance, order, predecessors
from bpfvm.compiler.ir.ops import OPPOSITES, holds
from bpfvm.compiler.ir.types import Value
from bpfvm.compiler.passes.simplify import Fired, unheard
from bpfvm.core.bits import M64


def threads(function: Function, fired: Fired = unheard) -> bool:
    """Take ways past tests. True when anything changed.

    Needs: SSA.  Keeps: SSA, the entry. Only blocks that do nothing but test are passed, and never the head of a loop:
    nothing is copied, and loops stay as they are. Kernels before 6.8 walk both ways of a second test of an address
    against 0, and hold what was reserved against the way on which there is none.
    """
    changed = False
    while _round(function, fired):
        changed = True
    return changed


def _round(function: Function, fired: Fired) -> bool:
    blocks = order(function)
    before, dominance, elsewhere = predecessors(blocks), Dominance(function), _elsewhere(blocks)
    numbers = itertools.count(
        1 + max((one.id for block in blocks for one in (*block.params, *block.values)), default=0)
    )
    changed = False
    for block in blocks:
        if not _only_tests(block, elsewhere) or any(dominance.holds(block, one) for one in before[block]):
            continue
        for way in list(dict.fromkeys(before[block])):
            for at, (target, args) in enumerate(edges(way.terminator)):
                if target is not block or (taken := _decided(block, way, at, args, before)) is None:
                    continue
                fired(f"decided on the way from {way} => {'taken' if taken else 'not taken'}", _tested(block).a)
                before[block].remove(way)
                before[_pass(block, way, at, args, taken, numbers)].append(way)
                changed = True
    if changed:
        function.blocks = order(function)
    return changed


def _elsewhere(blocks: list[Block]) -> set[Value]:
    """The values that are read in another block than their own."""
    home = {value: block for block in blocks for value in (*block.params, *block.values)}
    found: set[Value] = set()
    for block in blocks:
        read = [arg for value in block.values for arg in value.args] + operands(block.terminator)
        found.update(one for one in read if home.get(one) is not block)
    return found


def _only_tests(block: Block, elsewhere: set[Value]) -> bool:
    """Whether a block has a test, constants for it, and nothing that is read later."""
    return (
        isinstance(block.terminator, Branch)
        and all(value.op == "const" for value in block.values)
        and not any(value in elsewhere for value in (*block.params, *block.values))
    )


def _tested(block: Block) -> Branch:
    assert isinstance(block.terminator, Branch), "it ends by a test"
    return block.terminator


def _decided(block: Block, way: Block, at: int, args: list[Value], before: dict[Block, list[Block]]) -> bool | None:
    """Whether the test of `block` holds on edge `at` of `way`; None where that is not known."""
    end = _tested(block)
    given = dict(zip(block.params, args, strict=True))
    a, b = given.get(end.a, end.a), given.get(end.b, end.b)
    if a.op == b.op == "const":
        return holds(end.cond, a.imm, b.imm)
    for known, cond, other in _known(way, at, before):
        if known is not a:
            continue
        if other is b or (other.op == b.op == "const" and other.imm & M64 == b.imm & M64):
            if cond == end.cond or cond == OPPOSITES.get(end.cond):
                return cond == end.cond
        elif cond == "eq" and other.op == b.op == "const":
            return holds(end.cond, other.imm, b.imm)
    return None


def _known(way: Block, at: int, before: dict[Block, list[Block]]) -> Iterator[tuple[Value, str, Value]]:
    """What tests tell on an edge: of which value, the condition, what it was compared with; the nearest first."""
    passed = {way}
    while True:
        end = way.terminator
        if isinstance(end, Branch) and end.then is not end.other:
            cond = end.cond if at == 0 else OPPOSITES.get(end.cond)
            if cond is not None:
                yield end.a, cond, end.b
        leading = before[way]
        if len(leading) != 1 or leading[0] in passed:
            return
        at = next(index for index, (target, _) in enumerate(edges(leading[0].terminator)) if target is way)
        way = leading[0]
        passed.add(way)


def _pass(block: Block, way: Block, at: int, args: list[Value], taken: bool, numbers: Iterator[int]) -> Block:
    """Let an edge to `block` go on to where its test leads, with constants of the block made anew. That block."""
    target, onward = edges(block.terminator)[0 if taken else 1]
    given = dict(zip(block.params, args, strict=True))
    for value in block.values:
        if value in onward:
            given[value] = Value(next(numbers), "const", [], value.type, value.imm, value.name, value.span)
            way.values.append(given[value])
    retarget(way.terminator, at, target)
    args[:] = [given.get(one, one) for one in onward]
    return target
