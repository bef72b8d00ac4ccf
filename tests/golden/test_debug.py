"""`bpfvm debug -x`: what scripts of commands print. `--update` rewrites the outputs, never the scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.obj.captures.pcap import write_capture
from tests.golden.blame import difference

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).with_name("debug")
OBJECT = ROOT / "tests/objects/xdp_count.o"
SCRIPTS = sorted(FOLDER.glob("*.dbg"))


@pytest.fixture
def capture(tmp_path: Path) -> str:
    """24 frames: TCP, UDP and others by turns, every fifth cut before its protocol."""
    path = tmp_path / "made.pcap"
    protocols = (6, 17, 1, 6, 6, 17)
    frames = [bytes(12) + b"\x08\x00" + bytes(9) + bytes([protocols[n % 6]]) + bytes(40) for n in range(24)]
    write_capture(path, [(n, frame[:20] if n % 5 == 4 else frame) for n, frame in enumerate(frames)])
    return str(path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script(script: Path, capture: str, update: bool, capsys: pytest.CaptureFixture[str]) -> None:
    code = status(["debug", str(OBJECT), "--packet", capture, "-x", str(script)])
    out, err = capsys.readouterr()
    assert err == ""
    assert code == (1 if script.stem == "mistakes" else 0)
    golden = script.with_suffix(".out")
    if update:
        golden.write_text(out)
    want = golden.read_text() if golden.exists() else ""
    assert out == want, difference(golden, want, out)


def test_json_has_each_command_with_its_lines(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = str(FOLDER / "count.dbg")
    assert status(["debug", str(OBJECT), "--packet", capture, "-x", script, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["command"] for one in said][:3] == ["break xdp_count.c:26", "packet 17", "continue"]
    assert all(isinstance(line, str) for one in said for line in one["lines"])


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 2
