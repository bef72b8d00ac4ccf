"""Processes that work is spread over: results of all items, also where processes are lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.run import workers


def square(number: int) -> int:
    if number == 99:
        raise LoadError("99 is no number")
    return number * number


def fails(text: str) -> int:
    return int(text)


def dies_once(path: str) -> str:
    """Killed by its own hand the first time that it has an item."""
    seen = Path(path)
    if not seen.exists():
        seen.write_text("begun")
        os.kill(os.getpid(), signal.SIGKILL)
    return seen.read_text()


def dies(path: str) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return path


def test_every_item_has_its_result() -> None:
    assert sorted(workers.results(square, range(7), jobs=2)) == [(n, n * n) for n in range(7)]


def test_what_a_killed_process_had_is_done_again(tmp_path: Path) -> None:
    items = [str(tmp_path / name) for name in "abc"]
    Path(items[1]).write_text("begun")
    assert sorted(workers.results(dies_once, items, jobs=2)) == [(n, "begun") for n in range(3)]


def test_an_item_that_kills_all_that_take_it_is_named() -> None:
    with pytest.raises(Unavailable, match=r"x: 3 processes died of it; the last by signal 9 \(SIGKILL\)"):
        list(workers.results(dies, ["x"], jobs=2))


def test_an_error_of_ours_comes_as_it_is() -> None:
    with pytest.raises(LoadError, match="99 is no number"):
        list(workers.results(square, [99, 1], jobs=1))


def test_any_other_error_is_one_line_that_names_the_item() -> None:
    want = r"^x: a process failed: ValueError: invalid literal for int\(\) with base 10: 'x' \(.*test_workers.py:\d+\)$"
    with pytest.raises(Unavailable, match=want):
        list(workers.results(fails, ["1", "x"], jobs=1))
