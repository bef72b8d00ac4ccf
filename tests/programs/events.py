"""Events: records that are filled in their place, copies of others, bytes."""

from __future__ import annotations

from typing import Any

from bpfvm import PerfEvents, Ring, bpf, char, pkt, struct, u8, u16, u32, u64
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


events = Ring(Event, name="events")
larges = Ring(Large, 4096, name="larges")
numbers = Ring(u32, name="numbers")
perf = PerfEvents(Event, name="perf")


@case((1, 5), (2, 2**63), (0, 0))
def ring_in_place(pid: u32, size: u64) -> u64:
    """A struct that is made for it is filled where it goes."""
    events.submit(Event(pid=pid, size=size + 1, kind=u8(pid + 1)))
    if pid:
        events.submit(Event(name=b"again"))
    return 0


@case((1,), (2,), (3,))
def ring_without_room(n: u32) -> u64:
    """Records larger than the stack; what has no room is dropped."""
    larges.submit(Large(seq=n))
    larges.submit(Large(seq=n + 1, data=b"x"))
    larges.submit(Large(seq=u32(n + 2)))
    return n


@case((1, 4), (9, 0), (0, 1))
def ring_copies(n: u32, by: u8) -> u64:
    """An event that was made before, numbers, bytes."""
    one = Event(kind=by)
    one.name = b"one"
    events.submit(one)
    one.size = 9
    events.submit(one)
    numbers.submit(n)
    numbers.output(b"text")
    numbers.output(one.name)
    return one.size // by


@case(frame(1, 2, 6), frame(3, 4, 17))
@bpf.xdp
def perf_of_packets(ctx: Any) -> int:
    """Through perf's buffers."""
    perf.submit(Event(pid=pkt.ip.src, kind=pkt.ip.proto))
    one = Event(size=pkt.ip.dst)
    perf.submit(one)
    perf.output(b"end")
    return 2


@case(frame(1, 2, 6), frame(3, 4, 17))
@bpf.xdp
def ring_of_packets(ctx: Any) -> int:
    """A short packet ends the program, and nothing is submitted."""
    events.submit(Event(pid=pkt.ip.src, size=u16(pkt.ip.len)))
    return 2
