"""No damage to an object or a capture ends in anything but a result or one clear line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bpfvm.core.errors import LoadError
from bpfvm.obj.captures.capture import Capture
from bpfvm.obj.captures.pcap import encode_capture, write_capture
from tests.unit.obj.captures.pcapng import Maker
from tests.unit.obj.damage.changes import KINDS, damaged, damaged_objects

OBJECTS = Path(__file__).resolve().parents[3] / "objects"
COUNT = 2000


def report(files: Sequence[Path], count: int, seed: int) -> dict[str, Any]:
    """What run.py says of `count` objects in a process of its own, after the checks that hold for any of them."""
    command = [sys.executable, "-m", "tests.unit.obj.damage.run", str(count), str(seed), *map(str, files)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=OBJECTS.parents[1], timeout=60 + count / 20, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    total: Counter[str] = Counter()
    for kind, outcomes in found["outcomes"].items():
        print(f"{kind:<12} {outcomes}")
        total.update(outcomes)
    print(f"{total.total()} damaged objects: {dict(total)}; slowest {found['slowest']} s, {found['peak'] >> 20} MiB")
    assert found["wrong"] == [], "\n".join(found["wrong"][:5])
    assert total.total() == count
    assert found["slowest"] < 1
    assert found["peak"] < 1 << 30
    return found


def report_captures(files: Sequence[Path], count: int, seed: int) -> None:
    """The same for captures: damage_captures in a process of its own."""
    command = [sys.executable, "-m", "tests.unit.obj.damage.captures", str(count), str(seed), *map(str, files)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=OBJECTS.parents[1], timeout=60 + count / 20, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    outcomes = found["outcomes"]
    print(f"{count} damaged captures: {outcomes}; slowest {found['slowest']} s, {found['peak'] >> 20} MiB")
    assert found["wrong"] == [], "\n".join(found["wrong"][:5])
    assert sum(outcomes.values()) == count
    assert min(outcomes[one] for one in ("whole", "lost some", "refused")) >= count // 50
    assert found["slowest"] < 1
    assert found["peak"] < 1 << 30


def captures(folder: Path) -> list[Path]:
    """Small captures of every form, made in `folder`."""
    made = []
    packets = [(number * 10**9, bytes([number]) * (14 + number * 7)) for number in range(12)]
    for link in (1, 101, 113):
        for endian in ("little", "big"):
            made.append(folder / f"{link}-{endian}.pcap")
            write_capture(made[-1], packets, nanoseconds=endian == "big", endian=endian, link=link)
    for order in "<>":
        maker = Maker(order).section().interface(snap=96).interface(link=101, resolution=b"\x09")
        for number, (stamp, data) in enumerate(packets):
            maker.packet(stamp, data, number % 2, 200)
        made.append(folder / f"{'little' if order == '<' else 'big'}.pcapng")
        made[-1].write_bytes(maker.data)
    return made


def test_a_damaged_capture_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    report_captures(captures(tmp_path), 1000, seed=1)


def test_kinds_of_damage() -> None:
    assert {"flip", "truncate", "huge", "cycle", "overlap"} <= set(KINDS)
    files = [path.read_bytes() for path in sorted(OBJECTS.glob("*.o"))]
    changed: Counter[str] = Counter()
    for one in damaged_objects(files, 20 * len(KINDS), seed=3):
        changed[one.kind] += one.data != one.whole
    assert min(changed[kind] for kind in KINDS) >= 15, changed


def test_a_damaged_object_is_a_result_or_one_line() -> None:
    files = sorted(OBJECTS.glob("*.o"))
    assert len(files) >= 9
    outcomes = report(files, COUNT, seed=1)["outcomes"]
    assert set(outcomes) == set(KINDS)
    for kind, reached in outcomes.items():
        assert reached.get("refused", 0), f"all objects with damage of kind {kind} were read"
    assert sum(reached.get("used", 0) for reached in outcomes.values()) >= COUNT // 20


def test_a_damaged_capture_gives_what_is_readable() -> None:
    packets = [(number * 10**9, bytes([number]) * (14 + number * 7)) for number in range(12)]
    files = [
        b"".join(encode_capture(packets, nanoseconds=nanoseconds, endian=endian))
        for nanoseconds in (True, False)
        for endian in ("little", "big")
    ]
    outcomes: Counter[str] = Counter()
    messages: list[str] = []
    for data in damaged(files, COUNT, seed=2):
        try:
            capture = Capture(data, "damaged.pcap")
        except LoadError as error:
            outcomes["refused"] += 1
            messages.append(str(error))
            continue
        read = sum(16 + len(packet) for _, packet, _ in capture)
        assert read + 24 <= len(data)
        lost = capture.lost
        assert (lost.bytes == 0) == (lost.lines == []) == (read + 24 == len(data))
        assert read + lost.bytes + 24 == len(data)
        outcomes["whole" if not lost.bytes else "lost some"] += 1
        capture.close()
    assert [text for text in messages if not text.isprintable()] == []
    print(f"{outcomes.total()} damaged captures: {dict(outcomes)}")
    assert outcomes.total() == COUNT
    assert min(outcomes["whole"], outcomes["lost some"]) >= COUNT // 10
    assert outcomes["refused"] >= COUNT // 40
