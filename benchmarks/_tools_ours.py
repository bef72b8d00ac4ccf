# mypy: disable-error-code="no-untyped-def, no-untyped-call, valid-type, type-arg, arg-type, call-arg"
"""A tool as its users write it, which times its own user half: run by tools.py, through `bpfvm trace`.

    bpfvm trace benchmarks/_tools_ours.py ring|perf ROUNDS

It attaches to a function of its own process, whose calls fill the buffer. In each round a line for each row: name,
events, seconds of CPU time. A line of input lets the next round begin.
"""

import os
import sys
import time
from itertools import islice

from bpfvm import PerfEvents, Ring, bpf, char, comm, ktime, pid, struct, u32, u64, uid

KIND, ROUNDS, OWN = sys.argv[1], int(sys.argv[2]), os.getpid()
EACH = 500  # events of a call
CALLS = 70  # for as many as there is room for in 4 MiB


@struct
class Event:
    ts: u64
    pid: u32
    uid: u32
    comm: char[16]
    args: u64[7]


events = Ring(Event, 1 << 22) if KIND == "ring" else PerfEvents(Event, pages=1024)


@bpf.uprobe("c:getpgid")
def send(which: u32):
    if pid() == OWN:
        for _ in range(EACH):
            events.submit(Event(ts=ktime(), pid=pid(), uid=uid(), comm=comm()))


def iterated():
    for e in islice(events, CALLS * EACH):
        e.ts  # noqa: B018
        e.comm  # noqa: B018


def read():
    for e in events.read():
        e.ts  # noqa: B018
        e.comm  # noqa: B018


def blocks():
    left = CALLS * EACH
    for block in events.blocks():
        block["ts"].max()
        (block["comm"] == b"python3").sum()
        left -= len(block)
        if not left:
            break


ROWS = {"tool: for e in events": iterated, "tool: events.read()": read, "tool: events.blocks()": blocks}

if __name__ == "__main__":
    with bpf.attach(send):
        for _ in range(ROUNDS):
            sys.stdin.readline()
            for name, drain in ROWS.items():
                for _ in range(CALLS):
                    os.getpgid(0)
                start = time.thread_time()
                drain()
                print(name, CALLS * EACH, time.thread_time() - start, sep="\t", flush=True)
                assert not events.lost, f"{events.lost} events had no room"
                assert not events.read(), "all were taken"
