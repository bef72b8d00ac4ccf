"""`bpfvm run` and `bpfvm fuzz` over a Dask cluster of this machine say what one process says."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bpfvm.cli import status
from bpfvm.cli.captures import spread
from bpfvm.cli.captures.merged import Part
from bpfvm.fuzz.differ import differ
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.run import cluster, workers

COUNTER = str(Path(__file__).resolve().parents[1] / "objects" / "xdp_count.o")
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def captures(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / f"{name}.pcap") for name in "abc"]
    for place, path in enumerate(paths):
        frames = [
            bytes(12) + b"\x08\x00\x45" + bytes(8) + bytes([(6, 17)[n % 2]]) + bytes(40) for n in range(50 + place)
        ]
        write_capture(path, [(1_000_000 * n, frame) for n, frame in enumerate(frames)])
    return paths


def document(capsys: Captured, captures: list[str], *words: str) -> dict[str, Any]:
    given = [word for path in captures for word in ("--packet", path)]
    assert status(["run", COUNTER, *given, "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    del found["seconds"]
    return found


def test_captures_add_up_to_what_one_process_says(captures: list[str], capsys: Captured) -> None:
    one = document(capsys, captures)
    merged = document(capsys, captures, "--dask", "LOCAL", "--jobs", "2")
    assert merged.pop("apart") == []
    assert [part["packets"] for part in merged.pop("captures")] == [50, 51, 52]
    assert merged == one


def run_or_die(task: spread.Task) -> Part:
    """The first process that has a capture of this name is killed."""
    seen = Path(f"{task.path}.seen")
    if task.path.endswith("b.pcap") and not seen.exists():
        seen.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return spread.run_one(task)


@pytest.mark.parametrize("how", [["--dask", "LOCAL"], []], ids=["dask", "jobs"])
def test_a_process_that_is_killed_on_the_way_loses_nothing(
    how: list[str], captures: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    one = document(capsys, captures)
    inner = cluster.results if how else workers.results
    monkeypatch.setattr(cluster if how else workers, "results", lambda _, *given: inner(run_or_die, *given))
    merged = document(capsys, captures, *how, "--jobs", "2")
    assert Path(f"{captures[1]}.seen").exists()
    assert {name: merged[name] for name in one} == one


def test_random_programs_are_those_of_one_process() -> None:
    alone, spread_out = (differ(("interp", "portable"), 5, 90, dask=dask, jobs=2) for dask in (None, "LOCAL"))
    assert spread_out.generated == 100  # whole chunks
    assert alone.compared == 90
    assert spread_out.compared >= 90
    assert not spread_out.differences
    assert set(spread_out.hits) >= set(alone.hits)


def test_a_cluster_that_is_not_there_is_one_line(captures: list[str], capsys: Captured) -> None:
    assert status(["run", COUNTER, "--packet", captures[0], "--dask", "tpc://nowhere"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "Dask at tpc://nowhere" in err
