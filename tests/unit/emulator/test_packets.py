"""C programs like those that people ship, over made packets: both tiers, and what the kernel made of them.

The kernel's part is in golden.json: for each program a number for all verdicts, packets, events and maps, which
kernel_tests/test_packets.py holds against the running kernel.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from bpfvm.emulator import Emulator
from tests.packets.cases import GROUPS, Group, layer
from tests.packets.machines import FOLDER, Case, compare, digest

CPUS = 2
ALL = [(group, case) for group in GROUPS for case in group.cases]
GOLDEN: dict[str, str] = json.loads((FOLDER / "golden.json").read_text())


@pytest.mark.parametrize(("group", "case"), ALL, ids=[str(case) for _, case in ALL])
def test_tiers_agree_with_one_another_and_with_the_kernel(group: Group, case: Case) -> None:
    engines = (Emulator("portable", cpus=CPUS), Emulator("interp", cpus=CPUS))
    counts: Counter[str] = compare(case, layer(case), engines, CPUS, group.frames)
    print(dict(counts))
    assert counts["compared"] == len(group.frames) >= 30
    assert counts["other ways"] >= 1
    assert digest(case, layer(case), engines[0], CPUS, group.frames) == GOLDEN[str(case)]


def test_every_object_has_a_row() -> None:
    named = {case.file for _, case in ALL}
    assert {path.name for path in FOLDER.glob("*.o")} == named
    assert {path.with_suffix(".o").name for path in FOLDER.glob("*.c")} == named
    assert set(GOLDEN) == {str(case) for _, case in ALL}
    print(f"{len(ALL)} programs")
    assert len(ALL) >= 12


def test_made_frames_are_what_their_scripts_make() -> None:
    pytest.importorskip("scapy", reason="scapy is not installed: pip install 'bpfvm[net]'")
    for group in GROUPS:
        assert group.frames == group.make(), f"{group.path.name} is old: python -m tests.packets.cases"
