"""Captures on two threads as a ratio to one: P1 (arithmetic) and P4 (a look-up and an atomic addition) of tiers.py.

Times are the least of several rounds, of whole captures in the cache: by the clock on the wall, and of CPU, a thread on
average, which is what two free cores would take. Where others use the cores, too, only the second tells anything: what
waits for a core takes none. The loop of one thread without atomics stands beside them. All must give the same sums.
P4's threads share the lines of the cache that its values are on: `line` is the time in which one goes from core to
core, about 40 ns where they share a cache. Where a host of virtual machines puts them further apart (200 ns), two
threads cannot be faster than one.
"""

from __future__ import annotations

import ctypes
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.tiers import P1, P4
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.native.captures.threads import Lane, Threads
from bpfvm.emulator.native.code.engine import QUICK, Compiled, missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.session import Session

ROUNDS, GOOD = 7, 1.7
FLOWS = 100_000
took: dict[int, float] = {}  # by CPU, seconds of its threads in a round
LOADS = {  # program, packets
    "P1 arithmetic": (P1, 2_000),
    "P4 map, 0.25 M": (P4, 250_000), "P4 map, 1 M": (P4, 1_000_000), "P4 map, 4 M": (P4, 4_000_000),
}  # fmt: skip
CROSSINGS = 2_000
# Wait until a word is %first, make it one more, and so on with each second number
BOUNCE = """
define void @bounce(ptr %word, i64 %first, i64 %end) {
entry:
  br label %wait
wait:
  %want = phi i64 [ %first, %entry ], [ %want, %wait ], [ %next, %took ]
  %seen = load atomic i64, ptr %word acquire, align 8
  %mine = icmp eq i64 %seen, %want
  br i1 %mine, label %took, label %wait
took:
  %more = add i64 %want, 1
  store atomic i64 %more, ptr %word release, align 8
  %next = add i64 %want, 2
  %over = icmp uge i64 %next, %end
  br i1 %over, label %out, label %wait
out:
  ret void
}
"""


def capture(path: Path, count: int) -> None:
    """Packets of 64 bytes from many sources."""
    source = random.Random(count)
    head = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(2)
    write_capture(
        str(path),
        ((1000 * n, head + source.randrange(FLOWS).to_bytes(4, "little") + bytes(34)) for n in range(count)),
    )


def crossing() -> float:
    """The least time in ns that a line of the cache takes from one core to another."""
    compiled = Compiled(BOUNCE, ["bounce"], QUICK)
    bounce = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)(compiled.addresses["bounce"])
    spent = []
    for _ in range(ROUNDS):
        word = ctypes.create_string_buffer(8)
        place = ctypes.addressof(word)
        other = threading.Thread(target=bounce, args=(place, 1, 2 * CROSSINGS))
        other.start()
        start = time.perf_counter()
        bounce(place, 0, 2 * CROSSINGS)
        other.join()
        spent.append(time.perf_counter() - start)
    return min(spent) / (2 * CROSSINGS) * 1e9


def seconds(text: str, path: Path, cpus: int, threads: bool) -> tuple[float, float, object]:
    """The least time of a run over the capture, on the wall and of CPU, and what it counted."""
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))
    spec = ObjectSpec({"p": program}, {"flows": MapSpec("flows", "hash", 4, 8, FLOWS)})
    backend = Emulator("native", safe=True, cpus=cpus, threads=threads)
    with Session(backend, spec, "p") as session:
        if "map[flows]" in text:
            session.machine.write_map("flows", [(n.to_bytes(4, "little"), bytes(8)) for n in range(FLOWS)])
        spent, worked = [], []
        for _ in range(ROUNDS):
            with open_capture(str(path)) as found:
                slices = session.batch(found, Input(), cpus, 1, None)
                assert slices is not None, "a plain capture"
                took.clear()
                start, own = time.perf_counter(), time.thread_time()
                total = [(one.packets, one.insns) for one in slices]
                spent.append(time.perf_counter() - start)
                worked.append(time.thread_time() - own + sum(took.values()) / max(len(took), 1))
        counted = session.entries() if "map[flows]" in text else {}
        return min(spent), min(worked), (sum(one for one, _ in total), sum(insns for _, insns in total), counted)


def main() -> None:
    """Print a row for each program."""
    reason = missing()
    if reason is not None:
        print(f"not run: engine native: {reason}")
        return
    right = Threads._work

    def timed(self: Threads, lane: Lane) -> None:
        start = time.thread_time()
        right(self, lane)
        cpu = lane.walk.first_cpu
        took[cpu] = took.get(cpu, 0.0) + time.thread_time() - start

    Threads._work = timed  # type: ignore[method-assign]
    titles = f"{'CPU ms, loop':>14}{'one thread':>12}{'two':>8}{'ratio':>8}{'wall ms, one':>15}{'two':>8}{'ratio':>8}"
    print(f"{'program':<16}{titles}{'line ns':>9}")
    for name, (text, count) in LOADS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "packets.pcap")
            capture(path, count)
            line = crossing()
            rows = [seconds(text, path, cpus, threads) for cpus, threads in ((1, False), (1, True), (2, True))]
        if any(counted != rows[0][2] for _, _, counted in rows):
            sys.exit(f"{name}: threads do not count what one loop does")
        (_, loop, _), (one, own, _), (two, each, _) = rows
        cpu = f"{1000 * loop:>14.1f}{1000 * own:>12.1f}{1000 * each:>8.1f}{own / each:>8.2f}"
        wall = f"{1000 * one:>15.1f}{1000 * two:>8.1f}{one / two:>8.2f}"
        print(f"{name:<16}{cpu}{wall}{line:>9.0f}  at least {GOOD} is good")


if __name__ == "__main__":
    main()
