"""Graphs in numbers: order, dominators, loops, irreducible regions. Nothing here knows of instructions.

A graph is its successors: successors[node] are the nodes behind `node`, from 0 on. Several roots may be given; no root
dominates another. Every function takes time near to linear in nodes and edges, and none recurses, so that a program of
a million instructions is no harder than its size.

Dominators: Lengauer and Tarjan, A fast algorithm for finding dominators in a flowgraph, 1979 (the simple linking, with
path compression). The iterative algorithm of Cooper, Harvey and Kennedy is shorter and quadratic on the commonest shape
of checked programs: a long chain in which every block may also leave to one common exit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Successors: TypeAlias = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Loop:
    """A natural loop: its header dominates it, and every node reaches a latch without passing the header.

    latches: the nodes that jump back to the header. parent: the loop around it, by its place in the list, or None.
    own: the nodes, the header first, that are in no loop inside of it.
    """

    header: int
    latches: tuple[int, ...]
    parent: int | None
    own: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """A cycle that is no natural loop: it can be entered at several nodes."""

    nodes: tuple[int, ...]
    entries: tuple[int, ...]


class Dominance:
    """The dominator tree. parent: the immediate dominator of each node, None for roots and for what none reaches."""

    def __init__(self, successors: Successors, roots: Iterable[int]) -> None:
        roots = tuple(roots)
        self.parent = dominators(successors, roots)
        tops = [node for node in _walk(successors, roots)[0] if self.parent[node] is None]
        self._first, self._last = _intervals(self.parent, tops)

    def dominates(self, a: int, b: int) -> bool:
        """Whether every path from a root to `b` passes `a`; a node dominates itself. False where none reaches one."""
        return 0 <= self._first[a] <= self._first[b] <= self._last[a]


def reverse_postorder(successors: Successors, roots: Iterable[int]) -> list[int]:
    """The nodes that roots reach, those of the first root first; each before those behind it, but for edges back to
    where the walk came from."""
    return _walk(successors, reversed(tuple(roots)))[1][::-1]


def dominators(successors: Successors, roots: Iterable[int]) -> list[int | None]:
    """The immediate dominator of each node, None for roots and for nodes that none reaches."""
    roots = tuple(roots)
    nodes, _, above = _walk(successors, roots)
    number = [0] * len(successors)  # from 1 on in the order of the walk; 0 is one root before all roots
    for at, node in enumerate(nodes, 1):
        number[node] = at
    before: list[list[int]] = [[] for _ in range(len(nodes) + 1)]
    for root in roots:
        before[number[root]].append(0)
    for node in nodes:
        for following in successors[node]:
            before[number[following]].append(number[node])
    parent = [0] * (len(nodes) + 1)
    for node in nodes:
        up = above[node]
        parent[number[node]] = 0 if up is None else number[up]
    immediate = _lengauer_tarjan(before, parent)
    found: list[int | None] = [None] * len(successors)
    for at, node in enumerate(nodes, 1):
        found[node] = nodes[immediate[at] - 1] if immediate[at] else None
    return found


def _lengauer_tarjan(before: Sequence[Sequence[int]], parent: Sequence[int]) -> list[int]:
    """Immediate dominators of nodes numbered as a depth-first walk from node 0 meets them."""
    size = len(before)
    semi, best, immediate = list(range(size)), list(range(size)), [0] * size
    ancestor = [-1] * size
    waiting: list[list[int]] = [[] for _ in range(size)]
    for node in range(size - 1, 0, -1):
        for other in before[node]:
            semi[node] = min(semi[node], semi[_evaluate(other, ancestor, best, semi)])
        waiting[semi[node]].append(node)
        up = ancestor[node] = parent[node]
        for other in waiting[up]:
            low = _evaluate(other, ancestor, best, semi)
            immediate[other] = low if semi[low] < semi[other] else up
        waiting[up] = []
    for node in range(1, size):
        if immediate[node] != semi[node]:
            immediate[node] = immediate[immediate[node]]
    return immediate


def _evaluate(node: int, ancestor: list[int], best: list[int], semi: list[int]) -> int:
    """The node of the smallest semidominator on the linked path above `node`; the path becomes short on the way."""
    if ancestor[node] < 0:
        return node
    path = []
    while ancestor[ancestor[node]] >= 0:
        path.append(node)
        node = ancestor[node]
    bottom = node
    for low in reversed(path):
        up = ancestor[low]
        if semi[best[up]] < semi[best[low]]:
            best[low] = best[up]
        ancestor[low] = ancestor[up]
        bottom = low
    return best[bottom]


def loops(successors: Successors, roots: Iterable[int], dominance: Dominance) -> tuple[list[Loop], list[int | None]]:
    """The natural loops, outer ones before inner ones, and the innermost loop of each node by its place in the list."""
    order = reverse_postorder(successors, roots)
    before = _predecessors(successors, order)
    back: dict[int, list[int]] = {}
    for node in order:
        for following in successors[node]:
            if dominance.dominates(following, node):
                back.setdefault(following, []).append(node)
    around: list[int | None] = [None] * len(successors)  # the header of the innermost loop around a node
    merged = list(range(len(successors)))  # what was found of inner loops stands as their header
    headers = [node for node in order if node in back]
    for header in reversed(headers):
        _collect(header, back[header], before, around, merged)
    place = {header: at for at, header in enumerate(headers)}
    own: list[list[int]] = [[header] for header in headers]
    inside: list[int | None] = [None] * len(successors)
    for node in order:
        outer = around[node]
        if node in place:
            inside[node] = place[node]
        elif outer is not None:
            inside[node] = place[outer]
            own[place[outer]].append(node)
    parents = [around[header] for header in headers]
    found = [
        Loop(header, tuple(back[header]), place[outer] if outer is not None else None, tuple(nodes))
        for header, outer, nodes in zip(headers, parents, own, strict=True)
    ]
    return found, inside


def _collect(
    header: int, latches: list[int], before: list[list[int]], around: list[int | None], merged: list[int]
) -> None:
    """Note `header` at every node of its loop that no inner loop has taken, and merge them into it."""
    pending = [_find(merged, latch) for latch in latches]
    while pending:
        node = pending.pop()
        if node == header or around[node] is not None:
            continue
        around[node] = header
        pending += (_find(merged, other) for other in before[node])
        merged[node] = header


def _find(merged: list[int], node: int) -> int:
    top = node
    while merged[top] != top:
        top = merged[top]
    while merged[node] != top:
        merged[node], node = top, merged[node]
    return top


def irreducible(successors: Successors, roots: Iterable[int], dominance: Dominance) -> list[Region]:
    """The cycles that stay when the edges back to headers of natural loops are taken away."""
    forward = [
        [following for following in behind if not dominance.dominates(following, node)]
        for node, behind in enumerate(successors)
    ]
    order = reverse_postorder(forward, roots)
    before = _predecessors(forward, order)
    part = [-1] * len(successors)
    found = []
    for start in order:  # Kosaraju: what reaches `start` and is not in an earlier part is one with it
        if part[start] >= 0:
            continue
        nodes, pending = [], [start]
        while pending:
            node = pending.pop()
            if part[node] < 0:
                part[node] = start
                nodes.append(node)
                pending += before[node]
        if len(nodes) > 1:
            entries = (node for node in nodes if any(part[other] != start for other in before[node]))
            found.append(Region(tuple(sorted(nodes)), tuple(sorted(entries))))
    return found


def _walk(successors: Successors, roots: Iterable[int]) -> tuple[list[int], list[int], list[int | None]]:
    """A depth-first walk: the nodes as they are met, as they are left, and where each was met from."""
    met: list[int] = []
    left: list[int] = []
    above: list[int | None] = [None] * len(successors)
    seen = bytearray(len(successors))
    for root in roots:
        if seen[root]:
            continue
        seen[root] = 1
        met.append(root)
        path: list[tuple[int, Iterator[int]]] = [(root, iter(successors[root]))]
        while path:
            node, behind = path[-1]
            for following in behind:
                if not seen[following]:
                    seen[following] = 1
                    above[following] = node
                    met.append(following)
                    path.append((following, iter(successors[following])))
                    break
            else:
                left.append(node)
                path.pop()
    return met, left, above


def _predecessors(successors: Successors, nodes: Iterable[int]) -> list[list[int]]:
    """The nodes before each node, of those in `nodes`."""
    before: list[list[int]] = [[] for _ in successors]
    for node in nodes:
        for following in successors[node]:
            before[following].append(node)
    return before


def _intervals(parent: Sequence[int | None], roots: Iterable[int]) -> tuple[list[int], list[int]]:
    """Of each node of a forest, its number in a walk and the largest number below it; -1 for nodes outside."""
    below: list[list[int]] = [[] for _ in parent]
    for node, up in enumerate(parent):
        if up is not None:
            below[up].append(node)
    met, left, _ = _walk(below, roots)
    first, last = [-1] * len(parent), [-1] * len(parent)
    for at, node in enumerate(met):
        first[node] = at
    for node in left:
        last[node] = max((last[one] for one in below[node]), default=first[node])
    return first, last
