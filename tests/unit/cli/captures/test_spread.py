"""`bpfvm run --jobs` and `--dask`: captures apart add up to what one process says of all of them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from bpfvm.cli import status
from bpfvm.obj.captures.pcap import write_capture

ROOT = Path(__file__).resolve().parents[4]
COUNTER = str(ROOT / "tests" / "objects" / "xdp_count.o")
PROTO = str(ROOT / "examples" / "proto.py")
Captured = pytest.CaptureFixture[str]


def frame(number: int) -> bytes:
    whole = bytes(12) + b"\x08\x00\x45" + bytes(8) + bytes([(1, 6, 17)[number % 3]]) + bytes(40)
    return whole[: 10 + number % 40] if number % 11 == 0 else whole


@pytest.fixture
def captures(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / f"{name}.pcap") for name in "abc"]
    for place, path in enumerate(paths):
        write_capture(path, [(1_000_000 * n, frame(n + place)) for n in range(50 + 10 * place)])
    return paths


def document(capsys: Captured, target: str, captures: list[str], *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    given = [word for path in captures for word in ("--packet", path)]
    assert status(["run", target, *given, "--json", *words]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    del found["seconds"], found["warnings"]
    return found


def test_merged_is_what_one_process_says(captures: list[str], capsys: Captured) -> None:
    one = document(capsys, COUNTER, captures)
    merged = document(capsys, COUNTER, captures, "--jobs", "2")
    parts, apart = merged.pop("captures"), merged.pop("apart")
    assert merged == one
    assert apart == []
    assert [part["packets"] for part in parts] == [50, 60, 70]
    assert [part["file"] for part in parts] == captures
    for number, path in enumerate(captures):
        alone = document(capsys, COUNTER, [path])
        assert {name: value for name, value in parts[number].items() if name in alone} == {
            name: value for name, value in alone.items() if name in parts[number]
        }


def test_faults_coverage_and_checked_samples_add_up(captures: list[str], tmp_path: Path, capsys: Captured) -> None:
    one = document(capsys, PROTO, captures, "--coverage", str(tmp_path / "one.info"))
    merged = document(capsys, PROTO, captures, "--jobs", "2", "--coverage", str(tmp_path / "two.info"))
    assert len(one["faults"]) >= 5
    for name in ("actions", "faults", "packets", "bytes", "insns", "maps"):
        assert merged[name] == one[name], name
    assert (tmp_path / "one.info").read_text() == (tmp_path / "two.info").read_text()
    sampled = document(capsys, PROTO, captures, "--jobs", "2", "--checked-sample", "10")
    assert sampled["checked"] == {"packets": 5 + 6 + 7, "differences": []}


def test_maps_before_count_once_and_a_map_apart_is_not_summed(
    captures: list[str], tmp_path: Path, capsys: Captured
) -> None:  # fmt: skip
    (tmp_path / "hits.json").write_text(json.dumps([1000] * 256))
    given = ("--map", f"hits={tmp_path / 'hits.json'}")
    one = document(capsys, COUNTER, captures, *given)
    assert document(capsys, COUNTER, captures, *given, "--jobs", "2")["maps"] == one["maps"]
    found = document(capsys, COUNTER, captures, *given, "--jobs", "2", "--apart", "hits")
    assert (found["maps"], found["apart"]) == ({}, ["hits"])
    totals = [sum(entry["value"] - 1000 for entry in part["maps"]["hits"]) for part in found["captures"]]
    assert sum(totals) == sum(entry["value"] - 1000 for entry in one["maps"]["hits"])


def test_a_damaged_capture_tells_of_it(captures: list[str], capsys: Captured) -> None:
    data = Path(captures[1]).read_bytes()
    Path(captures[1]).write_bytes(data + struct.pack("<IIII", 1, 1, 60, 60) + bytes(9))
    given = [word for path in captures for word in ("--packet", path)]
    assert status(["run", COUNTER, *given, "--jobs", "2"]) == 0
    assert "b.pcap: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--jobs", "2", "--limit", "5"], "--jobs runs each capture by itself, and --limit counts packets"),
        (["--jobs", "2", "--out", "x.pcapng"], "--out writes the packets of all captures in their order"),
        (["--dask", "LOCAL", "--trace"], "--dask runs each capture by itself, and --trace"),
        (["--apart", "hits"], "--apart hits is of results that are merged: give --jobs or --dask"),
        (["--jobs", "1", "--apart", "none"], "the program uses no such map; its maps are hits"),
        (["--checked-sample", "5", "--engine", "interp"], "--checked-sample compares engines portable and native"),
    ],
)
def test_what_has_no_meaning_is_one_line(words: list[str], told: str, captures: list[str], capsys: Captured) -> None:
    assert status(["run", COUNTER, "--packet", captures[0], *words]) == 2
    assert told in capsys.readouterr().err
