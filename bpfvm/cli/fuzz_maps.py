"""`bpfvm fuzz --kind maps`: sequences of operations on maps; a difference is made small and written to a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Many
from pathlib import Path
from typing import Protocol

import click

from bpfvm.cli import FAULTED, INTERRUPTED
from bpfvm.core.errors import BpfvmError
from bpfvm.fuzz.maps.differ import Difference, Report, compare, differ, lacking
from bpfvm.fuzz.maps.document import of_document, write
from bpfvm.fuzz.maps.machine import backends
from bpfvm.fuzz.maps.operation import Sequence
from bpfvm.fuzz.maps.shrink import shrink


class Shown(Protocol):
    """What a progress bar shows of a report."""

    @property
    def compared(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    @property
    def differences(self) -> Many[object]: ...


Show = Callable[[Shown], None]


def run(
    names: Many[str], seed: int, operations: int | None, seconds: float | None, out: Path, as_json: bool, show: Show,
) -> int:  # fmt: skip
    """Fuzz, and print what was found. The status is FAULTED, too, where a type was compared less than was asked for."""
    report, interrupted = Report(tuple(names), seed), False
    files: list[tuple[Path, Difference]] = []
    try:
        differ(names, seed, operations, seconds, progress=show, report=report)
        for found in _distinct(report.differences):
            one = shrink(backends(names), found)
            files.append((write(out, one), one))
    except KeyboardInterrupt:
        interrupted = True
        written = {one.case.name for _, one in files}
        files += [(write(out, one), one) for one in _distinct(report.differences) if one.case.name not in written]
    short = [] if interrupted or report.differences else lacking(report, operations)
    if as_json:
        listed = [{"file": str(path), "case": one.case.name, "operations": len(one.case.operations)}
                  for path, one in files]  # fmt: skip
        click.echo(json.dumps({**report.document(), "kind": "maps", "files": listed, "lacking": short,
                               "interrupted": interrupted}))  # fmt: skip
    else:
        _print(report, files, short)
    if interrupted:
        click.echo("bpfvm: interrupted", err=True)
    return FAULTED if report.differences or short else INTERRUPTED if interrupted else 0


def _distinct(found: Many[Difference]) -> list[Difference]:
    """One of each type and last operation: others are mostly of the same cause."""
    kinds: dict[tuple[str, str], Difference] = {}
    for one in found:
        last = one.case.operations[-1]
        kinds.setdefault((one.case.map.type, f"{last.side} {last.name}"), one)
    return list(kinds.values())


def _print(report: Report, files: Many[tuple[Path, Difference]], short: Many[str]) -> None:
    click.echo(str(report))
    for path, one in files:
        click.echo(f"{path}: {one}")
    for line in short:
        click.echo(f"too few: {line}")


def read(path: Path) -> Sequence | None:
    """The sequence that a file holds, None where it is about something else or no JSON at all."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else None
    except (OSError, ValueError, RecursionError):
        return None
    return of_document(found, str(path)) if isinstance(found, Mapping) and "operations" in found else None


def replay(path: Path, case: Sequence, names: Many[str], as_json: bool) -> int:
    """The sequence of a file on the engines."""
    try:
        difference = compare(backends(names), case)
        result, lines = ("differs", list(difference.lines)) if difference is not None else ("equal", [])
    except BpfvmError as error:
        difference, result, lines = None, "not compared", [str(error)]
    if as_json:
        cases = [{"case": case.name, "result": result, "lines": lines}]
        click.echo(json.dumps({"file": str(path), "engines": list(names), "cases": cases}))
    else:
        click.echo(f"{case.name}: {result}{''.join(f'; {line}' for line in lines)}")
    return FAULTED if difference is not None else 0
