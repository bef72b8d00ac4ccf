"""Programs that mostly no verifier would take: the native tier in both modes, held against the reference tier."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bpfvm.cli import status
from bpfvm.emulator.native.engine import missing
from bpfvm.emulator.native.words import VALUES
from bpfvm.fuzz.unverified import unverified

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def test_both_modes_agree_where_they_have_to() -> None:
    """BPFVM_ALL=1 takes more; docs/running.md tells of a whole run."""
    count = 10_000 if os.environ.get("BPFVM_ALL") == "1" else 250
    report = unverified(1, count)
    print(report)
    assert report.differences == []
    assert report.compared >= 0.7 * count


def test_a_wrong_operation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: Any = {**VALUES, "xor": VALUES["or"]}
    monkeypatch.setattr("bpfvm.emulator.native.function.VALUES", wrong)
    assert unverified(1, 60, most=1).differences


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fuzz", "--kind", "unverified", "--seed", "3", "--out", str(tmp_path)]
    assert status([*words, "--programs", "10"]) == 0
    assert "engines interp, checked, safe: 10 programs" in capsys.readouterr().out
    assert status([*words, "--engines", "interp,portable"]) == 2
    assert "--kind unverified is about engines interp and native" in capsys.readouterr().err
