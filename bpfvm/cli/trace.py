"""`bpfvm trace`: run a tracer, or attach an object and show what it gathers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from bpfvm.cli import target
from bpfvm.cli.tracing import script
from bpfvm.core.errors import UsageError


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False},
    epilog="Example: bpfvm trace examples/opensnoop.py -x; bpfvm trace --object count.o --duration 10",
)
@click.argument("file", metavar="[FILE.py]", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS]")
@click.option("--object", "compiled", metavar="PROG.o", help="Attach an object by its section names, and show its "
              "events and maps by its BTF.")  # fmt: skip
@click.option("--event", "types", multiple=True, metavar="[MAP=]STRUCT", help="The type of its events; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="In place of the file's own user half: a JSON document for each "
              "event, and one for the maps at the end.")  # fmt: skip
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after this time, "
              "as Ctrl-C does.")  # fmt: skip
@click.option("--packet", metavar="FILE", help="Attach to the packets of a capture in the emulator, not to the kernel.")
@click.option("--timeline", metavar="SCRIPT.py", help="Attach to a script of events, in the emulator.")
@click.option("--engine", default="auto", show_default=True, metavar="NAME", help="Of --packet and --timeline: which "
              "tier of the emulator, or cpython.")  # fmt: skip
@click.option("--ctx", "fields", multiple=True, metavar="FIELD=N", help="For --packet: a field of the context.")
@click.option("-v", "--verbose", is_flag=True, help="On standard error: what is attached and when; tracebacks.")
@click.option("--log", "log", metavar="FILE", help="Write that to a file, each line with its time.")
def command(
    file: str | None, arguments: tuple[str, ...], compiled: str | None, types: tuple[str, ...], as_json: bool,
    duration: float | None, packet: str | None, timeline: str | None, engine: str, fields: tuple[str, ...],
    verbose: bool, log: str | None,
) -> int:  # fmt: skip
    """Run FILE.py with its arguments as the tracer that it is: its programs are attached while it runs.

    Ctrl-C, SIGTERM and --duration end it with what was gathered until then; nothing stays attached, however it ends.
    """
    if (file is None) == (compiled is None):
        raise UsageError("bpfvm trace runs FILE.py, or --object PROG.o: give one of them")
    if packet is not None and timeline is not None:
        raise UsageError("--packet and --timeline exclude one another")
    if compiled is not None and packet is not None:
        raise UsageError("--packet is for Python files; bpfvm run takes an object on a capture")
    if types and compiled is None:
        raise UsageError("--event is for --object: a Python file declares the types of its events")
    with ExitStack() as during:
        during.enter_context(_logged(verbose, log))
        if packet is not None:
            during.enter_context(_offline(packet, engine, fields))
        if timeline is not None:
            from bpfvm.cli.tracing.offline import scripted

            during.enter_context(scripted(timeline, engine))
        during.enter_context(script.ended_after(duration))
        if file is not None and not as_json:
            return script.run(file, arguments, verbose)
        with _interrupted():
            _generic(file, arguments, compiled, types, as_json)
    return 0


def _generic(
    file: str | None, arguments: tuple[str, ...], compiled: str | None, types: tuple[str, ...], as_json: bool
) -> None:  # fmt: skip
    from bpfvm.cli.tracing import generic
    from bpfvm.cli.tracing.shown import Printer
    from bpfvm.program import load

    printer = Printer(as_json)
    if compiled is not None:
        named = dict(one.rpartition("=")[::2] for one in types)
        generic.compiled(load(compiled), printer, named)
    elif file is not None:
        generic.declared(target.programs(file, arguments), printer)


@contextmanager
def _interrupted() -> Iterator[None]:
    """Ctrl-C outside of waiting ends as well."""
    try:
        yield
    except KeyboardInterrupt:
        return


def _offline(packet: str, engine: str, fields: tuple[str, ...]):  # type: ignore[no-untyped-def]
    from bpfvm.cli import inputs
    from bpfvm.cli.tracing.offline import replayed
    from bpfvm.run.backend import known
    from bpfvm.tables.progs import BY_NAME

    known(engine)
    return replayed(packet, engine, inputs.fields(BY_NAME["socket_filter"], fields))


@contextmanager
def _logged(verbose: bool, path: str | None) -> Iterator[None]:
    """What the library tells of attaching: on standard error, or in a file. UsageError for one that cannot be."""
    logger, added = logging.getLogger("bpfvm"), list[logging.Handler]()
    if verbose:
        added.append(logging.StreamHandler(sys.stderr))
        added[-1].setFormatter(logging.Formatter("bpfvm: %(message)s"))
    if path is not None:
        try:
            added.append(logging.FileHandler(path))
        except OSError as error:
            raise UsageError(f"--log {path}: {error.strerror}") from None
        added[-1].setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    before = logger.level
    logger.setLevel(logging.INFO if added else before)
    for one in added:
        logger.addHandler(one)
    try:
        yield
    finally:
        for one in added:
            logger.removeHandler(one)
            one.close()
        logger.setLevel(before)


__all__ = ["command"]
