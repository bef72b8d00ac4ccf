"""Register allocation by graph colouring.

Two registers that are live at once interfere; a virtual register gets a machine register that none of its neighbours
has, by preference the one at the other end of a copy. What crosses a call interferes with r0 to r5 because the call
writes them. A register for which none is left goes to the stack and the whole begins anew; what is used in loops goes
last.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush

from bpfvm.compiler.lower.lir import ALLOCATABLE, R10, VIRTUAL, Lir, LirFunction, Reg
from bpfvm.compiler.regalloc.check import verify
from bpfvm.compiler.regalloc.coalesce import Graph, coalesce
from bpfvm.compiler.regalloc.live import backwards, live_out
from bpfvm.compiler.regalloc.spill import REMADE, spill

ROUNDS = 60  # each round puts at least one register on the stack, whose pieces are short and are not spilled again
_HOPELESS = 100  # registers live at once: 10 of the machine, and 64 slots of 8 bytes, are less
_PER_LOOP, _DEEPEST = 8, 4  # how much more often what stands in a loop is counted; loops inside loops that count


def allocate(function: LirFunction) -> None:
    """Replace every virtual register of `function` by a machine register, in place; copies to itself go away."""
    short = _relieve(function)
    for _ in range(ROUNDS):
        graph, partners, weight = _interference(function)
        merged = coalesce(graph, partners, weight, short | function.pinned)
        colours, failed = _colour(graph, partners, weight, short, function.pinned)
        for kept, members in merged.items():
            if kept in colours:
                colours |= dict.fromkeys(members, colours[kept])
        if not failed:
            _rewrite(function, colours)
            return
        short |= spill(function, _webs(graph, merged, failed))
    raise AssertionError(f"{function.name}: no allocation after {ROUNDS} rounds")


def _relieve(function: LirFunction) -> set[Reg]:
    """Put on the stack what is too much where so much is live that a stack of 512 bytes cannot hold it, whatever is
    chosen: a graph of all that meets there would be large. The short-lived registers that take their places."""
    remade = {one.dst for block in function.blocks for one in block.insns if one.op in REMADE}
    crowd: set[Reg] = set()
    out = live_out(function)
    for block in function.blocks:
        for _, live in backwards(block, out[block]):
            if len(live) > _HOPELESS:
                left = sorted(live - remade - crowd - function.pinned)
                crowd.update(left[_HOPELESS:])
    return spill(function, [[register] for register in sorted(crowd)]) if crowd else set()


def _webs(graph: Graph, merged: Mapping[Reg, list[Reg]], failed: list[Reg]) -> list[list[Reg]]:
    """The registers to spill, in groups that are never live at once: each group can share a stack slot."""
    groups: list[tuple[set[Reg], list[Reg]]] = []
    for register in sorted(failed):
        home = next((one for one in groups if register not in one[0]), None)
        if home is None:
            home = (set(), [])
            groups.append(home)
        home[0].update(graph[register])
        home[1].extend(merged.get(register, [register]))
    return [members for _, members in groups]


def _interference(function: LirFunction) -> tuple[Graph, dict[Reg, Counter[Reg]], Counter[Reg]]:
    """Neighbours of each virtual register, ends of copies that would like to be one, and how often each is used."""
    graph: Graph = defaultdict(set)
    partners: dict[Reg, Counter[Reg]] = defaultdict(Counter)
    weight: Counter[Reg] = Counter()
    out = live_out(function)
    for block in function.blocks:
        often = _PER_LOOP ** min(block.depth, _DEEPEST)
        for one, live in backwards(block, out[block]):
            defs = one.defs()
            for register in defs | one.uses():
                weight[register] += often
                graph[register]
            for register in defs:
                for other in live | defs:
                    if other != register and not (one.is_copy and other == one.src):
                        graph[register].add(other)
                        graph[other].add(register)
            if one.is_copy and one.src != R10:
                partners[one.dst][one.src] += often
                partners[one.src][one.dst] += often
    return graph, partners, weight


def _colour(
    graph: Graph, partners: dict[Reg, Counter[Reg]], weight: Counter[Reg], short: set[Reg], pinned: set[Reg]
) -> tuple[dict[Reg, Reg], list[Reg]]:
    """A machine register for each virtual one, first for those that are pinned; and those for which there was none."""
    colours: dict[Reg, Reg] = {register: register for register in range(VIRTUAL)}
    failed = []
    order = _selection_order(graph, weight, short)
    for register in sorted(order, key=lambda one: one not in pinned) if pinned else order:
        taken = {colours[other] for other in graph[register] if other in colours}
        free = [colour for colour in ALLOCATABLE if colour not in taken]
        if not free:
            failed.append(register)
            continue
        wishes = Counter({colours[other]: n for other, n in partners[register].items() if other in colours})
        colours[register] = max(free, key=lambda colour: (wishes[colour], -ALLOCATABLE.index(colour)))
    return colours, failed


def _selection_order(graph: Graph, weight: Counter[Reg], short: set[Reg]) -> list[Reg]:
    """Last removed first: registers with few neighbours can wait; of the others the cheapest to spill waits longest."""
    left = {register: len(graph[register]) for register in graph if register >= VIRTUAL}

    def price(register: Reg) -> tuple[bool, float, Reg]:
        return register in short, weight[register] / max(left[register], 1), register

    easy = [register for register, degree in left.items() if degree < len(ALLOCATABLE)]
    hard = [price(register) for register, degree in left.items() if degree >= len(ALLOCATABLE)]
    heapify(easy)
    heapify(hard)
    removed = []
    while left:
        register = heappop(easy) if easy else _cheapest(hard, left, price)
        if register not in left:
            continue
        removed.append(register)
        del left[register]
        for other in graph[register]:
            if other in left:
                left[other] -= 1
                if left[other] == len(ALLOCATABLE) - 1:
                    heappush(easy, other)
    return removed[::-1]


def _cheapest(
    hard: list[tuple[bool, float, Reg]], left: Mapping[Reg, int], price: Callable[[Reg], tuple[bool, float, Reg]]
) -> Reg:  # fmt: skip
    """The register of the lowest price, which rises while its neighbours go: what is on the heap may be out of date."""
    while True:
        old = heappop(hard)
        if old[2] in left:
            new = price(old[2])
            if new == old:
                return old[2]
            heappush(hard, new)


def _rewrite(function: LirFunction, colours: dict[Reg, Reg]) -> None:
    verify(function, colours)
    for block in function.blocks:
        kept: list[Lir] = []
        for one in block.insns:
            one.dst = colours.get(one.dst, one.dst)
            if not one.is_call:
                one.src = colours.get(one.src, one.src)
            if not (one.is_copy and one.dst == one.src) and not (kept and _stores_back(kept[-1], one)):
                kept.append(one)
        block.insns = kept


def _stores_back(loaded: Lir, one: Lir) -> bool:
    """Whether `one` stores to a stack slot what was just loaded from there."""
    spills = loaded.spill and one.spill and (loaded.op, one.op) == ("ldx64", "stx64")
    return spills and (loaded.dst, loaded.off) == (one.src, one.off)
