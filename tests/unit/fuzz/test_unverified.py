"""Programs that mostly no verifier would take: all tiers, the native one in both modes, held against the reference."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bpfvm.cli import status
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.words import VALUES
from bpfvm.fuzz.unverified import unverified

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.mark.parametrize("seed", range(1, 5))
def test_tiers_and_modes_agree_where_they_have_to(seed: int) -> None:
    """A thousand programs; BPFVM_ALL=1 takes ten thousand, and docs/running.md tells of a hundred thousand."""
    count = 2500 if os.environ.get("BPFVM_ALL") == "1" else 250
    report = unverified(seed, count)
    print(report)
    assert report.differences == []
    assert report.compared >= 0.7 * count


def test_metadata_that_is_not_there_is_left_out() -> None:
    report = unverified(204, 100)
    assert report.rejected["it reads data_meta of a packet that has none"] > 0
    assert report.differences == []


def test_a_wrong_operation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: Any = {**VALUES, "xor": VALUES["or"]}
    monkeypatch.setattr("bpfvm.emulator.native.function.VALUES", wrong)
    assert unverified(1, 60, most=1).differences


def test_what_only_optimised_code_gets_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sum that wraps is poison where LLVM is told that it does not, and right on any processor."""

    def unwrapped(name: str) -> Any:
        return lambda emit, a, b, bits: emit(f"{name} nuw nsw i{bits} {a}, {b}")

    wrong: Any = {**VALUES, "add": unwrapped("add"), "sub": unwrapped("sub")}
    monkeypatch.setattr("bpfvm.emulator.native.function.VALUES", wrong)
    monkeypatch.setattr("bpfvm.fuzz.unverified.OPTIMISED", 1)
    assert unverified(1, 60, most=1).differences
    monkeypatch.setattr("bpfvm.fuzz.unverified.OPTIMISED", 1 << 32)
    assert not unverified(1, 60, most=1).differences


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fuzz", "--kind", "unverified", "--seed", "3", "--out", str(tmp_path)]
    assert status([*words, "--programs", "10"]) == 0
    assert "engines interp, portable, checked, safe: 10 programs" in capsys.readouterr().out
    assert status([*words, "--engines", "interp,portable"]) == 2
    assert "--kind unverified is about all emulators" in capsys.readouterr().err
