"""`bpfvm fuzz --kind programs`, mutants and bytes: programs of instructions on several engines, or on each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from bpfvm.cli import FAULTED, INTERRUPTED
from bpfvm.fuzz import reproducer, unverified
from bpfvm.fuzz.damage import robust
from bpfvm.fuzz.differ import differ, machine
from bpfvm.fuzz.generate import program
from bpfvm.fuzz.mutate import mutant
from bpfvm.fuzz.report import Difference, Report
from bpfvm.fuzz.shrink import shrink
from bpfvm.isa.disasm import listing
from bpfvm.run import workers
from bpfvm.run.backend import Backend

KINDS = {"programs": program, "mutants": mutant}
BYTES, UNVERIFIED = "bytes", "unverified"
_PLAIN = frozenset({"mov64_k", "mov64_x", "add64_k", "lddw", "st64", "stx64", "exit"})  # what any small program has

Show = Callable[[Report], None]


@dataclass(slots=True)
class Session:
    """reports: one for all engines, or one for each with --kind bytes.

    files: reproducers with their small differences, one for all that are alike. reduced: differences looked at so far.
    """

    kind: str
    reports: list[Report] = field(default_factory=list)
    files: list[tuple[Path, Difference]] = field(default_factory=list)
    reduced: int = 0
    interrupted: bool = False

    @property
    def status(self) -> int:
        if any(report.differences for report in self.reports):
            return FAULTED
        return INTERRUPTED if self.interrupted else 0

    def document(self) -> dict[str, Any]:
        """Of the reports; with --kind bytes they stand in a list."""
        reports = [report.document() for report in self.reports]
        return {
            **(reports[0] if len(reports) == 1 else {"reports": reports}),
            "kind": self.kind,
            "files": [{"file": str(path), "case": one.case.name, "insns": len(one.case.program.insns)}
                      for path, one in self.files],
            "interrupted": self.interrupted,
        }  # fmt: skip

    def show(self) -> None:
        """For a person."""
        for report in self.reports:
            click.echo(str(report))
        for path, found in self.files:
            click.echo(f"{path}: {found.kind}: {'; '.join(found.lines)}")
            if found.case.program.insns:
                click.echo("\n".join(f"    {line}" for line in listing(found.case.program.insns).splitlines()))
        if self.interrupted:
            click.echo("bpfvm: interrupted", err=True)


def run(
    names: Sequence[str], kind: str, seed: int, programs: int | None, seconds: float | None, out: Path, show: Show,
    jobs: int | None = None, dask: str | None = None,
) -> Session:  # fmt: skip
    """Fuzz; every difference is reduced and written below `out`."""
    session = Session(kind)
    try:
        _fuzz(session, names, seed, programs, seconds, show, jobs, dask)
        _reduce(session, out)
    except KeyboardInterrupt:
        session.interrupted = True
        _reduce(session, out, small=False)
    return session


def _fuzz(
    session: Session, names: Sequence[str], seed: int, programs: int | None, seconds: float | None,
    show: Show, jobs: int | None, dask: str | None,
) -> None:  # fmt: skip
    if session.kind == UNVERIFIED:
        session.reports.append(Report(unverified.NAMES, seed))
        unverified.unverified(seed, programs, seconds, progress=show, report=session.reports[0])
        return
    if session.kind != BYTES:
        session.reports.append(Report(tuple(names), seed))
        differ(
            names, seed, programs, seconds, generator=KINDS[session.kind], progress=show, report=session.reports[0],
            dask=dask, jobs=jobs or workers.cores(),
        )  # fmt: skip
        return
    for name in names:
        session.reports.append(Report((name,), seed))
        share = None if seconds is None else seconds / len(names)
        robust(name, seed, programs, share, progress=show, report=session.reports[-1])


def _reduce(session: Session, out: Path, small: bool = True) -> None:
    """Files for the differences that were not looked at: of the smallest case, if it shall be `small`, none twice."""
    every = [(report, found) for report in session.reports for found in report.differences]
    known = {_signature(found) for _, found in session.files}
    for report, found in every[session.reduced :]:
        whole = session.kind == UNVERIFIED  # changed programs may differ because they fault
        machines = unverified.machines() if whole else [machine(name) for name in report.engines]
        one = shrink(machines, found) if small and found.code is None and not whole else found
        session.reduced += 1
        if _signature(one) not in known:
            known.add(_signature(one))
            session.files.append((reproducer.write(out, one, _judge(machines)), one))


def _signature(found: Difference) -> tuple[object, ...]:
    """What two differences of one cause have in common, mostly: the rows of their smallest programs."""
    return (found.kind, found.code, frozenset(one.op.name for one in found.case.program.insns) - _PLAIN)


def _judge(machines: Sequence[Backend]) -> Backend:
    """Whose result a data file states: the kernel's, else the reference tier's."""
    return next((one for one in machines if one.name == "kernel"), machines[0])
