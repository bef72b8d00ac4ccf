"""Graph algorithms against their definitions, by brute force on small random graphs; and their cost on large ones."""

from __future__ import annotations

import time

from hypothesis import event, given
from hypothesis import strategies as st

from bpfvm.isa.flow import Dominance, dominators, irreducible, loops, reverse_postorder

Graph = list[list[int]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, list[int]]:
    """Up to 9 nodes, up to 3 behind each, and one or two roots."""
    size = draw(st.integers(1, 9))
    behind = st.lists(st.integers(0, size - 1), max_size=3)
    roots = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=2, unique=True))
    return draw(st.lists(behind, min_size=size, max_size=size)), roots


def reached(graph: Graph, roots: list[int], without: frozenset[int] = frozenset()) -> set[int]:
    """The nodes that roots reach over nodes other than `without`."""
    found: set[int] = set()
    pending = [root for root in roots if root not in without]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += [following for following in graph[node] if following not in without]
    return found


def dominates(graph: Graph, roots: list[int], a: int, b: int) -> bool:
    """By the definition: b is reached, and not without a."""
    return b in reached(graph, roots) and b not in reached(graph, roots, frozenset({a}))


@given(graphs())
def test_reverse_postorder(given_graph: tuple[Graph, list[int]]) -> None:
    graph, roots = given_graph
    order = reverse_postorder(graph, roots)
    assert sorted(order) == sorted(reached(graph, roots))
    place = {node: at for at, node in enumerate(order)}
    for node in order:
        for following in graph[node]:  # an edge against the order closes a cycle
            assert place[node] < place[following] or node in reached(graph, [following])


@given(graphs())
def test_dominance_is_what_removing_a_node_shows(given_graph: tuple[Graph, list[int]]) -> None:
    graph, roots = given_graph
    dominance = Dominance(graph, roots)
    nodes = range(len(graph))
    for a in nodes:
        for b in nodes:
            assert dominance.dominates(a, b) == dominates(graph, roots, a, b)
    for node in nodes:
        strict = [a for a in nodes if a != node and dominates(graph, roots, a, node)]
        closest = [a for a in strict if all(dominates(graph, roots, b, a) for b in strict)]
        assert ([dominance.parent[node]] if dominance.parent[node] is not None else []) == closest


def natural(graph: Graph, roots: list[int]) -> dict[int, set[int]]:
    """Header -> nodes of its natural loop, by the definition."""
    found: dict[int, set[int]] = {}
    for node in reached(graph, roots):
        for header in graph[node]:
            if dominates(graph, roots, header, node):
                body = {one for one in reached(graph, roots) if node in reached(graph, [one], frozenset({header}))}
                found.setdefault(header, {header}).update(body)
    return found


@given(graphs())
def test_natural_loops(given_graph: tuple[Graph, list[int]]) -> None:
    graph, roots = given_graph
    found, inside = loops(graph, roots, Dominance(graph, roots))
    bodies: list[set[int]] = [set(one.own) for one in found]
    for at in reversed(range(len(found))):
        outer = found[at].parent
        if outer is not None:
            assert outer < at
            bodies[outer] |= bodies[at]
    expected = natural(graph, roots)
    assert {one.header: body for one, body in zip(found, bodies, strict=True)} == expected
    for node in range(len(graph)):
        around = [body for body in expected.values() if node in body]
        innermost = inside[node]
        assert (innermost is None) == (not around)
        assert innermost is None or bodies[innermost] == min(around, key=len)
        assert innermost is None or node in found[innermost].own
    for one in found:
        assert one.own[0] == one.header
        assert set(one.latches) == {node for node in bodies[found.index(one)] if one.header in graph[node]}
    event(f"{len(found)} loops")


@given(graphs())
def test_irreducible_regions_are_the_cycles_that_no_header_dominates(given_graph: tuple[Graph, list[int]]) -> None:
    graph, roots = given_graph
    found = irreducible(graph, roots, Dominance(graph, roots))
    known = reached(graph, roots)
    forward = [
        [following for following in behind if node in known and not dominates(graph, roots, following, node)]
        for node, behind in enumerate(graph)
    ]
    cyclic = {node: {a for a in reached(forward, forward[node]) if node in reached(forward, [a])} for node in known}
    expected = {tuple(sorted(nodes)) for nodes in cyclic.values() if nodes}
    assert {one.nodes for one in found} == expected
    assert len(found) == len(expected)
    for one in found:
        outside = [other for other in range(len(graph)) if other not in one.nodes]
        direct = {node for other in outside for node in forward[other]} | set(roots)
        assert set(one.entries) == {node for node in one.nodes if node in direct and node not in roots} | {
            node for node in one.nodes if node in roots and any(node in forward[other] for other in outside)
        }
    event(f"{len(found)} regions")


def test_a_cycle_with_two_entries() -> None:
    graph = [[1, 2], [2], [1, 3], []]
    (region,) = irreducible(graph, [0], Dominance(graph, [0]))
    assert (region.nodes, region.entries) == ((1, 2), (1, 2))
    assert loops(graph, [0], Dominance(graph, [0]))[0] == []


SIZE = 30_000  # steps that grow with its square take minutes
LARGE: dict[str, Graph] = {
    "a chain": [[node + 1] for node in range(SIZE)] + [[]],
    "a chain that leaves to one exit": [[node + 1, SIZE] for node in range(SIZE)] + [[]],
    "a chain that leaves to its start": [[node + 1, 0] for node in range(SIZE)] + [[]],
    "loops in one another": [
        *([node + 1] for node in range(SIZE // 2)),
        *([node + 1, SIZE - node - 1] for node in range(SIZE // 2, SIZE - 1)),
        [],
    ],
    "two ways into every node": [[min(node + 1, SIZE), min(node + 2, SIZE)] for node in range(SIZE)] + [[]],
    "a ladder with two entries": [[1, 2], *([node + 2, node - 1] for node in range(1, SIZE - 1)), [], []],
    "one node with all behind it": [list(range(1, SIZE + 1)), *([] for _ in range(SIZE))],
}


def test_large_graphs_take_no_longer_than_their_size() -> None:
    for name, graph in LARGE.items():
        start = time.perf_counter()
        dominance = Dominance(graph, [0])
        found, _ = loops(graph, [0], dominance)
        regions = irreducible(graph, [0], dominance)
        seconds = time.perf_counter() - start
        print(f"{name}: {len(found)} loops, {len(regions)} irreducible regions, {seconds:.2f} s")
        assert seconds < 10, name


def test_nesting_of_the_deep_loops() -> None:
    found, _ = loops(LARGE["loops in one another"], [0], Dominance(LARGE["loops in one another"], [0]))
    assert len(found) == SIZE // 2 - 1
    assert [one.parent for one in found] == [None, *range(len(found) - 1)]
    assert dominators(LARGE["a chain that leaves to one exit"], [0])[SIZE] == 0
