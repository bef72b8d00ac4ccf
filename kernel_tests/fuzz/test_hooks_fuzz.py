"""Random programs on packets, with maps and events, compiled: CPython, both tiers and the kernel give the same."""

from __future__ import annotations

import os
from collections.abc import Callable

from bpfvm.fuzz.hooks.constructs import CONSTRUCTS, PROGRAMS, SELDOM, UNMADE, UNUSED_OPS
from bpfvm.fuzz.python.differ import differ

ENGINES = ("cpython", "interp", "portable", "kernel")
SEED = 1
COMPARED, HITS = (100, 20_000), (0, 50)  # programs; how many of them have each operation and construct; --all
ACCEPTED = 0.9
REFUSED = 0.005  # the part of the compiled programs that the verifier may refuse


def test_random_programs_agree(size: Callable[[int, int], int]) -> None:
    programs = size(*COMPARED)
    report = differ(ENGINES, SEED, programs, jobs=len(os.sched_getaffinity(0)), subject=PROGRAMS)
    print(report)
    print(report.listing())
    assert report.differences == []
    assert report.compared >= programs
    assert report.acceptance >= ACCEPTED
    assert sum(report.refused.values()) <= REFUSED * programs, report.refused
    assert report.rare(size(*HITS)) == {}
    assert all(report.ops[name] == 0 for name in UNUSED_OPS if name not in SELDOM)
    assert all(report.constructs[name] == 0 and name in CONSTRUCTS for name in UNMADE)
