"""Work over a Dask cluster: results of all items, in their order where that is asked for, also after a loss."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.run import cluster

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster.client(cluster.LOCAL, 2) as found:
        yield found


def square(number: int) -> int:
    if number == 99:
        raise LoadError("99 is no number")
    return number * number


def dies_once(path: str) -> str:
    """The worker is killed the first time that it has an item."""
    seen = Path(path)
    if not seen.exists():
        seen.write_text("begun")
        os.kill(os.getpid(), signal.SIGKILL)
    return seen.read_text()


def test_a_worker_that_is_killed_loses_nothing(client: Any, tmp_path: Path) -> None:
    items = [str(tmp_path / name) for name in "ab"]
    Path(items[1]).write_text("begun")
    assert sorted(cluster.submitted(client, dies_once, items)) == [(0, "begun"), (1, "begun")]


def test_an_endless_stream_comes_in_its_order(client: Any) -> None:
    found = cluster.in_order(client, square, itertools.count(3))
    assert list(itertools.islice(found, 8)) == [n * n for n in range(3, 11)]


def test_an_error_of_ours_comes_as_it_is(client: Any) -> None:
    with pytest.raises(LoadError, match="99 is no number"):
        list(cluster.submitted(client, square, [1, 99]))
