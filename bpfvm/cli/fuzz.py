"""`bpfvm fuzz`: random programs on several engines; what differs is made small and written to a file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpfvm.cli import FAULTED, INTERRUPTED, fuzz_maps
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.fuzz import reproducer
from bpfvm.fuzz.case import Case, make
from bpfvm.fuzz.damage import robust
from bpfvm.fuzz.differ import compare, differ, machine
from bpfvm.fuzz.generate import program
from bpfvm.fuzz.mutate import mutant
from bpfvm.fuzz.report import Difference, Report
from bpfvm.fuzz.shrink import shrink
from bpfvm.isa.disasm import listing
from bpfvm.run.backend import ENGINES, Backend, engine
from bpfvm.testing.datafile import read_cases

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS = 60.0
KINDS = {"programs": program, "mutants": mutant}
BYTES, MAPS = "bytes", "maps"
_PLAIN = frozenset({"mov64_k", "mov64_x", "add64_k", "lddw", "st64", "stx64", "exit"})  # what any small program has

_HELP = """Run random programs on several engines and compare r0, memory, packets and maps.

The default engines are those that can be used here; with only one there is nothing to compare with, and the status is
2. A difference is reduced to few instructions and written below --out, as a data file (*.data) where one can hold it,
else as JSON; --replay reads both.

\b
--kind programs  programs that a verifier takes, made of the instruction table
       mutants   such programs with a few changes
       bytes     damaged programs, on each engine alone: nothing but an error
                 of its own may come out
       maps      sequences of operations on maps, from programs and from user
                 space; every answer and the contents are compared

The same seed makes the same programs. Without --seconds, --programs and --operations it runs for 60 seconds.
"""


@dataclass(slots=True)
class _Session:
    """reports: one for all engines, or one for each with --kind bytes.

    files: reproducers with their small differences, one for all that are alike. reduced: differences looked at so far.
    """

    reports: list[Report] = field(default_factory=list)
    files: list[tuple[Path, Difference]] = field(default_factory=list)
    reduced: int = 0
    interrupted: bool = False

    @property
    def status(self) -> int:
        if any(report.differences for report in self.reports):
            return FAULTED
        return INTERRUPTED if self.interrupted else 0


@click.command(
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm fuzz --seconds 600 --seed 7 --engines interp,kernel --out found",
)
@click.option("--seconds", type=click.FloatRange(min=0), metavar="N", help="Stop after N seconds.")
@click.option("--programs", type=click.IntRange(min=1), metavar="N", help="Stop after N programs were compared.")
@click.option("--operations", type=click.IntRange(min=1), metavar="N",
              help="With --kind maps: stop after N operations on each map type.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Make the programs of this seed; else of any.")
@click.option("--engines", metavar="LIST", help="Engines to compare, as in interp,kernel.")
@click.option(
    "--kind", type=click.Choice([*KINDS, BYTES, MAPS]), default="programs", show_default=True, help="What to make."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="fuzz-out", show_default=True,
              metavar="DIR", help="Where files for differences go.")  # fmt: skip
@click.option("--replay", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Run the cases of this file instead.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    seconds: float | None, programs: int | None, operations: int | None, seed: int | None, engines: str | None,
    kind: str, out: Path, replay: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Fuzz or replay, and print what was found."""
    names = _engines(engines, alone=kind == BYTES or (replay is not None and engines is not None))
    if replay is not None:
        return _replay(replay, names, as_json)
    if (programs if kind == MAPS else operations) is not None:
        raise UsageError(f"--kind {kind} is limited by {'--operations' if kind == MAPS else '--programs'} or --seconds")
    if seconds is None and programs is None and operations is None:
        seconds = SECONDS
    if seed is None:
        seed = random.SystemRandom().randrange(1 << 32)
    click.echo(f"bpfvm: seed {seed}, engines {', '.join(names)}", err=True)
    if kind == MAPS:
        with _progress(seconds, None) as show:
            return fuzz_maps.run(names, seed, operations, seconds, out, as_json, show)
    session = _Session()
    try:
        with _progress(seconds, programs) as show:
            _fuzz(session, names, kind, seed, programs, seconds, show)
            _reduce(session, out)
    except KeyboardInterrupt:
        session.interrupted = True
        _reduce(session, out, small=False)
    click.echo(json.dumps(_document(session, kind))) if as_json else _print(session)
    return session.status


def _engines(given: str | None, alone: bool) -> list[str]:
    """The engines to use; the kernel is no default where one is run alone.

    UsageError for fewer than two, unless one may be `alone`.
    """
    missing = {row.name: row.missing() for row in ENGINES}
    if given is None:
        names = [name for name, reason in missing.items() if reason is None and not (alone and name == "kernel")]
    else:
        names = [name.strip() for name in given.split(",")]
        for name in names:
            engine(name)  # an error for one that is not there
        if len(set(names)) < len(names) or "auto" in names:
            raise UsageError(f"--engines {given}: name each engine once, of {', '.join(missing)}")
    if len(names) < 2 and not alone:
        others = "; ".join(f"{name}: {reason}" for name, reason in missing.items() if reason is not None)
        raise UsageError(
            f"there is nothing to compare with: {', '.join(names)} is the only engine"
            + (f" ({others})" if given is None and others else "; name two or more by --engines")
        )
    return names


def _fuzz(
    session: _Session, names: Sequence[str], kind: str, seed: int, programs: int | None, seconds: float | None,
    show: Callable[[Report], None],
) -> None:  # fmt: skip
    if kind != BYTES:
        session.reports.append(Report(tuple(names), seed))
        differ(names, seed, programs, seconds, generator=KINDS[kind], progress=show, report=session.reports[0])
        return
    for name in names:
        session.reports.append(Report((name,), seed))
        share = None if seconds is None else seconds / len(names)
        robust(name, seed, programs, share, progress=show, report=session.reports[-1])


def _reduce(session: _Session, out: Path, small: bool = True) -> None:
    """Files for the differences that were not looked at: of the smallest case, if it shall be `small`, none twice."""
    every = [(report, found) for report in session.reports for found in report.differences]
    known = {_signature(found) for _, found in session.files}
    for report, found in every[session.reduced :]:
        machines = [machine(name) for name in report.engines]
        one = shrink(machines, found) if small and found.code is None else found
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


@contextmanager
def _progress(seconds: float | None, programs: int | None) -> Iterator[fuzz_maps.Show]:
    """A bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _shower(bar, seconds, programs)


def _shower(bar: Progress, seconds: float | None, programs: int | None) -> fuzz_maps.Show:
    task = bar.add_task("", total=programs if programs is not None else seconds)

    def show(report: fuzz_maps.Shown) -> None:
        done = report.compared if programs is not None else report.seconds
        what = "programs" if isinstance(report, Report) else "operations"
        bar.update(
            task, completed=done,
            description=f"{report.compared} {what}, {len(report.differences)} differences",
        )  # fmt: skip

    return show


def _document(session: _Session, kind: str) -> dict[str, Any]:
    """Of the reports; with --kind bytes they stand in a list."""
    reports = [report.document() for report in session.reports]
    return {
        **(reports[0] if len(reports) == 1 else {"reports": reports}),
        "kind": kind,
        "files": [{"file": str(path), "case": one.case.name, "insns": len(one.case.program.insns)}
                  for path, one in session.files],
        "interrupted": session.interrupted,
    }  # fmt: skip


def _print(session: _Session) -> None:
    for report in session.reports:
        click.echo(str(report))
    for path, found in session.files:
        click.echo(f"{path}: {found.kind}: {'; '.join(found.lines)}")
        if found.case.program.insns:
            click.echo("\n".join(f"    {line}" for line in listing(found.case.program.insns).splitlines()))
    if session.interrupted:
        click.echo("bpfvm: interrupted", err=True)


def _replay(path: Path, names: Sequence[str], as_json: bool) -> int:
    """The cases of a file on the engines."""
    sequence = fuzz_maps.read(path)
    if sequence is not None:
        return fuzz_maps.replay(path, sequence, names, as_json)
    machines = [machine(name) for name in names]
    cases = _data_cases(path) if path.suffix == ".data" else [reproducer.read(path)]
    found = []
    for case in cases:
        verdict = compare(machines, case)
        words = verdict.difference.lines if verdict.difference else (verdict.rejected,) if verdict.rejected else ()
        end = "differs" if verdict.difference else "not compared" if verdict.rejected else "equal"
        found.append({"case": case.name, "result": end, "lines": list(words)})
    if as_json:
        click.echo(json.dumps({"file": str(path), "engines": list(names), "cases": found}))
    else:
        for one in found:
            click.echo(f"{one['case']}: {one['result']}{''.join(f'; {line}' for line in one['lines'])}")
    return FAULTED if any(one["result"] == "differs" for one in found) else 0


def _data_cases(path: Path) -> list[Case]:
    found = []
    for one in read_cases(path):
        given = Input(packet=one.mem) if one.has_packet else Input(ctx=one.mem)
        found.append(make(one.name, one.type, one.insns, (given,)))
    return found
