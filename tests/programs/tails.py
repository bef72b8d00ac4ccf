"""Programs that go on in others, which stand in an array from the start."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, Counter, ProgArray, bpf, pkt, u32, u64
from tests.contract.inputs import Corpus
from tests.programs.tries import frame

case = Corpus()
CASES = case.cases

stages = ProgArray(8, name="stages")
ways = Counter(u32, name="ways")
steps = Array(u64, 4, name="steps")


@bpf.xdp(on_fault=3)
def second(ctx: Any) -> int:
    """Faults by its own value, at its own line."""
    ways[2] += 1
    steps[pkt.ip.dst] = pkt.ip.src
    assert pkt.ip.dst != 3, "three"
    return int(steps[pkt.ip.dst] & 1 | 2)


@bpf.xdp
def around(ctx: Any) -> int:
    """Goes on in itself, until no more calls are made."""
    ways[3] += 1
    stages.call(ctx, 3)
    return 0


@case(
    *(
        frame(stage, size)
        for stage, size in ((1, 0), (2, 0), (3, 0), (4, 0), (0, 0), (9, 0), (2, 3), (2, 5), (5, 0), (6, 2), (6, 7))
    )
)
@bpf.xdp
def dispatched(ctx: Any) -> int:
    """What stands at an index runs in its place; nothing happens where nothing does."""
    ways[0] += 1
    steps[0] += 1
    stages.call(ctx, pkt.ip.src)
    ways[1] += 1
    if pkt.ip.src == 5:
        stages[4](ctx)
    if pkt.ip.src == 6:
        bpf.tail_call(stages, pkt.ip.dst)
    return int(steps[pkt.ip.src] & 1 if pkt.ip.src == 9 else 1)


stages[2] = second
stages[3] = around
stages[4] = dispatched
