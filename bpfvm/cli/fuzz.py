"""`bpfvm fuzz`: random programs on several engines; what differs is made small and written to a file."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from bpfvm.cli import FAULTED, fuzz_maps, fuzz_programs, fuzz_python
from bpfvm.cli.fuzz_programs import BYTES, KINDS, UNVERIFIED
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.fuzz import reproducer
from bpfvm.fuzz.case import Case, make
from bpfvm.fuzz.differ import compare, machine
from bpfvm.fuzz.maps.differ import Report as MapReport
from bpfvm.fuzz.unverified import NAMES
from bpfvm.run.backend import ENGINES, engine
from bpfvm.testing.datafile import read_cases

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS = 60.0
MAPS, PYTHON, CPYTHON = "maps", "python", "cpython"
COMPILED = tuple(fuzz_python.SUBJECTS)

_HELP = """Run random programs on several engines and compare r0, memory, packets and maps.

The default engines are those that can be used here; with only one there is nothing to compare with, and the status is
2. A difference is reduced to few instructions or lines and written below --out, as a data file (*.data) where one can
hold it, as a module (*.py) of a Python program, else as JSON; --replay reads them.

\b
--kind python    functions of Python, compiled and compared with CPython, for all
                 levels of instructions in turn; on all cores
       hooks     programs of Python on packets, with maps and events, compiled
                 and compared in the same way
       programs  programs that a verifier takes, made of the instruction table
       mutants   such programs with a few changes
       bytes     damaged programs, on each engine alone: nothing but an error
                 of its own may come out
       unverified
                 programs that mostly no verifier takes, on portable and native, in
                 modes checked and safe, compared with interp: equal where that does
                 not fault, and faults at the same instruction but in mode safe
       maps      sequences of operations on maps, from programs and from user
                 space; every answer and the contents are compared

Without --kind, programs and python take half of the time each. The same seed makes the same programs. Without
--seconds, --programs and --operations it runs for 60 seconds.
"""


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
    "--kind",
    type=click.Choice([*COMPILED, *KINDS, BYTES, UNVERIFIED, MAPS]),
    help="What to make: programs and python by default.",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes for programs of Python; all cores.")
@click.option("--dask", metavar="ADDRESS", help="Compare on a Dask cluster, LOCAL for --jobs processes here.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="fuzz-out", show_default=True,
              metavar="DIR", help="Where files for differences go.")  # fmt: skip
@click.option("--replay", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Run the cases of this file instead.")  # fmt: skip
@click.option("--objects", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Compare the programs of all *.o below DIR instead, over random packets.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    seconds: float | None, programs: int | None, operations: int | None, seed: int | None, engines: str | None,
    kind: str | None, jobs: int | None, dask: str | None, out: Path, replay: Path | None, objects: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Fuzz or replay, and print what was found."""
    alone = kind in (BYTES, UNVERIFIED, *COMPILED) or (replay is not None and engines is not None)
    names = _engines(engines, alone)
    if CPYTHON in names and kind is None:
        kind = PYTHON
    if CPYTHON in names and kind not in COMPILED:
        raise UsageError(
            f"--kind {kind} runs no functions of Python: engine cpython takes part in --kind python, hooks"
        )
    if replay is not None:
        return _replay(replay, names, as_json)
    if (programs if kind == MAPS else operations) is not None:
        limit = "--operations" if kind == MAPS else "--programs"
        raise UsageError(f"--kind {kind or 'programs'} is limited by {limit} or --seconds")
    names = _checked(names, engines, kind, dask, objects)
    if seconds is None and programs is None and operations is None:
        seconds = SECONDS
    if seed is None:
        seed = random.SystemRandom().randrange(1 << 32)
    click.echo(f"bpfvm: seed {seed}, engines {', '.join(names)}", err=True)
    if objects is not None:
        return _objects(names, objects, seed, as_json)
    if kind == MAPS:
        with _progress(seconds, None) as show:
            return fuzz_maps.run(names, seed, operations, seconds, out, as_json, show)
    found = _fuzz(names, kind, seed, programs, seconds, out, jobs, dask)
    if as_json:
        first, *others = [one.document() for one in found]
        click.echo(json.dumps(first | {one["kind"]: one for one in others}))
    else:
        for one in found:
            one.show()
    return max(one.status for one in found)


def _checked(
    names: list[str], engines: str | None, kind: str | None, dask: str | None, objects: Path | None
) -> list[str]:  # fmt: skip
    """The engines of a kind. UsageError for options that exclude one another."""
    if dask is not None and (kind in (MAPS, BYTES, UNVERIFIED) or objects is not None):
        what = "--objects" if objects is not None else f"--kind {kind}"
        raise UsageError(f"--dask spreads programs, mutants and functions of Python; {what} runs in one process")
    if kind != UNVERIFIED:
        return names
    if engines is not None:
        raise UsageError(f"--kind {kind} is about all emulators: no --engines")
    return [*NAMES]


def _objects(names: Sequence[str], folder: Path, seed: int, as_json: bool) -> int:
    """Compare the programs of object files. The status."""
    from bpfvm.fuzz.objects import objects

    report = objects(names, folder, seed)
    click.echo(json.dumps({**report.document(), "kind": "objects"}) if as_json else str(report))
    return FAULTED if report.differences else 0


class _Found(Protocol):
    """What came of one kind."""

    interrupted: bool

    @property
    def status(self) -> int: ...

    def show(self) -> None: ...

    def document(self) -> dict[str, Any]: ...


def _fuzz(
    names: Sequence[str], kind: str | None, seed: int, programs: int | None, seconds: float | None, out: Path,
    jobs: int | None, dask: str | None,
) -> list[_Found]:  # fmt: skip
    """Fuzz with programs of a kind; without one, with both kinds that are compared, each for half of the time."""
    kinds = (kind,) if kind is not None else ("programs", PYTHON)
    share = seconds / len(kinds) if seconds is not None else None
    found: list[_Found] = []
    for one in kinds:
        if found and found[-1].interrupted:
            break
        with _progress(share, programs) as show:
            if one in COMPILED:
                found.append(fuzz_python.run(names, one, seed, programs, share, out, show, jobs, dask))
            else:
                found.append(fuzz_programs.run(names, one, seed, programs, share, out, show, jobs, dask))
    return found


def _engines(given: str | None, alone: bool) -> list[str]:
    """The engines to use, cpython among them where it is named; the kernel is no default where one is run alone.

    UsageError for fewer than two, unless one may be `alone`.
    """
    missing = {row.name: row.missing() for row in ENGINES}
    if given is None:
        names = [name for name, reason in missing.items() if reason is None and not (alone and name == "kernel")]
    else:
        names = [name.strip() for name in given.split(",")]
        for name in names:
            if name != CPYTHON:
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
        what = "operations" if isinstance(report, MapReport) else "programs"
        bar.update(
            task, completed=done,
            description=f"{report.compared} {what}, {len(report.differences)} differences",
        )  # fmt: skip

    return show


def _replay(path: Path, names: Sequence[str], as_json: bool) -> int:
    """The cases of a file on the engines."""
    sequence = fuzz_maps.read(path)
    if sequence is not None:
        return fuzz_maps.replay(path, sequence, names, as_json)
    if path.suffix == ".py":
        return _told(path, names, fuzz_python.replay(path, names), as_json)
    machines = [machine(name) for name in names]
    cases = _data_cases(path) if path.suffix == ".data" else [reproducer.read(path)]
    found = []
    for case in cases:
        verdict = compare(machines, case)
        words = verdict.difference.lines if verdict.difference else (verdict.rejected,) if verdict.rejected else ()
        end = "differs" if verdict.difference else "not compared" if verdict.rejected else "equal"
        found.append({"case": case.name, "result": end, "lines": list(words)})
    return _told(path, names, found, as_json)


def _told(path: Path, names: Sequence[str], found: Sequence[Mapping[str, Any]], as_json: bool) -> int:
    """Print what came of a file's cases. The status."""
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
