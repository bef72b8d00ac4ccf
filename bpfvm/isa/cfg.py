"""The control flow graph of a program: its blocks, functions and calls, and its structure.

    graph = control_flow(program.insns)
    shape = structure(graph)
    [graph.blocks[number].start for number in shape.order]     # slots of blocks, each before those behind it

Places are slots, as in jumps and line information. Blocks are numbered in slot order. Edges stay within a function;
calls are apart from them, and a call does not end its block.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bpfvm.core.bits import signed
from bpfvm.core.errors import LoadError
from bpfvm.isa.flow import Dominance, Loop, Region, irreducible, loops, reverse_postorder
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind

_BRANCHES = (Kind.JUMP, Kind.MAY_GOTO)
_ENDS = (Kind.JUMP, Kind.MAY_GOTO, Kind.GOTO, Kind.EXIT)


class Way(enum.Enum):
    """How control goes along an edge."""

    FALL = "to the next instruction"
    JUMP = "by a jump"


@dataclass(frozen=True, slots=True)
class Edge:
    """to: number of a block."""

    to: int
    way: Way


@dataclass(frozen=True, slots=True)
class Block:
    """A run of instructions entered at its first and left at its last.

    start, end: its slots, `end` behind the last. first, last: its instructions, `last` behind the last.
    edges: where it goes on; none behind an exit and behind a gotox. function: number of its function.
    """

    start: int
    end: int
    first: int
    last: int
    edges: tuple[Edge, ...]
    function: int


@dataclass(frozen=True, slots=True)
class Function:
    """slot, end: its slots, `end` behind the last. blocks: the numbers of its blocks; the first is its entry."""

    slot: int
    end: int
    blocks: range


@dataclass(frozen=True, slots=True)
class Call:
    """A place that names a function: a local call, or a load of the function's address (`taken`). function: number."""

    slot: int
    function: int
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Cfg:
    """indirect: slots of gotox and callx, whose targets the program alone does not tell; no edge stands for them."""

    blocks: tuple[Block, ...]
    functions: tuple[Function, ...]
    calls: tuple[Call, ...]
    indirect: tuple[int, ...]

    def block_at(self, slot: int) -> int:
        """The number of the block that holds `slot`; LoadError for one outside of the program."""
        if not 0 <= slot < self.blocks[-1].end:
            raise LoadError(f"there is no instruction {slot}: the program has {self.blocks[-1].end} slots")
        return bisect_right(self.blocks, slot, key=lambda block: block.start) - 1

    @property
    def successors(self) -> list[list[int]]:
        """By block, the blocks behind it, each once."""
        return [list(dict.fromkeys(edge.to for edge in block.edges)) for block in self.blocks]

    @property
    def roots(self) -> list[int]:
        """The entry blocks of the functions."""
        return [one.blocks.start for one in self.functions]


@dataclass(frozen=True, slots=True)
class Structure:
    """What follows from the graph. Blocks by number, functions one behind the other.

    order: reverse postorder of each function; blocks that their function's entry does not reach are in `unreachable`.
    dominance: .parent is the immediate dominator of each block, .dominates(a, b) tells of any two.
    loops: natural loops, outer before inner. loop_of: of each block, its innermost loop's place in `loops`, or None.
    irreducible: cycles with several entries, which no loop stands for.
    """

    order: tuple[int, ...]
    unreachable: tuple[int, ...]
    dominance: Dominance
    loops: tuple[Loop, ...]
    loop_of: tuple[int | None, ...]
    irreducible: tuple[Region, ...]


def control_flow(insns: Sequence[Insn], entries: Iterable[int] = ()) -> Cfg:
    """The graph of `insns`. entries: slots where further functions begin, besides slot 0 and what calls name.

    Raises LoadError for control flow that no machine takes: a jump out of the program, into the middle of a wide
    instruction or into another function, and a function that does not end by an exit or a jump.
    """
    at = slots(insns)
    if not insns:
        raise LoadError("the program has no instructions")
    index = {slot: number for number, slot in enumerate(at)}
    named = _named(insns, at)
    starts = sorted({0, *entries, *(target for _, target, _ in named)})
    for slot in starts:
        if slot not in index or slot == at[-1]:
            raise LoadError(f"a function begins at slot {slot}, which is {_wrong(slot, at[-1])}")
    bounds = [*starts, at[-1]]
    leaders = _leaders(insns, at, index, bounds)
    blocks = _blocks(insns, at, index, leaders, starts)
    number = {slot: place for place, slot in enumerate(leaders)} | {at[-1]: len(leaders)}
    return Cfg(
        blocks,
        tuple(Function(a, b, range(number[a], number[b])) for a, b in pairwise(bounds)),
        tuple(Call(slot, bisect_right(starts, target) - 1, taken) for slot, target, taken in named),
        tuple(slot for slot, one in zip(at, insns, strict=False) if one.op.name in ("gotox", "callx")),
    )


def structure(graph: Cfg) -> Structure:
    """Order, dominators, loops and what is irreducible, of all functions together."""
    successors, roots = graph.successors, graph.roots
    order = reverse_postorder(successors, roots)
    dominance = Dominance(successors, roots)
    found, loop_of = loops(successors, roots, dominance)
    reached = set(order)
    return Structure(
        order=tuple(order),
        unreachable=tuple(number for number in range(len(graph.blocks)) if number not in reached),
        dominance=dominance,
        loops=tuple(found),
        loop_of=tuple(loop_of),
        irreducible=tuple(irreducible(successors, roots, dominance)),
    )


def _named(insns: Sequence[Insn], at: Sequence[int]) -> list[tuple[int, int, bool]]:
    """Slot, the slot of the function that the instruction there names, and whether it only takes its address."""
    found = []
    for slot, one in zip(at, insns, strict=False):
        if one.op.name == "call_local":
            found.append((slot, slot + 1 + one.imm, False))
        elif one.op.name == "lddw_func":
            found.append((slot, slot + 1 + signed(one.imm, 32), True))
    return found


def _leaders(insns: Sequence[Insn], at: Sequence[int], index: dict[int, int], bounds: list[int]) -> list[int]:
    """The slots where blocks begin, in order; jumps and the ends of functions are checked."""
    found = set(bounds[:-1])
    ends = set(bounds[1:])
    for slot, following, one in zip(at, at[1:], insns, strict=False):
        kind = one.op.kind
        if following in ends and kind not in (Kind.EXIT, Kind.GOTO):
            raise LoadError(f"instruction {slot} is the last one of its function and is no exit or jump")
        if kind in _ENDS:
            found.add(following)
            if one.jump is not None:
                target = slot + 1 + one.jump
                if target not in index or target == at[-1]:
                    raise LoadError(f"instruction {slot} jumps to {target}, which is {_wrong(target, at[-1])}")
                if bisect_right(bounds, slot) != bisect_right(bounds, target):
                    raise LoadError(f"instruction {slot} jumps to {target}, which is in another function")
                found.add(target)
    return sorted(found - {at[-1]})


def _wrong(target: int, size: int) -> str:
    if 0 <= target < size:
        return "the second half of a wide instruction"
    return f"outside of the {size} slots"


def _blocks(
    insns: Sequence[Insn], at: Sequence[int], index: dict[int, int], leaders: list[int], starts: list[int]
) -> tuple[Block, ...]:
    number = {slot: place for place, slot in enumerate(leaders)}
    blocks = []
    for start, end in zip(leaders, [*leaders[1:], at[-1]], strict=True):
        first, last = index[start], index[end]
        one, slot = insns[last - 1], at[last - 1]
        edges = []
        if one.op.kind not in (Kind.EXIT, Kind.GOTO):
            edges.append(Edge(number[end], Way.FALL))
        if one.op.kind in _BRANCHES or (one.op.kind is Kind.GOTO and one.jump is not None):
            edges.append(Edge(number[slot + 1 + (one.jump or 0)], Way.JUMP))
        blocks.append(Block(start, end, first, last, tuple(edges), bisect_right(starts, start) - 1))
    return tuple(blocks)
