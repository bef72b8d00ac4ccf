"""Packets per second of `bpfvm run`, as a part of what only reading the capture in Python takes.

The program counts protocols in an array map. The limit is a loop that unpacks each record's header of the mapped file
and does nothing else. Times are thread CPU time, the least of several rounds, of everything but Python's own start.
"""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import struct
import tempfile
import time
from pathlib import Path

from bpfvm.cli import status
from bpfvm.obj.captures.pcap import write_capture

ROUNDS, PACKETS = 3, 20_000
COUNTER = str(Path(__file__).resolve().parents[1] / "tests/objects/xdp_count.o")
SIZES = {"64 bytes": [64], "mixed": [64] * 7 + [576] * 4 + [1500]}


def read(path: str) -> int:
    """Walk over the records: how many there are."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        unpack, at, end, count = struct.Struct("<IIII").unpack_from, 24, len(data), 0
        while at < end:
            at += 16 + unpack(data, at)[2]
            count += 1
        return count


def run(path: str, engine: str) -> int:
    """`bpfvm run`: how many packets it ran."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = status(["run", COUNTER, "--packet", path, "--engine", engine, "--json"])
    if code:
        raise SystemExit(f"bpfvm run ended with status {code}")
    found: dict[str, int] = json.loads(out.getvalue())
    return found["packets"]


def rate(path: str, what: str) -> float:
    """Thousand packets per second of a reader or an engine."""
    spent = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        if (read(path) if what == "read" else run(path, what)) != PACKETS:
            raise SystemExit(f"{what} met another number of packets than {PACKETS}")
        spent.append(time.thread_time() - start)
    return PACKETS / min(spent) / 1000


def main() -> None:
    """Print a row for each mix of sizes."""
    print(f"{'packets':<10}{'read only k/s':>15}{'interp k/s':>12}{'portable k/s':>14}{'portable of limit':>19}")
    for name, sizes in SIZES.items():
        frame = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06"
        packets = ((1000 * n, frame + bytes(sizes[n % len(sizes)] - len(frame))) for n in range(PACKETS))
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, "packets.pcap"))
            write_capture(path, packets)
            rates = {what: rate(path, what) for what in ("read", "interp", "portable")}
        part = rates["portable"] / rates["read"]
        print(f"{name:<10}{rates['read']:>15.0f}{rates['interp']:>12.0f}{rates['portable']:>14.0f}{part:>18.1%}")


if __name__ == "__main__":
    main()
