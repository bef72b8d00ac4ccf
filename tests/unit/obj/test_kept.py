"""Files for later processes: there are never too many, and the ones that are asked for stay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfvm.obj import kept


def test_the_older_half_goes_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 10)
    (tmp_path / "folder").mkdir()
    for number in range(10):
        path = tmp_path / f"{number}"
        kept.write(path, bytes([number]))
        os.utime(path, ns=(number, number))
    assert kept.read(tmp_path / "2") == b"\x02"  # which makes it the youngest
    assert len([one for one in tmp_path.iterdir() if one.is_file()]) == 10
    kept.write(tmp_path / "new", b"new")
    left = {one.name for one in tmp_path.iterdir()}
    assert left == {"2", "6", "7", "8", "9", "new", "folder"}
    assert kept.read(tmp_path / "0") is None


def test_what_is_replaced_is_no_more_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 1)
    for number in range(5):
        kept.write(tmp_path / "one", bytes([number]))
    assert kept.read(tmp_path / "one") == b"\x04"
    assert [one.name for one in tmp_path.iterdir()] == ["one"]
