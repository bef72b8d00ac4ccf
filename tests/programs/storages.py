"""Storage of sockets: the socket of a packet is another one in each run."""

from __future__ import annotations

from typing import Any

from bpfvm import SkStorage, bpf, pkt, struct, u32, u64
from tests.contract.inputs import Corpus
from tests.programs.tries import frame

case = Corpus()
CASES = case.cases


@struct
class Mark:
    count: u64 = 1
    last: u32 = 2


marks = SkStorage(Mark, name="marks")
sums = SkStorage(u64, name="sums", default=5)
seen = SkStorage(u32, name="seen")


@case(frame(1, 0), frame(2, 0), frame(1, 0))
@bpf.tc
def socket_structs(skb: Any) -> int:
    """Values by a socket: made once, found again, changed in their place, deleted."""
    sk = skb.sk
    if sk is None:
        return 100
    if sk in marks or marks.get(sk) is not None:
        return 101
    made = marks.setdefault(sk, Mark(last=7))
    made.last += pkt.ip.src
    marks[sk].count += 40
    again = marks.setdefault(sk, Mark(last=9)).count
    if pkt.ip.src == 2:
        del marks[sk]
        if sk in marks:
            return 102
        marks[sk] = Mark(count=3)
        marks[sk] = Mark(count=4)
    found = marks.pop(sk, None)
    if found is None or sk in marks:
        return 103
    return found.count * 100 + found.last + again


@case(frame(1, 0), frame(2, 0), frame(3, 0), frame(4, 0), frame(5, 0))
@bpf.tc(on_fault=77)
def socket_numbers(skb: Any) -> int:
    """A default is what a socket without a value counts as; without one it is a fault."""
    sk = skb.sk
    if sk is None:
        return 100
    sums[sk] += pkt.ip.src
    sums[sk] += 10
    if pkt.ip.src == 2:
        return seen[sk]
    if pkt.ip.src == 3:
        del seen[sk]
    if pkt.ip.src == 4:
        return seen.get(sk, 9)
    seen[sk] = 3
    return sums[sk] * 10 + seen[sk] + seen.pop(sk)
