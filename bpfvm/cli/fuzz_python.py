"""`bpfvm fuzz --kind python` and `--kind hooks`: random functions and programs on several engines; a difference is made
small and written to a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from bpfvm.cli import FAULTED, INTERRUPTED
from bpfvm.fuzz.hooks.constructs import PROGRAMS
from bpfvm.fuzz.python import files
from bpfvm.fuzz.python.case import Case
from bpfvm.fuzz.python.differ import differ
from bpfvm.fuzz.python.report import Report
from bpfvm.fuzz.python.run import CPYTHON, Difference, compare, machines, same
from bpfvm.fuzz.python.shrink import shrink
from bpfvm.fuzz.python.subject import FUNCTIONS, Subject
from bpfvm.lang.target import LEVELS

Show = Callable[[Report], None]
SUBJECTS: Mapping[str, Subject] = {one.name: one for one in (FUNCTIONS, PROGRAMS)}


@dataclass(slots=True)
class Run:
    """A report, with the files of its smallest cases."""

    report: Report
    files: list[tuple[Path, Difference]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def status(self) -> int:
        return FAULTED if self.report.differences else INTERRUPTED if self.interrupted else 0

    def document(self) -> dict[str, Any]:
        """For JSON."""
        listed = [{"file": str(path), "case": one.case.name, "lines": one.case.text.count("\n")}
                  for path, one in self.files]  # fmt: skip
        return {
            **self.report.document(),
            "kind": self.report.subject.name,
            "files": listed,
            "interrupted": self.interrupted,
        }

    def show(self) -> None:
        """For a person."""
        click.echo(str(self.report))
        for path, one in self.files:
            click.echo(f"{path}: {one.kind}: {'; '.join(one.lines)}")
            click.echo("\n".join(f"    {line}" for line in one.case.text.splitlines()))


def engines(names: Sequence[str]) -> tuple[str, ...]:
    """CPython always takes part: it says what a function means."""
    return (CPYTHON, *(name for name in names if name != CPYTHON))


def run(
    names: Sequence[str], kind: str, seed: int, programs: int | None, seconds: float | None, out: Path, show: Show,
    jobs: int | None = None, dask: str | None = None,
) -> Run:  # fmt: skip
    """Fuzz in so many processes, one for each core by default; every difference is reduced. kind: one of SUBJECTS."""
    found = Run(Report(engines(names), seed, SUBJECTS[kind]))
    try:
        jobs = jobs or len(os.sched_getaffinity(0))
        differ(found.report.engines, seed, programs, seconds, jobs=jobs, progress=show, report=found.report, dask=dask)
        _write(found, out, small=True)
    except KeyboardInterrupt:
        found.interrupted = True
        _write(found, out, small=False)
    return found


def _write(found: Run, out: Path, small: bool) -> None:
    """Files for the differences that have none, one for all that end as the same text."""
    written = {one.case.name for _, one in found.files}
    texts = {one.case.text for _, one in found.files}
    for difference in found.report.differences:
        if difference.case.name in written:
            continue
        one = smallest(found.report.engines, difference) if small else difference
        if one.case.text not in texts:
            texts.add(one.case.text)
            found.files.append((files.write(out, one), one))


def smallest(names: Sequence[str], difference: Difference) -> Difference:
    """The difference on the smallest case found."""
    backends, best = machines(names), [difference]

    def holds(case: Case) -> bool:
        other = compare(names, backends, case, difference.level, difference.recorded).difference
        if other is None or not same(difference, other):
            return False
        best[0] = other
        return True

    shrink(difference.case, holds)
    return best[0]


def replay(path: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """The case of a file for every level of instructions."""
    case, found = files.read(path), []
    backends = machines(engines(names))
    for level, recorded in itertools.product(LEVELS, (True, False)):
        verdict = compare(engines(names), backends, case, level, recorded)
        words = verdict.difference.lines if verdict.difference else (verdict.rejected,) if verdict.rejected else ()
        end = "differs" if verdict.difference else "not compared" if verdict.rejected else "equal"
        found.append(
            {"case": f"{case.name} {level}{'' if recorded else ' plain'}", "result": end, "lines": list(words)}
        )
    return found
