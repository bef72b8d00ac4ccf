"""`--checked-sample`: packets that the reference tier runs, too; a difference is found and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bpfvm.cli import status
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.native.code.engine import missing
from bpfvm.obj.captures.pcap import write_capture

ROOT = Path(__file__).resolve().parents[4]
COUNTER = str(ROOT / "tests" / "objects" / "xdp_count.o")
NATIVE = pytest.param("native", marks=pytest.mark.skipif(missing() is not None, reason=str(missing())))
Captured = pytest.CaptureFixture[str]
FRAMES = [(1_000_000 * number, bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(40)) for number in range(100)]


@pytest.fixture
def capture(tmp_path: Path) -> str:
    write_capture(tmp_path / "a.pcap", FRAMES)
    return str(tmp_path / "a.pcap")


def document(capsys: Captured, capture: str, engine: str, *words: str, code: int = 0) -> dict[str, Any]:
    given = ["run", COUNTER, "--packet", capture, "--engine", engine, "--json", *words]
    assert status(given) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("engine", ["portable", NATIVE])
@pytest.mark.parametrize("every", [1, 7, 100, 101])
def test_a_sample_changes_nothing_else(engine: str, every: int, capture: str, capsys: Captured) -> None:
    alone, found = (
        document(capsys, capture, engine, *words) for words in ([], ["--checked-sample", str(every)])
    )  # fmt: skip
    assert found.pop("checked") == {"packets": 100 // every, "differences": []}
    for one in (alone, found):
        del one["seconds"]
    assert found == alone


@pytest.mark.parametrize("engine", ["portable", NATIVE])
def test_instructions_are_counted_though_nobody_is_told(engine: str, capture: str, capsys: Captured) -> None:
    """Text has no count of them, and a sample compares it."""
    assert status(["run", COUNTER, "--packet", capture, "--engine", engine, "--checked-sample", "7"]) == 0
    assert "14 packets run on engine interp, too: 0 differ" in capsys.readouterr().out


@pytest.mark.parametrize("engine", ["portable", NATIVE])
def test_a_difference_is_told_with_what_differs(
    engine: str, capture: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    right = Interpreter.run

    def wrong(self: Interpreter, *given: Any) -> int:
        result = right(self, *given)
        store = self.system.maps["hits"]
        store.sys_update(bytes(4), (self.system.now % 7 + 5).to_bytes(8, "little"))
        return result ^ 1

    monkeypatch.setattr(Interpreter, "run", wrong)
    found = document(capsys, capture, engine, "--checked-sample", "50", code=1)["checked"]
    assert [one["packet"] for one in found["differences"]] == [50, 100]
    lines = found["differences"][0]["lines"]
    assert any(line.startswith(f"r0: {engine} 0x2, interp 0x3") for line in lines)
    assert any(line.startswith(f"memory: {engine} hits") for line in lines)
    assert status(["run", COUNTER, "--packet", capture, "--engine", engine, "--checked-sample", "50"]) == 1
    assert "2 packets run on engine interp, too: 2 differ" in capsys.readouterr().out
