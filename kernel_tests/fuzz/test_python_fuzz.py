"""Random functions of Python, compiled: CPython, both tiers and the kernel give the same."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.fuzz.python import files
from bpfvm.fuzz.python.differ import differ
from bpfvm.fuzz.python.run import compare, machines
from bpfvm.fuzz.python.subject import UNUSED_OPS
from bpfvm.lang.target import LEVELS
from tests.unit.fuzz.test_python import found_files

ENGINES = ("cpython", "interp", "portable", "kernel")
SEED = 1
PROGRAMS, HITS = (1_000, 20_000), (0, 50)  # functions compared; how often each operation and construct is met; --all
ACCEPTED = 0.9
REFUSED = 0.002  # the part of the compiled functions that the verifier may refuse


def test_random_functions_agree(size: Callable[[int, int], int]) -> None:
    programs = size(*PROGRAMS)
    report = differ(ENGINES, SEED, programs, jobs=len(os.sched_getaffinity(0)))
    print(report)
    print(report.listing())
    assert report.differences == []
    assert report.compared >= programs
    assert report.acceptance >= ACCEPTED
    assert sum(report.refused.values()) <= REFUSED * programs
    assert report.rare(size(*HITS)) == {}
    assert all(report.ops[name] == 0 and name in IR_OPS for name in UNUSED_OPS)


def test_what_was_found_stays_right_on_the_kernel() -> None:
    backends, runs, paths = machines(ENGINES), 0, list(found_files())
    for path in paths:
        for level, recorded in itertools.product(LEVELS, (True, False)):
            verdict = compare(ENGINES, backends, files.read(path), level, recorded)
            assert verdict.difference is None, f"{path.name}: {verdict.difference}"
            runs += verdict.runs
    print(f"{len(paths)} files, {runs} runs")
    assert runs >= len(paths)
