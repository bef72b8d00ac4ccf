"""`--coverage FILE`: what a run executed, by source line, as LCOV or as coverage.py's data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bpfvm.core.errors import UsageError
from bpfvm.obj.model import ObjectSpec

if TYPE_CHECKING:
    from bpfvm.run.coverage import Counted
    from bpfvm.run.session import Session

LCOV = (".info", ".lcov")  # file names of a tracefile; any other name is a data file of coverage.py


def engine_of(engine: str, path: str | None) -> str:
    """The engine to run on: coverage is counted by two tiers. UsageError where another was asked for."""
    if path is None or engine in ("interp", "native"):
        return engine
    if engine != "auto":
        raise UsageError(f"--coverage is counted by engines interp and native, not {engine}")
    return "interp"


@contextmanager
def covered(session: Session, path: str | None, target: str) -> Iterator[None]:
    """Count what is run inside, and write it to `path` in the end, also of a run that was broken off."""
    if path is None:
        yield
        return
    with session.machine.cover() as counted:
        try:
            yield
        finally:
            write(session.spec, counted, path, target)


def write(spec: ObjectSpec, counted: Counted, path: str, target: str) -> None:
    """Write what was counted to `path`. UsageError for an object that does not tell its lines."""
    from bpfvm.run.coverage import by_source, lcov

    files = by_source(spec, counted, target)
    if not files and counted.counts:
        raise UsageError(f"{target}: no line information to tell coverage by; compile with -g")
    if Path(path).suffix in LCOV:
        Path(path).write_text(lcov(files), encoding="utf-8")
        return
    from bpfvm.testing import coverage

    coverage.write(path, files, spec.sources)
