"""Captures on several threads: what a program adds up is what one thread adds up, and faults have their packets."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks._flows import SOURCE, counted, deleted, on_cpu, stored
from bpfvm.cli import status
from bpfvm.emulator.native.captures import pages, threads
from bpfvm.emulator.native.captures.buffer import Buffer
from bpfvm.emulator.native.code.engine import missing
from bpfvm.obj.model import MapSpec
from bpfvm.tables.helpers import BY_NAME
from tests.unit.emulator.native import captures
from tests.unit.emulator.native.captures import Captured

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

PROTO = str(Path(__file__).resolve().parents[4] / "examples" / "proto.py")
MAPS = {"flows": MapSpec("flows", "hash", 4, 8, 3000), "cpus": MapSpec("cpus", "percpu_array", 4, 8, 1),
        "gone": MapSpec("gone", "hash", 4, 8, 100)}  # fmt: skip
# Counts packets by source, stores in another map and deletes there; counts by CPU; reads byte 40
FLOWS = (
    SOURCE + counted("lost") + """
r3 = *(u8 *)(r6 +29)
r3 &= 31
*(u32 *)(r10 -4) = r3
*(u64 *)(r10 -16) = r3
""" + stored(0, "gone") + deleted("gone") + on_cpu("lost") + """
r0 = *(u8 *)(r6 +40)
r0 &= 15
exit
lost: r0 = 99
out: exit
"""
)  # fmt: skip


@pytest.fixture
def flows(tmp_path: Path) -> str:
    return captures.program(tmp_path / "flows.o", FLOWS, MAPS)


def capture(path: Path, count: int, short: float) -> str:
    source, found = random.Random(7), []
    for number in range(count):
        frame = bytes(12) + b"\x08\x00\x45" + bytes(11) + source.randrange(2500).to_bytes(4, "big")
        frame += source.randbytes(40)
        found.append((1000 * number, frame[: 36 if source.random() < short else len(frame)]))
    return captures.capture(path, found)


def short(path: Path) -> str:
    """Packets of which every third one ends early."""
    return captures.capture(path, [(1000 * number, bytes(20 if number % 3 == 0 else 60)) for number in range(300)])


def document(capsys: Captured, *words: str, code: int) -> dict[str, Any]:
    told, found, _ = captures.document(capsys, *words, "--engine", "native")
    assert told == code
    return found


@pytest.mark.parametrize(("cpus", "reads"), [(2, False), (5, False), (2, True)])
def test_what_is_added_up_is_what_one_thread_adds_up(
    flows: str, cpus: int, reads: bool, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Faults, too, each in its packet. The map that is stored to and deleted from by all is empty in the end."""
    monkeypatch.setattr(Buffer, "reads", reads)
    words = (flows, "--packet", capture(tmp_path / "a.pcap", 30_000, 0.002), "--cpus", str(cpus))
    one, many = (document(capsys, *words, *more, code=1) for more in ([], ["--threads"]))
    for name in ("packets", "bytes", "actions", "faults"):
        assert many[name] == one[name], name
    assert many["maps"]["flows"] == one["maps"]["flows"]
    assert many["maps"]["gone"] == one["maps"]["gone"] == []
    sums = [sum(int.from_bytes(bytes.fromhex(word), "little") for word in found["maps"]["cpus"][0]["value"])
            for found in (one, many)]  # fmt: skip
    assert sums[0] == sums[1] > 29_000
    assert len(many["faults"]) >= 20
    assert "99" not in many["actions"]


def test_a_function_of_python_notes_its_faults(tmp_path: Path, capsys: Captured) -> None:
    words = (PROTO, "--packet", capture(tmp_path / "a.pcap", 5000, 0), "--packet", short(tmp_path / "b.pcap"))
    one, many = (document(capsys, *words, "--cpus", "2", *more, code=0) for more in ([], ["--threads"]))
    for name in ("packets", "actions", "faults", "maps", "insns"):
        assert many[name] == one[name], name
    assert len(many["faults"]) == 100


@pytest.mark.parametrize("limit", [1, 777, 4000])
@pytest.mark.parametrize(("pause", "reads"), [(threads.PAUSE, False), (0, False), (threads.PAUSE, True)])
def test_a_limit(
    limit: int, pause: float, reads: bool, flows: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(pages, "WIDE", 1 << 16)
    monkeypatch.setattr(threads, "PAUSE", pause)
    monkeypatch.setattr(Buffer, "reads", reads)
    words = (flows, "--packet", capture(tmp_path / "a.pcap", 3000, 0), "--cpus", "2", "--limit", str(limit))
    one, many = (document(capsys, *words, *more, code=0) for more in ([], ["--threads"]))
    assert many["packets"] == one["packets"] == min(limit, 3000)
    assert many["maps"]["flows"] == one["maps"]["flows"]


@pytest.mark.parametrize("more", [("--threads",), ()])
def test_a_file_that_cannot_be_read_where_it_is_mapped(
    more: tuple[str, ...], flows: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    words = (flows, "--packet", capture(tmp_path / "a.pcap", 3000, 0), "--cpus", "2")
    one = document(capsys, *words, code=0)
    take = Buffer.take
    monkeypatch.setattr(Buffer, "reads", True)
    monkeypatch.setattr(Buffer, "take", lambda self, walk, number, *places: take(self, walk, -1, *places))
    many = document(capsys, *words, *more, code=0)
    for name in ("packets", "bytes", "actions"):
        assert many[name] == one[name], name
    assert many["maps"]["flows"] == one["maps"]["flows"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--threads runs one for each virtual CPU: give two or more by --cpus N"),
        (("--cpus", "2", "--checked-sample", "3"), "on engine native: no --checked-sample"),
        (("--cpus", "2", "--engine", "interp"), "on engine native: no --engine interp"),
    ],
)
def test_what_excludes_them_is_one_line(
    words: tuple[str, ...], told: str, flows: str, tmp_path: Path, capsys: Captured
) -> None:  # fmt: skip
    assert status(["run", flows, "--packet", capture(tmp_path / "a.pcap", 10, 0), "--threads", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_program_that_asks_python_is_refused(tmp_path: Path, capsys: Captured) -> None:
    path = captures.program(tmp_path / "asks.o", f"call {BY_NAME['jiffies64'].id}\nr0 = 2\nexit\n", {})
    words = ["--packet", capture(tmp_path / "a.pcap", 10, 0), "--threads", "--cpus", "2"]
    assert status(["run", path, *words]) == 1
    assert "count cannot run on threads: it asks Python at each helper" in capsys.readouterr().err
