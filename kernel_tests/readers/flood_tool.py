# mypy: disable-error-code="no-untyped-def, no-untyped-call, valid-type, type-arg, arg-type, call-arg"
"""A tool under a flood: at each call of a function by one process, a burst of events through a ring with little room.

    bpfvm trace kernel_tests/readers/flood_tool.py PID

In the end a line of JSON: events that came and that are said to be lost, how many were sent, how many came out of
order, and the size of this process in bytes, taken now and then.
"""

from __future__ import annotations

import json
import mmap
import sys
from pathlib import Path

from bpfvm import Array, Ring, bpf, pid, struct, u32, u64

TARGET, EACH = int(sys.argv[1]), 64


@struct
class Event:
    number: u64
    rest: u64[3]


sent = Array(u64, 1)
events = Ring(Event, 1 << 16)


@bpf.uprobe("c:getpgid")
def flood(who: u32):
    if pid() == TARGET:
        for _ in range(EACH):
            number = bpf.fetch_add(sent, 0, 1)
            events.submit(Event(number=number))


def size() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


if __name__ == "__main__":
    came = disordered = 0
    last = -1
    sizes = []
    with bpf.attach(flood):
        print("attached", flush=True)
        for e in events:
            number = e.number
            if number <= last:
                disordered += 1
            last = number
            came += 1
            if not came & 0xFFFF:
                sizes.append(size())
        said = {"came": came, "lost": events.lost, "sent": sent[0], "disordered": disordered, "sizes": sizes}
    print(json.dumps(said))
