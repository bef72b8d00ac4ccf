"""Records of rings in loops over captures: the same records in the same order, and the same bytes in memory."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks._flows import SOURCE
from bpfvm.cli.runs import Run
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.caller import Operand
from bpfvm.emulator.native.captures import batch
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from tests.unit.emulator.native import captures
from tests.unit.emulator.native.captures import Captured

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

MAPS = {"events": MapSpec("events", "ringbuf", 0, 0, 4096), "others": MapSpec("others", "ringbuf", 0, 0, 8192)}
# Records of each packet that is long enough, as many as byte 31 says, now and then too many; their flags are byte 32
OUTPUT = (
    SOURCE
    + """
r7 = *(u8 *)(r6 +33)
r8 = *(u8 *)(r6 +32)
r9 = *(u8 *)(r6 +31)
*(u64 *)(r10 -16) = r9
r9 <<= 2
if r9 > 244 goto again
r9 &= 7
again: *(u32 *)(r10 -8) = r7
r1 = map[events]
r2 = r10
r2 += -16
r3 = 16
r4 = 0
call 130
r7 = r0
r1 = map[others]
r2 = r10
r2 += -4
r3 = 3
r4 = r8
call 130
r9 += -1
if r9 s> 0 goto again
r0 += r7
r0 &= 3
out: exit
"""
)
# A record of 24 bytes of each packet is reserved, and submitted, discarded or forgotten by byte 33; and one of 4 bytes
RESERVE = (
    SOURCE
    + """
r7 = *(u8 *)(r6 +33)
r1 = map[events]
r2 = 24
r3 = 0
call 131
if r0 == 0 goto none
r1 = *(u64 *)(r6 +26)
*(u64 *)(r0 +0) = r1
*(u64 *)(r0 +8) = r7
*(u64 *)(r0 +16) = 1
r8 = r0
r1 = map[others]
r2 = r10
r2 += -4
r3 = 4
r4 = 0
call 130
if r7 > 250 goto none
r1 = r8
r2 = 0
if r7 > 200 goto drop
call 132
r0 = 2
exit
drop: call 133
r0 = 1
exit
none: r0 = 3
out: exit
"""
)


def packets(count: int) -> list[tuple[int, bytes]]:
    source = random.Random(count)
    found = []
    for number in range(count):
        last = bytes([source.randrange(64), source.choice((0, 0, 0, 1, 2, 4)), source.randrange(256)])
        frame = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(2) + source.randbytes(5) + last
        found.append((1000 * number, frame[: 30 if source.random() < 0.02 else len(frame)]))
    return found


def alone(*_: object) -> None:
    raise AssertionError("a packet was run alone")


def told(capsys: Captured, *words: str) -> tuple[int, dict[str, Any], str]:
    code, found, err = captures.document(capsys, *words)
    return code, {name: found[name] for name in found if name not in ("seconds", "engine", "warnings")}, err


@pytest.mark.parametrize("text", [OUTPUT, RESERVE], ids=["output", "reserve"])
@pytest.mark.parametrize("size", [37, 1 << 16])
def test_records_of_a_capture(
    text: str, size: int, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """More than a ring holds, in small slices and in one; some runs find no room, some forget what they reserved."""
    monkeypatch.setattr(batch, "SLICE", size)
    monkeypatch.setattr(batch, "LONGEST", size)
    target = captures.program(tmp_path / "rings.o", text, MAPS)
    words = (target, "--packet", captures.capture(tmp_path / "a.pcap", packets(3000)))
    portable = told(capsys, *words, "--engine", "portable")
    monkeypatch.setattr(Run, "_one", alone)
    native = told(capsys, *words, "--engine", "native")
    assert native == portable
    counts = {name: len(records) for name, records in native[1]["events"].items()}
    print(counts, native[1].get("lost"))
    assert min(counts["events"], counts["others"]) > 2000
    assert sum(native[1]["lost"].values()) > 100 if text == OUTPUT else len(native[1]["faults"]) > 20


def test_a_checked_sample_of_them(tmp_path: Path, capsys: Captured) -> None:
    target = captures.program(tmp_path / "rings.o", OUTPUT, MAPS)
    words = (target, "--packet", captures.capture(tmp_path / "a.pcap", packets(600)), "--checked-sample", "7")
    code, found, _ = captures.document(capsys, *words, "--engine", "native")
    assert (code, found["checked"]) == (0, {"packets": 85, "differences": []})


@pytest.mark.parametrize("safe", [False, True], ids=["checked", "safe"])
def test_what_compiled_code_writes_is_what_python_writes(safe: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run by run, memory of the rings and all; Python is asked where there is no room, and counts that."""
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(OUTPUT)))
    spec, asked = ObjectSpec({"p": program}, dict(MAPS)), 0
    with Emulator("portable").load(spec, "p", {}) as one, Emulator("native", safe=safe).load(spec, "p", {}) as other:
        assert isinstance(other.tier, Runtime)
        helped = other.tier.help

        def noted(number: int, *words: Operand | None) -> int:
            nonlocal asked
            asked += 1
            return helped(number, *words)

        monkeypatch.setattr(other.tier, "help", noted)
        lost = written = 0
        for _, packet in packets(400):
            want, got = one.run(Input(packet=packet)), other.run(Input(packet=packet))
            assert want == got
            lost += sum(want.lost.values())
            written += sum(map(len, want.events.values()))
        memory = [
            [(region.name, data) for region, _, data in each.system.arena.snapshot() if region.kind.startswith("map")]
            for each in (one, other)
        ]
    assert memory[0] == memory[1]
    print(f"{written} records, {lost} lost; Python was asked {asked} times")
    assert asked == lost
    assert lost > 50
    assert written > 2000
