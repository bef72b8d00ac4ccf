"""Timers that are started and canceled before they fire."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, Hash, Timer, struct, u8, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases
LATE = 3_600_000_000_000


@struct
class Flow:
    packets: u64 = 0
    timer: Timer
    seen: u32 = 0


flows = Hash(u32, Flow, 16, name="timed_flows")
cells = Array(Flow, 4, name="timed_cells")


def forget(map: Any, key: int, flow: Any) -> None:
    flow.packets = 0
    flow.timer.start(forget, after=LATE)


@case((0, 1), (1, 2), (2, 3), (0, 4))
def timer_started_and_canceled(k: u8, n: u8) -> u64:
    """Whether it was started; what is deleted loses its timer."""
    flow = flows.setdefault(k, Flow())
    before = flow.timer.cancel()
    if n & 1:
        flow.timer.start(forget, after=LATE + n)
        flow.timer.start(forget, LATE)
    flow.packets += 1
    there = flow.timer.cancel()
    again = flow.timer.cancel()
    cell = cells[n & 3]
    old = cell.timer.cancel()
    cell.timer.start(forget, after=LATE)
    cell.seen += 1
    if n == 3:
        flow.timer.start(forget, after=LATE)
        del flows[k]
    return flow.packets * 10_000 + before * 1000 + there * 100 + again * 10 + old + cell.seen * 2
