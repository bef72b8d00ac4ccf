"""Random programs on hooks on CPython and the emulators: what is generated, compared and counted."""

from __future__ import annotations

from collections import Counter

from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.fuzz.hooks.constructs import CONSTRUCTS, PROGRAMS, UNMADE, UNUSED_OPS, count
from bpfvm.fuzz.hooks.generate import generated
from bpfvm.fuzz.hooks.kinds import KINDS
from bpfvm.fuzz.python.differ import differ
from bpfvm.fuzz.python.generate import INPUTS
from bpfvm.lang.packets.headers import HEADERS
from bpfvm.lang.target import LEVELS

ENGINES = ("cpython", "interp", "portable")
SEED = 1
PROGRAMS_COMPARED = 50
ACCEPTED = 0.9  # the part of the programs that is compared


def test_random_programs_agree() -> None:
    report = differ(ENGINES, SEED, PROGRAMS_COMPARED, subject=PROGRAMS)
    print(report)
    assert report.differences == []
    assert report.compared >= PROGRAMS_COMPARED
    assert report.runs >= (INPUTS - 1) * PROGRAMS_COMPARED
    assert report.acceptance >= ACCEPTED
    assert set(report.levels) == set(LEVELS)
    assert {"none", "PacketError", "KeyError"} <= set(report.faults)
    assert all(reason.startswith("compiler: E0") for reason in report.rejected)


def test_every_kind_of_program_is_generated() -> None:
    counts: Counter[str] = Counter()
    for number in range(300):
        counts += count(generated(SEED, number).text, Counter())
    rare = {one.name: counts[f"@{one.name}"] for one in KINDS}
    print(f"{rare}, {sum(counts.values())} constructs")
    assert min(rare.values()) >= 3


def test_a_case_is_the_same_whenever_it_is_made() -> None:
    first = [generated(7, number) for number in range(40)]
    assert first == [generated(7, number) for number in range(40)]
    assert len({one.text for one in first}) == 40
    assert first != [generated(8, number) for number in range(40)]


def test_tables_are_counted() -> None:
    assert len(CONSTRUCTS) >= 400
    assert all(name in CONSTRUCTS for name in UNMADE)
    assert all(name in IR_OPS for name in UNUSED_OPS)
    assert all(f"{header.name}.{name}" in CONSTRUCTS for header in HEADERS.values() for name in header.offered)
