"""`--jobs` and `--dask`: each capture is a task of its own, from the same contents of maps; then all are added up.

The order of captures is that of the command line, whichever is done first: packets count on from capture to capture,
and the merged answer of a program that only counts is that of one process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from bpfvm.cli import INTERRUPTED, answers
from bpfvm.cli.captures.merged import Merged, Part, Together
from bpfvm.cli.coverage import write
from bpfvm.cli.progress import Tasks
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.lang.functions.signature import Signature
from bpfvm.obj.captures.capture import STANDARD_INPUT, open_capture
from bpfvm.obj.model import ObjectSpec
from bpfvm.program import Program
from bpfvm.run import cluster, workers
from bpfvm.run.backend import AUTO
from bpfvm.run.coverage import Counts

if TYPE_CHECKING:
    from bpfvm.cli.runs import Options

Maps = dict[str, dict[Any, Any]]


@dataclass(frozen=True, slots=True)
class Task:
    """One capture, and all that a process needs to run the program on it. first: whether it tells what maps held."""

    path: str
    spec: ObjectSpec
    program: str
    signature: Signature | None
    maps: Maps
    engine: str
    options: Options
    base: Input
    first: bool

    def __str__(self) -> str:
        return self.path


def check(options: Options) -> None:
    """UsageError for what has no meaning for captures that are run apart, or for those that are not."""
    if options.jobs is None and options.dask is None:
        if options.apart:
            raise UsageError(f"--apart {options.apart[0]} is of results that are merged: give --jobs or --dask")
        return
    which = "--dask" if options.dask is not None else "--jobs"
    if not options.captures:
        raise UsageError(f"{which} is for captures: give them by --packet FILE")
    apart = {
        "--limit": (options.limit is not None, "counts packets over all captures"),
        "--out": (options.out is not None, "writes the packets of all captures in their order"),
        "--trace": (options.trace, "writes instructions in their order"),
        "--memory": (bool(options.memory), "is of programs that take no packets"),
        "--engine cpython": (options.engine == "cpython", "runs the function in this process"),
        "--packet -": (STANDARD_INPUT in options.captures, "is standard input of this process"),
    }
    for name, (given, why) in apart.items():
        if given:
            raise UsageError(f"{which} runs each capture by itself, and {name} {why}")


def run(chosen: Program, engine: str, maps: Maps, options: Options, base: Input, target_name: str) -> int:
    """Run all captures and print what they add up to. The status."""
    for path in options.captures:
        open_capture(path).close()  # one that is none is told before anything runs
    spec, name = chosen.runnable, chosen.name
    tasks = [
        Task(os.path.abspath(path), spec, name, chosen.signature, maps, engine, options, base, not number)
        for number, path in enumerate(options.captures)
    ]
    about = Together(spec, spec.programs[name], chosen.type, AUTO if engine == "auto" else engine)
    found = Merged(about, options.captures, [None] * len(tasks), frozenset(options.apart))
    start, status = time.perf_counter(), 0
    jobs = min(options.jobs or workers.cores(), len(tasks))
    try:
        with Tasks(len(tasks)) as progress:
            for number, part in _results(tasks, options.dask, jobs):
                found.parts[number] = part
                progress.done(part.report.runs)
    except KeyboardInterrupt:
        status, done = INTERRUPTED, sum(one is not None for one in found.parts)
        click.echo(f"bpfvm: interrupted after {done} of {len(tasks)} captures", err=True)
    found.seconds = time.perf_counter() - start
    if options.coverage is not None:
        write(spec, found.counts, options.coverage, target_name)
    return found.finish(target_name, options.as_json) or status


def _results(tasks: Sequence[Task], address: str | None, jobs: int) -> Iterator[tuple[int, Part]]:
    if address is not None:
        return cluster.results(run_one, tasks, address, jobs)
    return workers.results(run_one, tasks, jobs)


def run_one(task: Task) -> Part:
    """One capture, in whatever process this is."""
    from bpfvm.cli.runs import Run
    from bpfvm.run.backend import engine
    from bpfvm.run.session import Session

    options = replace(task.options, captures=(task.path,))
    backend = engine(task.engine, answers.read(options.answers), options.cpus, safe=options.unchecked)
    with Session(backend, task.spec, task.program, task.signature, task.maps) as session:
        start = session.entries() if task.first else {}
        lines: list[str] = []
        one = Run(session, options, task.base, lines.append)
        if options.coverage is None:
            one.all()
            return Part(one.report, session.entries(), start, lines)
        with session.machine.cover() as counted:
            one.all()
        return Part(one.report, session.entries(), start, lines, Counts().add(counted))
