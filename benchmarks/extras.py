"""What coverage and checked samples cost on the native tier, as ratios to the same loop without them; changes of maps.

The first rows are `xdp_count.o` over packets of 64 bytes, thread CPU time, the least of several rounds; one packet in
SAMPLE is run by the reference tier, too, in the row of the sample, which is the whole command. The last ones store a
packet's source in a map, take it out again of a hash map, and write a record, at once or in place: by compiled code, by
calls of Python.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

from benchmarks._flows import SOURCE, deleted, stored
from benchmarks.long import COUNTER, records
from bpfvm.cli import status
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.native import helpers
from bpfvm.emulator.native.code.engine import missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.run.session import Session

PACKETS, ROUNDS = 1_000_000, 4
SAMPLE, SAMPLED = 10_000, 3.0  # one packet in so many; as long as the command without it, at most
COVERED = 2.5  # at most: a counter for each block, that no processor keeps in a register
STORE, FEW = SOURCE + "*(u64 *)(r10 -16) = 1\n", "r3 = *(u8 *)(r6 +29)\n*(u32 *)(r10 -4) = r3\n"
RECORD = "r1 = map[flows]\nr2 = r10\nr2 += -16\nr3 = 16\nr4 = 0\ncall 130\n"
RESERVED = """r1 = map[flows]
r2 = 16
r3 = 0
call 131
if r0 == 0 goto out
r1 = *(u32 *)(r6 +26)
*(u64 *)(r0 +0) = r1
*(u64 *)(r0 +8) = 1
r1 = r0
r2 = 0
call 132
"""
END = "r0 = 2\nout: exit\n"
CHANGES = {  # of maps of 1000 entries, and of a ring of a MiB
    "store and delete": ("hash", STORE + stored(0) + deleted() + END),
    "LRU, keys that are there": ("lru_hash", STORE + FEW + stored(0) + END),
    "LRU, keys that are new": ("lru_hash", STORE + stored(0) + END),
    "a record of 16 bytes": ("ringbuf", STORE + RECORD + END),
    "one that is reserved": ("ringbuf", SOURCE + RESERVED + END),
}
BY_CALL = ("map_update_elem", "map_delete_elem", "ringbuf_output", "ringbuf_reserve", "ringbuf_submit")


def least(session: Session, path: Path, rounds: int = ROUNDS) -> float:
    """ns of a packet."""
    spent = []
    for _ in range(rounds):
        with open_capture(str(path)) as found:
            slices = session.batch(found, Input(), 1, 1, None)
            assert slices is not None, "a plain capture"
            start = time.thread_time()
            total = sum(one.packets for one in slices)
            spent.append((time.thread_time() - start) / total * 1e9)
    return min(spent)


def covered(path: Path) -> None:
    """Print the rows of coverage."""
    with Session(Emulator("native", safe=True), read_object(COUNTER), "count") as session:
        plain = least(session, path)
        with session.machine.cover() as counted:
            counting = least(session, path)
            if counted.counts["count"][0] < PACKETS:
                raise SystemExit("coverage did not count all packets")
    print(f"{'plain':<26}{plain:>10.1f}{1:>8.2f}")
    print(f"{'coverage':<26}{counting:>10.1f}{counting / plain:>8.2f}  at most {COVERED} is good")


def sampled(path: Path) -> None:
    """Print the rows of a checked sample."""
    spent = {}
    for name, more in (("command", []), (f"--checked-sample {SAMPLE}", ["--checked-sample", str(SAMPLE)])):
        rounds = []
        for _ in range(ROUNDS):
            start = time.thread_time()
            with contextlib.redirect_stdout(io.StringIO()) as out:
                code = status(["run", COUNTER, "--packet", str(path), "--engine", "native", "--json", *more])
            rounds.append((time.thread_time() - start) / PACKETS * 1e9)
            found = json.loads(out.getvalue())
            if code or (more and found["checked"]["packets"] != PACKETS // SAMPLE):
                raise SystemExit(f"the command ended with status {code}: {found.get('checked')}")
        spent[name] = min(rounds)
    (plain, first), (name, second) = spent.items()
    print(f"{plain:<26}{first:>10.1f}{1:>8.2f}")
    print(f"{name:<26}{second:>10.1f}{second / first:>8.2f}  at most {SAMPLED} is good")


def changed(path: Path, name: str) -> None:
    """Print the rows of a program that changes a map."""
    kind, text = CHANGES[name]
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))
    shape = (0, 0, 1 << 20) if kind == "ringbuf" else (4, 8, 1000)
    spec = ObjectSpec({"p": program}, {"flows": MapSpec("flows", kind, *shape)})
    with Session(Emulator("native", safe=True), spec, "p") as session:
        compiled = least(session, path)
    right = helpers.EMITTERS
    helpers.EMITTERS = {helper: emitter for helper, emitter in right.items() if helper not in BY_CALL}
    try:
        with Session(Emulator("native", safe=True), spec, "p") as session:
            called = least(session, path, 1)
    finally:
        helpers.EMITTERS = right
    print(f"{name:<26}{compiled:>10.1f}{1:>8.2f}")
    print(f"{'  by Python':<26}{called:>10.1f}{called / compiled:>8.2f}")


def main() -> None:
    """Print a row for each."""
    reason = missing()
    if reason is not None:
        print(f"not run: engine native: {reason}")
        return
    print(f"{'what':<26}{'ns/packet':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "packets.pcap")
        with path.open("wb") as file:
            file.writelines(records(PACKETS))
        covered(path)
        sampled(path)
        with path.open("wb") as file:
            file.writelines(records(PACKETS // 5))
        for name in CHANGES:
            changed(path, name)


if __name__ == "__main__":
    main()
