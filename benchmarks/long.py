"""What a packet and a map entry cost as there are more of them: captures to 100 million packets, maps to 10 million.

A process of its own streams the capture through a pipe to another one that is `bpfvm run --engine native --packet -`;
CPU time and the most memory that it had are that one's. A third process only does with the stream what cannot be left
away: it copies it to a file without a name, and reads that once. What a host takes for pages that were never used
before is in both (a virtual machine may have to get them from its own), and so is not the program's. Keys of the maps
are as many as there are packets: the first pass inserts them, the second finds them. BPFVM_LONG=1 goes all the way,
which takes 8 GB of disk and some minutes.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._flows import SOURCE, found, stored
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.native.code.engine import missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.session import Session

COUNTER = str(Path(__file__).resolve().parents[1] / "tests/objects/xdp_count.o")
LONG = os.environ.get("BPFVM_LONG") == "1"
PACKETS = (1_000_000, 10_000_000, *([100_000_000] if LONG else []))
ENTRIES = (10_000, 100_000, 1_000_000, *([10_000_000] if LONG else []))
BLOCK = 10_000  # packets that are written at a time

HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
FRAME = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(2)  # to the source's address
INSERT = (
    SOURCE + found() + "if r0 != 0 goto there\n*(u64 *)(r10 -16) = 1\n" + stored(1) + """
r0 = 2
exit
there: r1 = 1
lock *(u64 *)(r0 +0) += r1
r0 = 2
out: exit
"""
)  # fmt: skip
CHILD = """
import json, resource, sys
from bpfvm.cli import status
code = status(["run", sys.argv[1], "--engine", "native", "--packet", "-", "--json"])
spent = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([code, spent.ru_utime + spent.ru_stime, spent.ru_maxrss]), file=sys.stderr)
"""
COPY = """
import json, os, resource, sys, tempfile
piece, size = bytearray(1 << 18), 0
with tempfile.TemporaryFile(buffering=0) as copy:
    while count := sys.stdin.buffer.raw.readinto(piece):
        size += copy.write(memoryview(piece)[:count])
    copy.seek(0)
    while copy.readinto(piece):
        pass
spent = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"packets": (size - 24) // 80}))
print(json.dumps([0, spent.ru_utime + spent.ru_stime, spent.ru_maxrss]), file=sys.stderr)
"""


def records(count: int) -> Iterator[bytes]:
    """A capture of so many packets of 64 bytes, each with a source of its own."""
    yield HEAD
    head = struct.pack("<IIII", 1, 0, 64, 64)
    for first in range(0, count, BLOCK):
        block = range(first, min(first + BLOCK, count))
        yield b"".join(head + FRAME + (n * 2654435761 & 0xFFFF_FFFF).to_bytes(4, "little") + bytes(34) for n in block)


def streamed(count: int, child: str) -> tuple[float, float]:
    """CPU seconds of a child over a stream, the least of some, fewer where they are long; and its most memory in MB."""
    rounds = [_streamed(count, child) for _ in range(max(1, min(5, 5_000_000 // count)))]
    return min(spent for spent, _ in rounds), max(most for _, most in rounds)


def _streamed(count: int, text: str) -> tuple[float, float]:
    block = b"".join(records(BLOCK))[len(HEAD) :]
    words = [sys.executable, "-c", text, COUNTER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.write(HEAD)
        for _ in range(count // BLOCK):
            child.stdin.write(block)
        out, err = child.communicate()
    code, spent, most = json.loads(err.splitlines()[-1])
    packets = json.loads(out)["packets"]
    if code or packets != count:
        sys.exit(f"the child ended with status {code} after {packets} packets")
    return spent, most / 1024


def inserted(count: int, folder: Path) -> tuple[float, float]:
    """ns of a packet whose source is new to a map that grows to so many entries, and of one whose source is there."""
    path = folder / f"{count}.pcap"
    with path.open("wb") as file:
        file.writelines(records(count))
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(INSERT)))
    spec = ObjectSpec({"p": program}, {"flows": MapSpec("flows", "hash", 4, 8, count)})
    spent = []
    with Session(Emulator("native", safe=True), spec, "p") as session:
        for limit in (0, None, None, None):  # the first one compiles
            with open_capture(str(path)) as packets:
                slices = session.batch(packets, Input(), 1, 1, limit)
                assert slices is not None, "a plain capture"
                start = time.thread_time()
                total = sum(one.packets for one in slices)
                spent.append((time.thread_time() - start) / max(total, 1) * 1e9)
        entries = len(session.machine.system.maps["flows"].table)
        if entries != count:
            sys.exit(f"the map has {entries} entries, not {count}")
    path.unlink()
    return spent[1], min(spent[2:])


def main() -> None:
    """Print a row for each number of packets, and of entries."""
    reason = missing()
    if reason is not None:
        print(f"not run: engine native: {reason}")
        return
    base = {child: streamed(BLOCK, child)[0] for child in (CHILD, COPY)}
    print(f"{'packets':<12}{'file MB':>9}{'CPU ns/packet':>15}{'copied alone':>14}{'rest':>7}{'most MB':>9}")
    for count in PACKETS:
        (copied, _), (spent, most) = (streamed(count, child) for child in (COPY, CHILD))
        each, least = ((one - base[child]) / count * 1e9 for one, child in ((spent, CHILD), (copied, COPY)))
        print(f"{count:<12}{count * 80 / 1e6:>9.0f}{each:>15.1f}{least:>14.1f}{each - least:>7.1f}{most:>9.0f}")
    print(f"{'map entries':<12}{'insert ns':>12}{'find ns':>9}{'most MB of all':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for count in ENTRIES:
            new, known = inserted(count, Path(folder))
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{count:<12}{new:>12.1f}{known:>9.1f}{most:>16.0f}")


if __name__ == "__main__":
    main()
