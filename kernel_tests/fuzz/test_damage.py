"""Damage in large numbers, to the committed objects and to Debian's: what tests/unit/obj does with a few.

It asks the kernel nothing. It stands here because it takes long, and these tests run once; with --all it takes minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel_tests.debian import packages as debian
from tests.unit.obj.damage.changes import KINDS
from tests.unit.obj.damage.test_damage import captures, report, report_captures
from tests.unit.obj.damage.test_processes import run_all, single

OBJECTS = sorted((Path(__file__).resolve().parents[2] / "tests/objects").glob("*.o"))
IN_ONE_PROCESS, PROCESSES = (1_500, 20_000), (30, 300)  # a part of them, and all
LARGEST = 24 << 10  # bytes of Debian's objects that are damaged: the larger ones are more of the same


@pytest.fixture(scope="module")
def files() -> list[Path]:
    try:
        shipped = [one.path for one in debian.objects() if one.path.stat().st_size <= LARGEST]
    except debian.Unavailable as reason:
        print(f"without Debian's objects: {reason}")
        shipped = []
    return [*OBJECTS, *shipped]


def test_damaged_objects_in_one_process(files: list[Path], size: Callable[[int, int], int]) -> None:
    print(f"{len(files)} objects, {len(OBJECTS)} of them committed")
    assert set(report(files, size(*IN_ONE_PROCESS), seed=2)["outcomes"]) == set(KINDS)


def test_damaged_captures_in_one_process(tmp_path: Path, size: Callable[[int, int], int]) -> None:
    folder = os.environ.get("BPFVM_CAPTURES", "")
    real = sorted(Path(folder).glob("*.pcap*")) if folder else []
    small = [one for one in real if one.stat().st_size <= LARGEST]
    print(f"{len(small)} captures of BPFVM_CAPTURES and those that are made")
    report_captures([*captures(tmp_path), *small], size(*IN_ONE_PROCESS), seed=2)


def test_damaged_objects_in_processes(files: list[Path], tmp_path: Path, size: Callable[[int, int], int]) -> None:
    count = size(*PROCESSES)
    by_status = run_all(single(files), count, seed=2, folder=tmp_path)
    assert by_status.total() == count
    assert by_status["2"] >= count // 4
    assert by_status["0"] + by_status["1"] >= count // 20
