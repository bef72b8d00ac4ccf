"""The corpus of benchmarks/corpus: the Python and the C half of each program do the same, emulated and in the kernel.

Over the inputs that are made for them, and over the captures of BPFVM_CAPTURES. What does not compile, by table.txt,
must not compile.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks.corpus.frames import frames
from benchmarks.corpus.halves import Differences, Refused, c_half, compare, python_half
from benchmarks.corpus.manifest import ROWS, Row
from benchmarks.corpus.measure import refused_names
from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.emulator import INTERP
from bpfvm.kernel import KERNEL
from bpfvm.kernel.objects.statistics import statistics
from bpfvm.obj.captures.capture import open_capture

MOST = 100  # packets of each capture
SPARSE = 7  # of the captured ones, one in so many goes through the emulator, or through a program with a perf buffer
totals: Counter[str] = Counter()


def rows(wanted: Callable[[Row], bool]) -> list[Any]:
    """Rows to run with both halves; those whose Python half is not compiled must be refused."""
    refused = refused_names()
    mark = pytest.mark.xfail(strict=True, raises=Refused, reason="the Python half does not compile: table.txt")
    return [pytest.param(row, marks=[mark] if row.name in refused else [], id=row.name) for row in ROWS if wanted(row)]


@pytest.fixture(scope="module")
def real() -> list[bytes]:
    folder = os.environ.get("BPFVM_CAPTURES", "")
    found: list[bytes] = []
    for path in sorted(Path(folder).iterdir()) if folder else ():
        try:
            with open_capture(path) as capture:
                found += [bytes(packet) for _, packet, _ in islice(capture, MOST) if capture.link == 1]
        except LoadError:
            continue
    return found


def equal(found: Differences, what: str) -> None:
    print(f"{what}: {dict(found.counts)}")
    assert found.found == [], "\n".join(found.found[:3])
    totals.update({f"{what} {name}": number for name, number in found.counts.items()})


@pytest.mark.parametrize("row", rows(lambda row: bool(row.inputs or row.arguments)))
def test_halves_do_the_same(row: Row, real: list[bytes], size: Callable[[int, int], int]) -> None:
    ours, theirs = python_half(row), c_half(row)
    slow = any(" perf_event_array " in one for one in row.maps)
    equal(compare(row, ours, theirs, INTERP), "emulated")
    if row.clock:
        print("not compared in the kernel, whose clock goes by itself")
    else:
        equal(compare(row, ours, theirs, KERNEL, frames(row.inputs)[:: size(SPARSE, 1)] if slow else None), "kernel")
    totals["programs"] += 1
    if not real or not row.inputs:
        return
    equal(compare(row, ours, theirs, INTERP, real[:: size(SPARSE, 1)]), "captured, emulated")
    if not row.clock:
        equal(compare(row, ours, theirs, KERNEL, real[:: size(SPARSE, 1)] if slow else real), "captured, kernel")


@pytest.mark.parametrize("row", rows(lambda row: not (row.inputs or row.arguments)))
def test_both_halves_of_tracers_load(row: Row) -> None:
    for spec in (python_half(row), c_half(row)):
        for name in spec.programs:
            try:
                statistics(spec, name)
            except Unavailable as reason:
                pytest.skip(str(reason))
            totals["tracers loaded"] += 1


def test_there_was_something_to_compare(real: list[bytes]) -> None:
    print(dict(totals))
    compiled = [row for row in ROWS if row.name not in refused_names()]
    running = [row for row in compiled if row.inputs or row.arguments]
    assert totals["programs"] == len(running)
    assert totals["emulated compared"] >= 40 * len(running)
    assert totals["kernel compared"] >= 35 * sum(not row.clock for row in running)
    if real:
        packets = [row for row in running if row.inputs and not row.clock]
        assert totals["captured, kernel compared"] >= len(packets) * len(real) * 3 // 4
