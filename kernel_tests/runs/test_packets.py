"""The C programs of tests/packets on both tiers and in the kernel: verdict, packet, context fields, events, maps.

Over the frames that are made for them, and over the captures of BPFVM_CAPTURES.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.emulator import Emulator
from bpfvm.kernel import KERNEL
from tests.packets.cases import GROUPS, Group, layer
from tests.packets.machines import Case, captured, compare

CPUS = os.sysconf("SC_NPROCESSORS_CONF")
ENGINES = (Emulator("interp", cpus=CPUS), Emulator("portable", cpus=CPUS), KERNEL)
ALL = [(group, case) for group in GROUPS for case in group.cases]
MOST = 100  # packets of each capture
PERF = 5  # of them, one in so many for programs with perf events: the kernel takes 16 ms to map buffers for a run
totals: Counter[str] = Counter()


@pytest.fixture(scope="module")
def real() -> list[bytes]:
    folder = os.environ.get("BPFVM_CAPTURES", "")
    found: list[bytes] = []
    for path in sorted(Path(folder).iterdir()) if folder else ():
        try:
            found += captured(path, MOST)
        except LoadError:
            continue
    return found


@pytest.mark.parametrize(("group", "case"), ALL, ids=[str(case) for _, case in ALL])
def test_machines_agree(group: Group, case: Case, real: list[bytes]) -> None:
    counts = compare(case, layer(case), ENGINES, CPUS, group.frames)
    assert counts["compared"] >= len(group.frames) * 3 // 4
    assert counts["past the first branch"] >= len(group.frames) // 50
    assert counts["other ways"] >= 1
    slow = any(one.type == "perf_event_array" for one in case.spec.maps.values())
    counts.update(compare(case, layer(case), ENGINES, CPUS, real[:: PERF if slow else 1]))
    totals.update(counts)
    totals["programs"] += 1
    print(dict(counts))


def test_there_was_something_to_compare(real: list[bytes]) -> None:
    print(dict(totals))
    assert totals["programs"] == len(ALL) >= 76
    assert totals["past the first branch"] >= totals["compared"] // 3
    assert totals["compared"] >= len(ALL) * (150 if not real else 1000) * 3 // 4
