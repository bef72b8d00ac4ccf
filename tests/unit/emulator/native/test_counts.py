"""Where instructions are counted: little is added on the way, and what is added comes to what was executed."""

from __future__ import annotations

import random
from pathlib import Path

from bpfvm.emulator.native.counts import shares
from bpfvm.isa.asm import assemble
from bpfvm.isa.cfg import Cfg, control_flow
from bpfvm.isa.flow import reverse_postorder
from bpfvm.obj.reader.object import read_object

OBJECTS = Path(__file__).resolve().parents[3] / "objects"
WALKS, LONGEST = 20, 200


def graph_of(text: str) -> tuple[Cfg, list[int]]:
    graph = control_flow(assemble(text))
    return graph, list(reverse_postorder(graph.successors, graph.roots))


def added(graph: Cfg, known: dict[int, int], block: int, to: int) -> int:
    """What is counted on a way."""
    one = graph.blocks[block]
    return known[block] + one.last - one.first - known[to]


def test_the_likely_way_adds_nothing() -> None:
    """A test that leads out, and two ways that come together: the jump pays, and what falls through does not."""
    graph, order = graph_of("r0 = 0\n if r1 == 1 goto out\n r0 = 1\n r0 = 2\n out: exit")
    known = shares(graph, order)
    first, between, out = order[0], *(one for one in (1, 2))
    assert (added(graph, known, first, between), added(graph, known, between, out)) == (0, 0)
    assert added(graph, known, first, out) == -2


def test_a_loop_adds_its_turn_at_its_end() -> None:
    graph, order = graph_of("r0 = 9\n again: r0 += -1\n if r0 != 0 goto again\n exit")
    known = shares(graph, order)
    assert [added(graph, known, 0, 1), added(graph, known, 1, 1), added(graph, known, 1, 2)] == [0, 2, 0]


def test_every_block_has_a_way_that_adds_nothing_and_all_sums_are_right() -> None:
    blocks = walks = 0
    source = random.Random(1)
    for path in sorted(OBJECTS.glob("*.o")):
        for program in read_object(path).programs.values():
            graph = control_flow(program.insns)
            order = list(reverse_postorder(graph.successors, graph.roots[:1]))
            known = shares(graph, order)
            free = {edge.to for block in order for edge in graph.blocks[block].edges
                    if not added(graph, known, block, edge.to)}  # fmt: skip
            assert set(order[1:]) <= free, path.name
            blocks += len(order)
            for _ in range(WALKS):
                block, executed, count = order[0], 0, 0
                for _ in range(LONGEST):
                    assert count + known[block] == executed
                    one = graph.blocks[block]
                    if not one.edges:
                        break
                    to = source.choice(one.edges).to
                    executed, count = executed + one.last - one.first, count + added(graph, known, block, to)
                    block = to
                walks += 1
    print(f"{blocks} blocks, {walks} walks")
    assert blocks > 500
    assert walks > 500
