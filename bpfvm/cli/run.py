"""`bpfvm run`: a program over the packets of captures, or over registers and contexts: verdicts, faults, maps."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bpfvm.cli import answers as answers_of
from bpfvm.cli import inputs, target
from bpfvm.cli.coverage import covered, engine_of
from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.program import Program
from bpfvm.run.backend import ENGINES
from bpfvm.run.session import Session

if TYPE_CHECKING:
    from bpfvm.cli.runs import Options

WORTH = 1 << 23  # bytes of captures from which on the compiler of engine native pays


_OPTIONS = (
    click.option("--packet", "captures", multiple=True, metavar="FILE",
                 help="A pcap or pcapng capture, - for standard input; repeatable."),
    click.option("--program", metavar="NAME", help="Which program, by function or section name."),
    click.option("--engine", default="auto", show_default=True, metavar="NAME",
                 help="auto, interp, portable, native, cpython or kernel."),
    click.option("--ctx", "fields", multiple=True, metavar="FIELD=N", help="A context field, as in ingress_ifindex=3."),
    click.option("--ctx-file", metavar="FILE", help="The context's bytes, for types whose context is a plain buffer."),
    click.option("--regs", metavar="FILE.json", help="Registers by name, or a list of such: a run for each."),
    click.option("--regs-from", metavar="PROGRAM:FUNCTION",
                 help="Registers and memory at each entry (return) of a function of a program that is run emulated."),
    click.option("--regs-args", default="", metavar="TEXT", help="Arguments of that program."),
    click.option("--memory", multiple=True, metavar="ADDR=FILE", help="Memory of user space; repeatable."),
    click.option("--map", "maps", multiple=True, metavar="NAME=FILE.json", help="A map's contents before; repeatable."),
    answers_of.option,
    click.option("--cpus", type=click.IntRange(1, 256), default=1, show_default=True, metavar="N",
                 help="Virtual CPUs, which take packets in turn."),
    click.option("--threads", is_flag=True, help="A thread for each of --cpus, on engine native."),
    click.option("--unchecked", is_flag=True,
                 help="For programs that a verifier accepted, on engine native: accesses are not checked."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N",
                 help="Of random numbers and of what unwritten stack holds."),
    click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Stop after N packets."),
    click.option("--jobs", type=click.IntRange(1), metavar="N",
                 help="Run captures in N processes, each from the same maps, and add up the results."),
    click.option("--dask", metavar="ADDRESS",
                 help="Run captures on a Dask cluster, LOCAL for one of this machine, of --jobs processes."),
    click.option("--apart", multiple=True, metavar="MAP",
                 help="With --jobs and --dask: this map's values are not to be summed; repeatable."),
    click.option("--checked-sample", type=click.IntRange(1), metavar="N",
                 help="Run one packet in N on engine interp, too, and compare what comes out."),
    click.option("--out", metavar="FILE.pcapng", help="Write the packets after the program, each with its verdict."),
    click.option("--coverage", metavar="FILE", help="What was executed: LCOV for .info, else coverage.py's data."),
    click.option("--trace", is_flag=True, help="Every instruction as it is executed, on standard error."),
    click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
)  # fmt: skip


def _all_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm run prog.o --packet capture.pcap --json. A Python TARGET is imported: its top level runs.",
)
@click.argument("target_name", metavar="TARGET")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@_all_options
def command(target_name: str, arguments: tuple[str, ...], **given: Any) -> int:
    """Run TARGET on every packet of the captures, in order, its maps kept between packets.

    TARGET is an ELF object (prog.o) or a Python file (prog.py, prog.py:function). Programs that take no packets run on
    registers (--regs, --regs-from), on a context (--ctx-file, --ctx) or once on nothing.
    """
    from bpfvm.cli.runs import Options, Run  # with the emulator, which --help does not need

    options = Options(**given)
    chosen = target.one(target_name, options.program, arguments)
    _check(chosen, options)
    if options.jobs is not None or options.dask is not None or options.apart:
        from bpfvm.cli.captures import spread

        spread.check(options)
    base = Input(
        fields=inputs.fields(chosen.type, options.fields), seed=options.seed,
        ctx=inputs.read_file(options.ctx_file) if options.ctx_file is not None else None,
    )  # fmt: skip
    engine = engine_of("interp" if options.trace and options.engine == "auto" else options.engine, options.coverage)
    if options.threads:
        from bpfvm.cli.captures import threads

        engine = threads.engine_of(options)
    if options.unchecked:
        if engine not in ("auto", "native"):
            raise UsageError(f"--unchecked is of engine native, not {engine}")
        engine = "native"
    helpers = answers_of.read(options.answers)
    maps = inputs.contents(chosen.runnable, options.maps)
    fast = None
    if engine == "auto" and _is_worth(options):
        fast = _fastest(lambda: chosen.session("native", maps, helpers, options.cpus))
    if options.jobs is not None or options.dask is not None:
        from bpfvm.cli.captures import spread

        if fast is not None:
            engine = fast.engine
            fast.close()
        return spread.run(chosen, engine, maps, options, base, target_name)
    opened = fast or chosen.session(engine, maps, helpers, options.cpus, options.threads, options.unchecked)
    with opened as session:
        if not options.as_json and options.checked_sample is None:
            session.leave_uncounted()
        run = Run(session, options, base)
        with covered(session, options.coverage, target_name):
            status = run.all()
        return run.finish(target_name) or status


def _is_worth(options: Options) -> bool:
    """Whether there is so much to run that loading a compiler pays."""
    if options.out is not None or options.memory or (options.limit is not None and options.limit < WORTH // 100):
        return False
    sizes = (os.path.getsize(path) for path in options.captures if os.path.isfile(path))
    return sum(sizes) >= WORTH


def _fastest(native: Callable[[], Session]) -> Session | None:
    """For a long run, the program on engine native; None where that is missing, or does not take the whole capture in
    one loop."""
    reason = next(row.missing() for row in ENGINES if row.name == "native")
    if reason is not None:
        click.echo(f"bpfvm: engine portable, because engine native is missing: {reason}", err=True)
        return None
    session = native()
    if session.takes_batches:
        return session
    session.close()
    return None


def _check(chosen: Program, options: Options) -> None:
    """UsageError for a program that cannot be run, or not on what is given."""
    if not chosen.type.number:
        section = chosen.object.programs[chosen.name].section
        raise UsageError(f"{chosen.name}: section {section!r} does not tell its program type, so it cannot be run")
    where = f"{chosen.name} is {an(chosen.type.name)} program"
    others = {"--regs": options.regs, "--regs-from": options.regs_from, "--ctx-file": options.ctx_file}
    given = [name for name, value in others.items() if value is not None]
    if chosen.type.layer is not None:
        if given:
            raise UsageError(f"{where}: it runs on packets, not on {given[0]}")
        if not options.captures:
            raise UsageError(f"{where}: give it packets by --packet FILE")
        return
    if options.captures:
        raise UsageError(f"{where}: it takes no packets")
    if options.out is not None:
        raise UsageError(f"{where}: it has no packets to write to {options.out}")
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude one another")
    if given and given[0] != "--ctx-file" and chosen.type.context != "pt_regs":
        raise UsageError(f"{where}: it sees no registers, so it takes no {given[0]}")
