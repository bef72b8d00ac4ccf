"""One counter, written in C and in Python, over the same captures: the same verdicts and the same counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.captures import external

ROOT = Path(__file__).resolve().parents[2]
C_COUNTER = ROOT / "tests/objects/xdp_count.o"
PYTHON_COUNTER = ROOT / "examples/proto.py"


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    from bpfvm.cli import status

    capsys.readouterr()  # what the test itself has printed
    assert status(["run", *arguments, "--json"]) == 0, capsys.readouterr().err
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def made_capture(folder: Path) -> Path:
    from bpfvm.obj.captures.pcap import write_capture
    from examples.traffic import frames

    path = folder / "traffic.pcap"
    write_capture(str(path), [(1000 * number, frame) for number, frame in enumerate(frames())])
    return path


def test_c_and_python_count_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    captures, reason = external()
    print(reason or f"{len(captures)} captures of BPFVM_CAPTURES")
    packets = 0
    for path in [made_capture(tmp_path), *captures]:
        c = run_json(capsys, str(C_COUNTER), "--packet", str(path))
        for engine in ("interp", "cpython"):
            python = run_json(capsys, str(PYTHON_COUNTER), "--packet", str(path), "--engine", engine)
            assert python["actions"] == c["actions"], path.name
            assert python["maps"] == c["maps"], path.name
            assert python["packets"] == c["packets"] > 0
        packets += c["packets"]
    print(f"{packets} packets compared")
    assert packets >= 24
