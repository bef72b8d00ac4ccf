"""Checksums by compiled code are those of the helper written in Python, over captures, in both modes."""

from __future__ import annotations

import random
from itertools import cycle, product
from pathlib import Path

import pytest

from bpfvm.emulator.native import checksums
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.obj.model import MapSpec
from tests.unit.emulator.native import captures
from tests.unit.emulator.native.captures import Captured

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

VALUES = {"m": MapSpec("m", "array", 4, 64, 1)}
BEGIN = """
r6 = *(u32 *)(r1 + 0)
r7 = *(u32 *)(r1 + 4)
r0 = r6
r0 += 60
if r0 > r7 goto out
r8 = *(u64 *)(r6 + 0)
*(u64 *)(r10 - 8) = r8
r8 = *(u64 *)(r6 + 8)
*(u64 *)(r10 - 16) = r8
r8 = *(u64 *)(r6 + 16)
*(u64 *)(r10 - 24) = r8
r1 = 0
*(u32 *)(r10 - 28) = r1
r2 = r10
r2 += -28
r1 = map[m]
call 1
if r0 == 0 goto out
r9 = r0
r8 = *(u64 *)(r6 + 24)
*(u64 *)(r9 + 0) = r8
"""
# What bytes are read from: registers r1 and r3 are set to them
PLACES = {"none": "{} = 0", "stack": "{} = r10\n{} += -24", "packet": "{} = r6\n{} += 14", "value": "{} = r9"}
END = "r0 = r0\nexit\nout: r0 = 1\nexit\n"


def text(old: str, new: str, old_size: int, new_size: int, seed: str, bounded: bool = True) -> str:
    """A program that returns the checksum."""
    places = [PLACES[kind].replace("{}", register) for kind, register in ((old, "r1"), (new, "r3"))]
    begin = BEGIN if bounded else BEGIN.replace("r0 += 60", "r0 += 32")
    return "\n".join((begin, *places, f"r2 = {old_size}", f"r4 = {new_size}", seed, "call 28", END))


def packets(count: int) -> list[tuple[int, bytes]]:
    """Of random bytes, of ones and of zeros, in which sums differ by how carries are added."""
    source = random.Random(7)
    kinds = (source.randbytes, lambda size: bytes(size), lambda size: b"\xff" * size)
    return [(1000 * number, source.choice(kinds)(source.choice((59, 60, 61, 80)))) for number in range(count)]


SIZES = [(kind, size) for kind in PLACES for size in ((0,) if kind == "none" else (4, 20, 24))]
SEEDS = ["r5 = 0", "r5 = -1", "r5 = *(u32 *)(r6 + 40)"]


@pytest.mark.parametrize("mode", [[], ["--unchecked"]])
def test_all_places_and_sizes(
    mode: list[str], tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    file = captures.capture(tmp_path / "a.pcap", packets(60))
    asked: list[int] = []
    on_helper, compared = Runtime._on_helper, 0

    def noted(tier: Runtime, number: int, written: int, *words: int) -> int:
        asked.append(number)
        return on_helper(tier, number, written, *words)

    monkeypatch.setattr(Runtime, "_on_helper", noted)
    for ((old, size), (new, more)), seed in zip(product(SIZES, repeat=2), cycle(SEEDS), strict=False):
        if mode and "packet" not in (old, new):
            continue  # whose code is the same in both modes
        path = captures.program(tmp_path / "a.o", text(old, new, size, more, seed), VALUES)
        native = captures.document(capsys, path, "--packet", file, "--engine", "native", *mode)
        portable = captures.document(capsys, path, "--packet", file, "--engine", "portable")
        assert native[0] == portable[0] == 0
        assert native[1]["actions"] == portable[1]["actions"], (old, size, new, more, seed)
        compared += native[1]["packets"]
    print(f"{compared} packets compared")
    assert compared >= 2000
    assert 28 not in asked


def test_bytes_that_are_not_there_are_told_of(tmp_path: Path, capsys: Captured) -> None:
    """By the words of the reference tier; packets that are long enough go on."""
    file = captures.capture(tmp_path / "a.pcap", [(number, bytes(range(number, 100))) for number in range(40, 69)])
    path = captures.program(tmp_path / "a.o", text("none", "packet", 0, 20, "r5 = 0", bounded=False), VALUES)
    found = [captures.document(capsys, path, "--packet", file, "--engine", name) for name in ("native", "interp")]
    assert found[0][0] == found[1][0] == 1
    assert found[0][1]["faults"] == found[1][1]["faults"]
    assert found[0][1]["actions"] == found[1][1]["actions"]
    assert 0 < len(found[0][1]["faults"]) < 29


@pytest.mark.parametrize("sizes", [(6, 4), (4, checksums.LARGEST + 4)])
def test_other_sizes_ask_python(sizes: tuple[int, int], tmp_path: Path, capsys: Captured) -> None:
    file = captures.capture(tmp_path / "a.pcap", packets(10))
    path = captures.program(tmp_path / "a.o", text("stack", "packet", *sizes, "r5 = 0"), VALUES)
    found = [captures.document(capsys, path, "--packet", file, "--engine", name) for name in ("native", "interp")]
    for one in found:
        for name in ("seconds", "engine", "warnings"):
            one[1].pop(name)
    assert found[0] == found[1]
