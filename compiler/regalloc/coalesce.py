"""Coalescing: registers at the two ends of a copy become one where that cannot cost a register elsewhere.

Two ends that are never live at once are merged if the merged register has fewer neighbours of high degree than there
are machine registers: no such merge causes a spill (Briggs, Cooper and Torczon, "Improvements to Graph Coloring
Register Allocation", 1994). Where there are very many neighbours, all that the smaller end adds must be easy to colour
(George and Appel, "Iterated Register Coalescing", 1996), which takes less time to see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from bpfvm.compiler.lower.lir import ALLOCATABLE, VIRTUAL, Reg

Graph = dict[Reg, set[Reg]]

_MANY = 200  # neighbours


def coalesce(
    graph: Graph, partners: dict[Reg, Counter[Reg]], weight: Counter[Reg], apart: Collection[Reg]
) -> dict[Reg, list[Reg]]:
    """Merge in all three, in place; what each merged register stands for, itself the first. apart: never merged."""
    members: dict[Reg, list[Reg]] = {}
    stands: dict[Reg, Reg] = {}
    for _, one, other in sorted(_copies(partners, apart)):
        a, b = _find(stands, one), _find(stands, other)
        if a == b or b in graph[a] or _crowded(graph, a, b):
            continue
        _merge(graph, partners, weight, a, b)
        stands[b] = a
        members.setdefault(a, [a]).extend(members.pop(b, [b]))
    return members


def _copies(partners: dict[Reg, Counter[Reg]], apart: Collection[Reg]) -> list[tuple[int, Reg, Reg]]:
    """The pairs of virtual registers that are copied to one another, those of which most would be saved first."""
    return [
        (-count, one, other)
        for one, wishes in partners.items()
        for other, count in wishes.items()
        if VIRTUAL <= one < other and one not in apart and other not in apart
    ]


def _find(stands: dict[Reg, Reg], register: Reg) -> Reg:
    while register in stands:
        register = stands[register]
    return register


def _crowded(graph: Graph, a: Reg, b: Reg) -> bool:
    """Whether the merged register may find no colour."""
    small, large = sorted((graph[a], graph[b]), key=len)
    if len(large) > _MANY:
        return not all(other in large or _is_easy(graph, other) for other in small)
    hard = sum(not _is_easy(graph, other, other in small and other in large) for other in small | large)
    return hard >= len(ALLOCATABLE)


def _is_easy(graph: Graph, register: Reg, loses: bool = False) -> bool:
    """Whether a colour is left for it whatever its neighbours get. loses: two of those become one."""
    return register >= VIRTUAL and len(graph[register]) - loses < len(ALLOCATABLE)


def _merge(graph: Graph, partners: dict[Reg, Counter[Reg]], weight: Counter[Reg], kept: Reg, gone: Reg) -> None:
    for other in graph.pop(gone):
        graph[other].discard(gone)
        graph[other].add(kept)
        graph[kept].add(other)
    weight[kept] += weight.pop(gone, 0)
    for other, count in partners.pop(gone, Counter()).items():
        del partners[other][gone]
        if other != kept:
            partners[kept][other] += count
            partners[other][kept] += count
