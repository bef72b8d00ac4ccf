"""Captures of 1 GB, sound and damaged, read in flat memory. It asks the kernel nothing; it takes a minute.

The files are sparse: record headers are written, what packets hold is holes. A mapped hole is memory as a mapped page
of data is, once it was read.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bpfvm.obj.captures.pcap import encode_capture
from tests.unit.obj.captures.pcapng import Maker

SIZE, PACKET = 1 << 30, 65_024
ROOM = 256 << 20  # bytes of a disk that headers of a sparse file can take
GROWTH = 64 << 20  # bytes resident beyond what Python had before
READ = """
import json, re, sys, time
from bpfvm.obj.captures.capture import open_capture
def resident(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read()).group(1)) << 10
before, start, packets, size, total = resident("VmRSS"), time.monotonic(), 0, 0, 0
with open_capture(sys.argv[1]) as capture:
    for stamp, packet, length in capture:
        packets += 1
        size += len(packet)
        total += bytes(packet)[0]
    lost = [capture.lost.places, capture.lost.bytes]
print(json.dumps({"packets": packets, "bytes": size, "total": total, "lost": lost,
                  "seconds": time.monotonic() - start, "growth": resident("VmHWM") - before}))
"""


def classic(file: BinaryIO, order: str, broken: bool) -> int:
    """Records up to SIZE bytes, the first one without sense where `broken`; how many."""
    file.write(next(iter(encode_capture([], endian="little" if order == "<" else "big"))))
    count = 0
    while file.tell() < SIZE:
        size = 1 << 31 if broken and not count else PACKET
        file.write(struct.pack(order + "IIII", 1_600_000_000 + count, 0, size, PACKET) + b"\1")
        file.seek(PACKET - 1, 1)
        count += 1
    file.truncate()
    return count


def blocks(file: BinaryIO, order: str, broken: bool) -> int:
    """The same in pcapng: both lengths of the first packet's block are wrong where `broken`."""
    file.write(Maker(order).section().interface().data)
    whole = Maker(order).packet(1_600_000_000 * 10**6, bytes(PACKET)).data
    head, length = whole[:28] + b"\1", len(whole)
    count = 0
    while file.tell() < SIZE:
        wrong = broken and not count
        file.write(head[:4] + struct.pack(order + "I", length + (1 << 20) * wrong) + head[8:])
        file.seek(PACKET - 1, 1)
        file.write(struct.pack(order + "I", length + 4 * wrong))
        count += 1
    return count


def zeros(file: BinaryIO, order: str, broken: bool) -> int:
    """A section, and then a gigabyte in which no block begins."""
    file.write(Maker(order).section().interface().data + struct.pack(order + "II", 6, 1 << 31))
    file.truncate(SIZE)
    return 1


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(
    ("make", "broken"), [(classic, False), (classic, True), (blocks, False), (blocks, True), (zeros, True)]
)
def test_a_gigabyte_is_read_in_flat_memory(
    make: Callable[[BinaryIO, str, bool], int], broken: bool, order: str, tmp_path: Path
) -> None:
    if shutil.disk_usage(tmp_path).free < ROOM:
        pytest.skip(f"less than {ROOM} bytes are free in {tmp_path}")
    path = tmp_path / "large"
    with path.open("wb") as file:
        packets = make(file, order, broken)
    try:
        done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False)
    finally:
        path.unlink()
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    rate = found["packets"] / found["seconds"]
    print(
        f"{found['packets']} packets, {found['bytes'] >> 20} MiB in {found['seconds']:.2f} s ({rate:.0f} packets/s, "
        f"{SIZE / found['seconds'] / 2**20:.0f} MiB/s); {found['growth'] >> 10} KiB more resident; lost {found['lost']}"
    )
    assert found["packets"] == found["total"] == packets - broken
    assert found["bytes"] == PACKET * (packets - broken)
    assert found["lost"][0] == broken
    assert found["growth"] < GROWTH
