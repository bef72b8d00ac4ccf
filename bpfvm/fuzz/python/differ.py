"""Random functions on several machines, in one process or in several at once.

    report = differ(("cpython", "interp", "kernel"), seed=1, programs=20_000, jobs=2)

The report of so many programs is the same for any number of processes.
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from functools import partial

from bpfvm.core.diag import Diag
from bpfvm.fuzz.python.case import Case
from bpfvm.fuzz.python.report import Report
from bpfvm.fuzz.python.run import compare, level_of, machines
from bpfvm.fuzz.python.subject import FUNCTIONS, Subject
from bpfvm.fuzz.python.witness import kind, witness
from bpfvm.run import cluster
from bpfvm.run.backend import Backend

MOST = 10  # differences after which a run stops
CHUNK = 25  # cases that a process takes at a time
_AHEAD = 2  # chunks that wait for each process

Progress = Callable[[Report], None]


def differ(
    engines: Sequence[str], seed: int, programs: int | None = None, seconds: float | None = None, *, jobs: int = 1,
    most: int = MOST, progress: Progress | None = None, report: Report | None = None, subject: Subject = FUNCTIONS,
    dask: str | None = None,
) -> Report:  # fmt: skip
    """Compare random functions until `programs` are compared, `seconds` are over or `most` differences were found.

    At most twice as many are made as shall be compared. report: one to go on with, so that a run that is interrupted
    leaves what it found; it says what is generated, else `subject` does. dask: where to run instead, as in
    bpfvm.run.cluster.
    """
    report = report if report is not None else Report(tuple(engines), seed, subject)
    start = time.monotonic()
    with closing(_parts(engines, seed, jobs, report.subject, dask)) as parts:
        for part in parts:
            report.add(part)
            report.seconds = time.monotonic() - start
            if progress is not None:
                progress(report)
            if len(report.differences) >= most or (seconds is not None and report.seconds >= seconds):
                break
            if programs is not None and (report.compared >= programs or report.generated >= 2 * programs):
                break
    return report


def _parts(
    engines: Sequence[str], seed: int, jobs: int, subject: Subject, dask: str | None
) -> Generator[Report, None, None]:  # fmt: skip
    """What came of each chunk of cases, in their order, without end."""
    if dask is not None:
        call = partial(_remote, tuple(engines), seed, subject=subject)
        with cluster.client(dask, jobs) as client:
            yield from cluster.in_order(client, call, itertools.count(0, CHUNK), "functions from number {} on".format)
        return
    if jobs == 1:
        backends = machines(engines)
        for first in itertools.count(0, CHUNK):
            yield chunk(engines, backends, seed, first, subject)
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    try:
        waiting: list[Future[Report]] = []
        for first in itertools.count(0, CHUNK):
            waiting.append(pool.submit(_remote, tuple(engines), seed, first, subject))
            if len(waiting) > _AHEAD * jobs:
                yield waiting.pop(0).result()
    finally:
        pool.shutdown(cancel_futures=True)


def _remote(engines: tuple[str, ...], seed: int, first: int, subject: Subject) -> Report:
    return chunk(engines, machines(engines), seed, first, subject)


def chunk(
    engines: Sequence[str], backends: Sequence[Backend], seed: int, first: int, subject: Subject = FUNCTIONS
) -> Report:  # fmt: skip
    """CHUNK cases from number `first` on."""
    report = Report(tuple(engines), seed, subject)
    for number in range(first, first + CHUNK):
        _one(report, engines, backends, seed, number)
    return report


def _one(report: Report, engines: Sequence[str], backends: Sequence[Backend], seed: int, number: int) -> None:
    case, level = report.subject.generated(seed, number), level_of(number)
    verdict = compare(engines, backends, case, level, report.subject.recorded(number))
    report.generated += 1
    report.runs += verdict.runs
    if verdict.difference is not None:
        report.differences.append(verdict.difference)
        return
    if verdict.error is not None:
        _refused(report, verdict.error.diags, case)
    if verdict.rejected is not None:
        report.rejected[verdict.rejected] += 1
        return
    report.compared += 1
    report.levels[level] += 1
    report.faults.update(verdict.faults)
    report.ops.update(verdict.ops)
    report.constructs.update(report.subject.count(case.text, verdict.met))


def _refused(report: Report, diags: Sequence[Diag], case: Case) -> None:
    """Count refusals of values that may not fit: with a witness that one does not, or by what was not proved."""
    for diag in diags:
        if diag.code != "E040":
            continue
        if report.subject.witnessed and witness(case.text, diag, case.name) is not None:
            report.witnessed += 1
        else:
            report.unproved[kind(case.text, diag)] += 1
