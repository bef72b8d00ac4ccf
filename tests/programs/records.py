"""Records of rings that are reserved, filled and given back on every way."""

from __future__ import annotations

from typing import Any

from bpfvm import Ring, bpf, char, pkt, struct, u8, u32, u64
from tests.contract.inputs import Corpus
from tests.programs.tries import frame

case = Corpus()
CASES = case.cases


@struct
class Event:
    pid: u32 = 7
    kind: u8 = 0
    size: u64 = 0
    name: char[16] = b""


@struct
class Large:
    seq: u32 = 0
    data: u8[2000] = b""


events = Ring(Event, name="reserved")
larges = Ring(Large, 4096, name="reserved_large")


@case((1, 5), (2, 2**63), (0, 0))
def record_filled(pid: u32, size: u64) -> u64:
    """What is not stored has the type's own values."""
    e = events.reserve()
    if e is None:
        return 1
    e.size = size
    if pid:
        e.pid = pid
        e.name = b"some"
    total = e.pid + e.size
    e.submit()
    return total


@case((0,), (1,), (2,))
def record_dropped(n: u32) -> u64:
    """Submitted or discarded, one of both."""
    e = events.reserve()
    if e is not None:
        e.pid = n
        if n > 1:
            e.discard()
        else:
            e.submit()
    return n


@case((1,), (2,), (3,))
def record_without_room(n: u32) -> u64:
    """None where there is no room."""
    count = 0
    for _ in range(3):
        e = larges.reserve()
        if e:
            e.seq = n
            e.data[n] = 3
            e.submit()
            count += 1
    return count


@case((1, 2), (1, 0), (0, 0), (0, 5))
def record_at_a_fault(n: u32, by: u32) -> u64:
    """A fault gives it back, before its test and behind it."""
    e = events.reserve()
    first = 10 // (n + by)
    if e is None:
        return 0
    e.pid = u32(first // by)
    e.submit()
    return 1


def filled(e: Event, pid: int) -> None:
    e.pid = pid & 0xFFFF
    e.submit()


@case(frame(1, 2, 6), frame(3, 4, 17), (b"\0" * 20,))
@bpf.xdp
def record_of_packets(ctx: Any) -> int:
    """A short packet gives the record back; functions take it over."""
    e = events.reserve()
    if e is None:
        return 1
    e.kind = pkt.ip.proto
    filled(e, pkt.ip.src)
    return 2
