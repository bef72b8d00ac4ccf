"""`--threads`: what it goes together with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.core.errors import UsageError

if TYPE_CHECKING:
    from bpfvm.cli.runs import Options


def engine_of(options: Options) -> str:
    """The engine that has threads. UsageError for what excludes them."""
    apart = {
        f"--engine {options.engine}": options.engine not in ("auto", "native"),
        "--coverage": options.coverage is not None,
        "--checked-sample": options.checked_sample is not None,
        "--trace": options.trace,
        "--out": options.out is not None,
        "--jobs": options.jobs is not None,
        "--dask": options.dask is not None,
    }
    for name, given in apart.items():
        if given:
            raise UsageError(f"--threads runs packets at the same time on engine native: no {name}")
    if options.cpus < 2:
        raise UsageError("--threads runs one for each virtual CPU: give two or more by --cpus N")
    if not options.captures:
        raise UsageError("--threads is for captures: give them by --packet FILE")
    return "native"
