"""Programs of objects on the native tier in both modes: what the reference tier does, faults in their places.

BPFVM_ALL=1 takes all folders and several seeds.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfvm.emulator.native.code.engine import missing
from bpfvm.fuzz.objects import objects
from bpfvm.fuzz.trace import BUDGET
from bpfvm.fuzz.unverified import SAFE, machines

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

ROOT = Path(__file__).resolve().parents[4]
ALL = os.environ.get("BPFVM_ALL") == "1"
FOLDERS = {"tests/packets": 90, "tests/objects": 90, "benchmarks/corpus": 55} if ALL else {"benchmarks/corpus": 55}


@pytest.mark.parametrize("optimised", [False, True], ids=["quick", "optimised"])
@pytest.mark.parametrize("seed", range(1, 6 if ALL else 2))
@pytest.mark.parametrize(("folder", "least"), FOLDERS.items())
def test_objects(folder: str, least: int, seed: int, optimised: bool) -> None:
    report = objects(machines(BUDGET, optimised), ROOT / folder, seed, (SAFE,))
    print(report)
    assert report.differences == []
    assert report.compared >= least
