# mypy: disable-error-code="type-arg, no-untyped-def, no-untyped-call, valid-type, arg-type, call-arg"
"""Programs that send more than there is room for, at a call of one process: the first argument of the tool."""

from __future__ import annotations

import sys
from types import SimpleNamespace

from bpfvm import PerfEvents, Ring, bpf, pid, struct, u32, u64

own = SimpleNamespace(
    pid=int(sys.argv[1]) if __name__ != "kernel_tests.readers.losses_programs" and sys.argv[1:] else 0
)
EACH = 300


@struct
class Event:
    number: u64
    rest: u64[7]


events = Ring(Event, 4096)
filled = Ring(u32, 4096)
samples = PerfEvents(Event)


@bpf.uprobe("c:getpgid")
def submits(who: u32):
    if pid() == own.pid:
        for number in range(EACH):
            events.submit(Event(number=number))


@bpf.uprobe("c:getpgid")
def reserves(who: u32):
    if pid() == own.pid:
        one = events.reserve()
        if one is not None:
            one.submit()
        filled.submit(who)


@bpf.uprobe("c:getpgid")
def samples_it(who: u32):
    if pid() == own.pid:
        for number in range(EACH):
            samples.submit(Event(number=number))
