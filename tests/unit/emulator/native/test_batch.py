"""Captures in one loop of compiled code: what comes out is what packet by packet comes out."""

from __future__ import annotations

import os
import random
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks._flows import SOURCE, counted, found, on_cpu
from bpfvm.cli import run as run_command
from bpfvm.cli import status
from bpfvm.cli.runs import Run
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.code import Code
from bpfvm.emulator.interp import MAY_GOTO
from bpfvm.emulator.memory import SIZE
from bpfvm.emulator.native import runtime
from bpfvm.emulator.native.captures import batch, buffer, pages
from bpfvm.emulator.native.captures.buffer import Buffer
from bpfvm.emulator.native.captures.records import AROUND
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.emulator.native.translate import Module
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import encode_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.session import Session
from tests.unit.emulator.native import captures
from tests.unit.emulator.native.captures import Captured, capture

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

ROOT = Path(__file__).resolve().parents[4]
PROTO = str(ROOT / "examples" / "proto.py")
COUNTER = str(ROOT / "tests" / "objects" / "xdp_count.o")

CAPTURES = 70
MAPS = {
    "flows": MapSpec("flows", "hash", 4, 8, 40), "cpus": MapSpec("cpus", "percpu_array", 4, 8, 1),
    "last": MapSpec("last", "array", 4, 8, 1),
}  # fmt: skip
# Counts packets by source and by CPU, notes the time; reads byte 40 whether it is there or not
FLOWS = (
    SOURCE + counted("pass") + "pass: " + on_cpu("out") + "*(u32 *)(r10 -4) = 0\n" + found("last") + """
if r0 == 0 goto out
r8 = r0
call 5
*(u64 *)(r8 +0) = r0
r0 = *(u8 *)(r6 +40)
r0 &= 15
out: exit
"""
)  # fmt: skip


@pytest.fixture(params=["mapped", "read"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files come to the arena: all tests run with either."""
    if request.param != "tried":
        monkeypatch.setattr(Buffer, "reads", request.param == "read")
    return str(request.param)


@pytest.fixture
def flows(tmp_path: Path) -> str:
    return captures.program(tmp_path / "flows.o", FLOWS, MAPS)


def packets(count: int, short: float = 0.2) -> list[tuple[int, bytes]]:
    """Packets of IPv4 from 50 sources; some end anywhere."""
    source = random.Random(count)
    found = []
    for number in range(count):
        frame = bytes(12) + b"\x08\x00\x45" + bytes(8) + bytes([source.choice((1, 6, 17))]) + bytes(2)
        frame += bytes([10, 0, 0, source.randrange(50)]) + source.randbytes(source.randrange(10, 200))
        size = source.randrange(len(frame)) if source.random() < short else len(frame)
        found.append((1_600_000_000_000_000_000 + number * 1000, frame[:size]))
    return found


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def pcapng(data: list[tuple[int, bytes]], resolution: int, between: bytes = b"", interfaces: int = 1) -> bytes:
    """A file of Ethernet frames; `between` stands in the middle."""
    option = struct.pack("<HHB3xHH", 9, 1, resolution, 0, 0)
    blocks = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    blocks += [block(1, struct.pack("<HHI", 1, 0, 0) + option)] * interfaces
    for number, (stamp, frame) in enumerate(data):
        units = stamp // 10 ** (9 - resolution)
        head = struct.pack("<IIIII", number % interfaces, units >> 32, units & 0xFFFF_FFFF, len(frame), len(frame) + 7)
        blocks.append(block(6, head + frame) + (between if number == len(data) // 2 else b""))
    return b"".join(blocks)


def document(capsys: Captured, *words: str) -> tuple[int, dict[str, Any], str]:
    """Without what engines do not have in common."""
    code, document, err = captures.document(capsys, *words)
    for name in ("seconds", "engine", "warnings"):  # the reference tier's alone
        document.pop(name)
    return code, document, err


def compared(capsys: Captured, *words: str) -> dict[str, Any]:
    """What both engines say of it, which is the same."""
    native, portable = (document(capsys, *words, "--engine", engine) for engine in ("native", "portable"))
    assert native == portable
    return native[1]


@pytest.mark.parametrize("nanoseconds", [True, False])
@pytest.mark.parametrize("cpus", ["1", "3"])
def test_a_capture_whole(flows: str, nanoseconds: bool, cpus: str, tmp_path: Path, capsys: Captured) -> None:
    file = capture(tmp_path / "a.pcap", packets(2000), nanoseconds)
    found = compared(capsys, flows, "--packet", file, "--cpus", cpus)
    assert found["packets"] == 2000
    assert len(found["faults"]) > 20
    assert len(found["maps"]["flows"]) == 40
    assert len(found["actions"]) == 16  # results that are no actions, too


def test_it_was_the_loop_that_ran(
    flows: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alone(*_: object) -> None:
        raise AssertionError("a packet was run alone")

    monkeypatch.setattr(Run, "_one", alone)
    file = capture(tmp_path / "a.pcap", packets(500))
    assert document(capsys, flows, "--packet", file, "--engine", "native")[1]["packets"] == 500


@pytest.mark.parametrize("limit", ["0", "1", "999", "5000"])
def test_a_limit_over_two_captures(flows: str, limit: str, tmp_path: Path, capsys: Captured) -> None:
    first, second = capture(tmp_path / "a.pcap", packets(900)), capture(tmp_path / "b.pcap", packets(800))
    found = compared(capsys, flows, "--packet", first, "--packet", second, "--limit", limit, "--cpus", "2")
    assert found["packets"] == min(int(limit), 1700)


@pytest.mark.parametrize("threads", [(), ("--cpus", "2", "--threads")])
def test_captures_without_end(threads: tuple[str, ...], flows: str, tmp_path: Path, capsys: Captured) -> None:
    """Each is mapped where the one before it was: there is less emulated memory than so many windows take."""
    assert CAPTURES * pages.WINDOW > SIZE
    one = capture(tmp_path / "a.pcap", packets(3, 0))
    words = ["--packet", one] * CAPTURES
    assert document(capsys, flows, *words, "--engine", "native", *threads)[1]["packets"] == 3 * CAPTURES


def test_windows_and_slices(flows: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that cross the end of the pages that are mapped or read, and slices that end anywhere."""
    monkeypatch.setattr(pages, "WINDOW", 8192)
    monkeypatch.setattr(buffer, "ROOM", 2000)
    monkeypatch.setattr(batch, "SLICE", 37)
    monkeypatch.setattr(batch, "LONGEST", 37)
    assert compared(capsys, flows, "--packet", capture(tmp_path / "a.pcap", packets(3000)))["packets"] == 3000


@pytest.mark.parametrize("way", ["tried"], indirect=True)
def test_parts_of_one_file_either_way(
    flows: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    taken: list[str] = []

    def noted(owner: type, name: str) -> None:
        right = getattr(owner, name)

        def call(*words: object) -> None:
            taken.append(name)
            right(*words)

        monkeypatch.setattr(owner, name, call)

    noted(Buffer, "take")
    noted(pages.Pages, "map")
    monkeypatch.setattr(pages, "WINDOW", 16384)
    for place in (batch, runtime):
        monkeypatch.setattr(place, "PART", 8192)
    assert compared(capsys, flows, "--packet", capture(tmp_path / "a.pcap", packets(3000)))["packets"] == 3000
    assert taken[:2] == ["map", "take"]
    assert len(taken) > 3000 * 100 // 16384


STORES = """
r6 = *(u32 *)(r1 +0)
r7 = *(u32 *)(r1 +4)
r0 = 1
r3 = r6
r3 += 31
if r3 > r7 goto out
r3 = *(u8 *)(r6 +30)
r3 += 1
*(u8 *)(r6 +30) = r3
r0 = *(u8 *)(r6 +30)
*(u8 *)(r6 +0) = 9
out: exit
"""


def test_a_program_that_stores_to_its_packets(tmp_path: Path, capsys: Captured) -> None:
    """It stores to no other, and not to the file."""
    words = (
        captures.program(tmp_path / "stores.o", STORES, {}),
        "--packet",
        capture(tmp_path / "a.pcap", packets(900)),
    )
    data = (tmp_path / "a.pcap").read_bytes()
    found = compared(capsys, *words)
    assert len(found["actions"]) > 100
    assert compared(capsys, *words)["actions"] == found["actions"]
    assert (tmp_path / "a.pcap").read_bytes() == data


def test_chance_begins_anew_with_each_packet(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same time, and at the same address."""
    monkeypatch.setattr(buffer, "ROOM", 100)
    draws = captures.program(tmp_path / "draws.o", "call 7\nr0 &= 63\nexit\n", {})
    file = capture(tmp_path / "a.pcap", [(0, bytes(60))] * 50)
    found = compared(capsys, draws, "--packet", file, "--seed", "3")
    assert list(found["actions"].values()) == [50]


PATIENT = """
r6 = 0
again: may_goto out
r6 += 1
if r6 < 3000000 goto again
out: r0 = r6
exit
"""


def test_tests_of_may_goto_are_counted_anew_in_each_packet(tmp_path: Path) -> None:
    assert 5 * 3_000_000 > MAY_GOTO > 3_000_000
    spec = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(assemble(PATIENT)))}, {})
    file = capture(tmp_path / "a.pcap", [(0, bytes(60))] * 5)
    with Session(Emulator("native", 10**9), spec, "p") as session, open_capture(file) as found:
        slices = session.batch(found, Input(packet=b""), 1, 1, None)
        assert slices is not None
        assert [one.actions for one in slices] == [{3_000_000: 5}]


@pytest.mark.parametrize("more", [-1, 0, 1, 17])
def test_an_end_next_to_what_a_page_fault_maps(more: int, flows: str, tmp_path: Path, capsys: Captured) -> None:
    data = packets(3 * AROUND // 100, 0)
    size = len(Path(capture(tmp_path / "a.pcap", data)).read_bytes())
    last = size // AROUND * AROUND + AROUND + more - size
    file = capture(tmp_path / "a.pcap", [*data, (data[-1][0], bytes(last - 16))])
    assert Path(file).stat().st_size % AROUND == more % AROUND
    assert compared(capsys, flows, "--packet", file)["packets"] == len(data) + 1


def test_a_damaged_capture_is_read_on(flows: str, tmp_path: Path, capsys: Captured) -> None:
    data = bytearray(b"".join(encode_capture(packets(400, 0))))
    at, record = 24, 0
    while record < 150:
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
        record += 1
    data[at + 8 : at + 12] = b"\xff\xff\xff\x7f"
    file = tmp_path / "a.pcap"
    file.write_bytes(data[:-7])
    words = (flows, "--packet", str(file), "--cpus", "2")
    native, portable = (document(capsys, *words, "--engine", engine) for engine in ("native", "portable"))
    assert native == portable
    assert native[1]["packets"] >= 390
    assert "packet 151 claims 2147483647 bytes" in native[2]


def test_faults_that_a_compiled_program_records(tmp_path: Path, capsys: Captured) -> None:
    found = compared(capsys, PROTO, "--packet", capture(tmp_path / "a.pcap", packets(700)))
    assert found["faults"][0]["message"].startswith("PacketError: ")
    assert len(found["faults"]) > 10


def test_a_large_capture_takes_the_loop(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_command, "WORTH", 10_000)
    file = capture(tmp_path / "a.pcap", packets(400))
    assert status(["run", COUNTER, "--packet", file]) == 0
    assert "engine native" in capsys.readouterr().out
    monkeypatch.setattr(run_command, "WORTH", 1 << 30)
    assert status(["run", COUNTER, "--packet", file]) == 0
    assert "engine portable" in capsys.readouterr().out


@pytest.mark.parametrize("resolution", [6, 9])
def test_pcapng(flows: str, resolution: int, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "WINDOW", 16384)
    file = tmp_path / "a.pcapng"
    file.write_bytes(pcapng(packets(1500), resolution))
    found = compared(capsys, flows, "--packet", str(file), "--cpus", "2")
    assert found["packets"] == 1500
    assert len(found["faults"]) > 20

    def alone(*_: object) -> None:
        raise AssertionError("a packet was run alone")

    monkeypatch.setattr(Run, "_one", alone)
    assert document(capsys, flows, "--packet", str(file), "--engine", "native")[1]["packets"] == 1500


STATISTICS = block(5, bytes(12))
MANGLED = struct.pack("<IIIIIII", 6, 60, 0, 0, 0, 1 << 30, 0) + bytes(32)


@pytest.mark.parametrize(
    ("between", "interfaces"),
    [(STATISTICS, 1), (MANGLED, 1), (b"", 2), (bytes(64), 1)],
    ids=["statistics", "mangled", "two interfaces", "zeros"],
)
def test_blocks_that_the_loop_leaves_to_the_reader(
    flows: str, between: bytes, interfaces: int, tmp_path: Path, capsys: Captured
) -> None:  # fmt: skip
    file = tmp_path / "a.pcapng"
    file.write_bytes(pcapng(packets(300, 0), 9, between, interfaces))
    assert compared(capsys, flows, "--packet", str(file))["packets"] == 300


@pytest.mark.parametrize("piped", [True, False])
def test_standard_input_takes_the_loop(
    piped: bool, flows: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """A pipe's bytes are copied to a file first, and a file is mapped as it is."""
    file = Path(capture(tmp_path / "a.pcap", packets(500)))
    want = document(capsys, flows, "--packet", str(file), "--engine", "native")[1]

    def alone(*_: object) -> None:
        raise AssertionError("a packet was run alone")

    monkeypatch.setattr(Run, "_one", alone)
    if piped:
        read, write = os.pipe()
        threading.Thread(target=lambda: os.fdopen(write, "wb").write(file.read_bytes())).start()
        source = os.fdopen(read)
    else:
        source = file.open()
    monkeypatch.setattr("sys.stdin", source)
    with source:
        assert document(capsys, flows, "--packet", "-", "--engine", "native")[1] == want


def test_what_text_tells_needs_no_counting(flows: str, tmp_path: Path, capsys: Captured, monkeypatch: Any) -> None:
    """Where a bound is known, the loop does not test the budget, and counts for --json only."""
    made, whole = [], Runtime.untested

    def noted(tier: Runtime, code: Code, counts: bool) -> Module | None:
        made.append((counts, whole(tier, code, counts)))
        return made[-1][1]

    monkeypatch.setattr(Runtime, "untested", noted)
    path, texts = capture(tmp_path / "packets.pcap", packets(3000)), {}
    for engine in ("native", "portable"):
        assert status(["run", flows, "--packet", path, "--engine", engine]) == 1  # packets that end before byte 40
        texts[engine] = capsys.readouterr().out.replace(f"engine {engine}", "")
    assert texts["native"] == texts["portable"]
    assert [(counts, one is not None) for counts, one in made] == [(False, True)]
    insns = [document(capsys, flows, "--packet", path, "--engine", name)[1]["insns"] for name in ("native", "portable")]
    assert [(counts, one is not None) for counts, one in made[1:]] == [(True, True)]
    assert insns[0] == insns[1] > 3000
