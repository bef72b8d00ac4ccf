"""C programs like those that people ship, over made packets: both tiers, and what the kernel made of them.

The kernel's part is in golden.json: for each program a number for all verdicts, packets, events and maps, which
kernel_tests/runs/test_packets.py holds against the running kernel.
"""

from __future__ import annotations

import json
import socket
from collections import Counter

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from tests.engines import EMULATORS
from tests.packets.cases import GROUPS, Group, layer
from tests.packets.cases_xdp import ip
from tests.packets.machines import FOLDER, Case, compare, digest, input_of

CPUS = 2
ALL = [(group, case) for group in GROUPS for case in group.cases]
GOLDEN: dict[str, str] = json.loads((FOLDER / "golden.json").read_text())


@pytest.mark.parametrize(("group", "case"), ALL, ids=[str(case) for _, case in ALL])
def test_tiers_agree_with_one_another_and_with_the_kernel(group: Group, case: Case) -> None:
    engines = (Emulator("portable", cpus=CPUS), Emulator("interp", cpus=CPUS))
    counts: Counter[str] = compare(case, layer(case), engines, CPUS, group.frames)
    print(dict(counts))
    assert counts["compared"] == len(group.frames) >= 30
    assert counts["past the first branch"] >= len(group.frames) // 50
    assert counts["other ways"] >= 1
    assert digest(case, layer(case), engines[0], CPUS, group.frames) == GOLDEN[str(case)]


def test_every_object_has_a_row() -> None:
    named = {case.file for _, case in ALL}
    assert {path.name for path in FOLDER.glob("*.o")} == named
    assert {path.with_suffix(".o").name for path in FOLDER.glob("*.c")} == named
    assert set(GOLDEN) == {str(case) for _, case in ALL}
    print(f"{len(ALL)} programs")
    assert len(ALL) >= 76


def test_made_frames_reach_nearly_all_instructions() -> None:
    """What stays out are ways that no packet takes: maps that cannot be updated, the clock's hours."""
    reached = total = 0
    for group, case in ALL:
        first = layer(case)
        with Emulator("interp", cpus=CPUS).load(case.spec, case.program, case.contents(CPUS)) as loaded:
            with loaded.cover() as coverage:
                for number, frame in enumerate(group.frames):
                    loaded.run(input_of(case, first, frame, number))
            counts = [count for slots in coverage.counts.values() for count in slots]
        assert sum(map(bool, counts)) >= len(counts) * 3 // 4, case
        reached, total = reached + sum(map(bool, counts)), total + len(counts)
    print(f"{reached} of {total} slots of {len(ALL)} programs")
    assert reached >= total * 95 // 100


@pytest.mark.parametrize("engine", EMULATORS)
def test_a_bucket_fills_by_the_virtual_clock(engine: str) -> None:
    """rate_limit over hours, which no kernel can be asked about: four at once, one more an hour, never over four."""
    hour = 3_600_000_000_000
    times = (0, 0, 0, 0, 0, 0.9, 1.1, 1.2, 3.5, 3.6, 3.7, 100, 100, 100, 100, 100)
    frame = bytes.fromhex("020000000100 020000000001 0800") + b"\x45" + bytes(11) + ip("10.0.0.1") * 2
    case = next(case for _, case in ALL if case.program == "rate_limit")
    with Emulator(engine).load(case.spec, case.program, {}) as loaded:
        verdicts = [loaded.run(Input(packet=frame, clock=round(hour * at))).r0 for at in times]
    assert verdicts == [2, 2, 2, 2, 1, 1, 2, 1, 2, 2, 1, 2, 2, 2, 2, 1]


@pytest.mark.parametrize("engine", EMULATORS)
def test_the_trace_says_what_the_packets_are(engine: str) -> None:
    """socket_queues' lines, which BPF_PROG_TEST_RUN does not show, beside the frames read here."""
    group, case = next((group, case) for group, case in ALL if case.program == "socket_queues")
    wanted, found = list[str](), list[str]()
    with Emulator(engine).load(case.spec, case.program, {}) as loaded:
        for number, frame in enumerate(group.frames):
            port = int.from_bytes(frame[36:38], "big")
            if len(frame) >= 42 and frame[12:15] == b"\x08\0\x45" and frame[23] == 17 and port == 53:
                wanted.append(f"no socket at 1:0 for {socket.inet_ntoa(frame[26:30])}")
            elif len(frame) >= 42 and frame[12:15] == b"\x08\0\x45" and frame[23] == 17 and port < 0x8000:
                wanted.append(f"port {port}, {len(frame):x} bytes: dropped")
            found += loaded.run(input_of(case, layer(case), frame, number)).trace
    assert found == wanted
    print(f"{len(found)} lines")
    assert len(found) >= 20


def test_made_frames_are_what_their_scripts_make() -> None:
    pytest.importorskip("scapy", reason="scapy is not installed: pip install 'bpfvm[net]'")
    for group in GROUPS:
        assert group.frames == group.make(), f"{group.path.name} is old: python -m tests.packets.cases"
