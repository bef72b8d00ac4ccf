"""What is left out on all Pythons but one is there, and runs on that one."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests import shared

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("pattern", shared.TESTS)
def test_each_pattern_is_of_a_file(pattern: str) -> None:
    file, _, name = pattern.partition("::")
    text = (ROOT / file).read_text()
    assert name == "*" or f"def {name.partition('(')[0]}(" in text


def test_they_are_left_out_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    one = "tests/contract/test_levels.py::test_every_level_means_the_same[1]"
    monkeypatch.setitem(os.environ, "BPFVM_SHARED", "skip")
    assert shared.skipped(one)
    assert not shared.skipped("tests/repo/test_shared.py::test_each_pattern_is_of_a_file[x]")
    monkeypatch.delitem(os.environ, "BPFVM_SHARED")
    assert not shared.skipped(one)


def test_one_environment_of_tox_leaves_nothing_out() -> None:
    sections = (ROOT / "tox.ini").read_text().split("[testenv")
    skipping = [one.partition("]")[0] for one in sections if "BPFVM_SHARED = skip" in one]
    assert skipping == [":py3{12,13,14}"]
    assert not any(fnmatchcase("py311", one.removeprefix(":")) for one in skipping)
