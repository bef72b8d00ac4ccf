"""Where the native tier cannot be used: the other tiers do the work, and one line says why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.cli import run as run_command
from bpfvm.cli import status
from bpfvm.emulator.native import engine
from bpfvm.obj.pcap import write_capture

COUNTER = str(Path(__file__).resolve().parents[3] / "objects" / "xdp_count.o")
FRAMES = [(1_000_000 * number, bytes(12) + b"\x08\x00\x45" + bytes(50)) for number in range(20)]
REASONS = ["llvmlite is not installed: pip install 'bpfvm[jit]'", "this host refuses executable memory to the process"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(params=REASONS)
def reason(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    found: str = request.param
    monkeypatch.setattr(engine, "missing", lambda: found)
    return found


@pytest.fixture
def capture(tmp_path: Path) -> str:
    write_capture(tmp_path / "a.pcap", FRAMES)
    return str(tmp_path / "a.pcap")


def test_a_long_run_takes_another_tier(
    reason: str, capture: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(run_command, "WORTH", 1)
    assert status(["run", COUNTER, "--packet", capture, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["engine"] == "portable"
    assert err == f"bpfvm: engine portable, because engine native is missing: {reason}\n"


@pytest.mark.parametrize(
    "more", [[], ["--threads", "--cpus", "2"], ["--coverage", "c.info"], ["--checked-sample", "2"]]
)
def test_asking_for_it_is_one_line(reason: str, more: list[str], capture: str, capsys: Captured) -> None:
    assert status(["run", COUNTER, "--packet", capture, "--engine", "native", *more]) == 1
    assert capsys.readouterr().err == f"bpfvm: engine native: {reason}\n"


def test_random_programs_are_compared_without_it(reason: str, tmp_path: Path, capsys: Captured) -> None:
    words = ["fuzz", "--kind", "programs", "--programs", "5", "--seed", "1", "--out", str(tmp_path), "--json"]
    assert status(words) == 0
    assert "native" not in json.loads(capsys.readouterr().out)["engines"]
    assert status(["fuzz", "--kind", "unverified", "--programs", "5", "--out", str(tmp_path)]) == 1
    assert f"bpfvm: engine native: {reason}\n" in capsys.readouterr().err


BLOCKED = """
import sys
sys.modules["llvmlite"] = None
from bpfvm.cli import status
sys.exit(status(["run", sys.argv[1], "--packet", sys.argv[2], "--json"]))
"""


def test_nothing_of_a_run_needs_llvmlite(capture: str) -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED, COUNTER, capture], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["packets"] == 20
    assert done.stderr == ""
