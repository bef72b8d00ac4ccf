"""The command line. Each command is a module of its own, imported when it is asked for."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from bpfvm.cli import colour
from bpfvm.core.errors import BpfvmError, LoadError, UsageError, alike

# name -> one line of help; the module bpfvm.cli.<name> holds `command`
COMMANDS = {
    "run": "run a program on the packets of captures",
    "trace": "run a tracer, or attach an object and show its events and maps",
    "compile": "compile a Python function to an eBPF object",
    "debug": "go through a program's runs, forwards and backwards",
    "disasm": "show the instructions of an object's programs",
    "verify": "say what the kernel's verifier says to a program, and why, without a kernel",
    "plugin": "run one bare program, as conformance runners ask for it",
    "fuzz": "run random programs on several engines and compare",
    "probe": "measure what the running kernel's verifier takes, and what differs from the model",
    "explain": "say what an error code means, with a wrong and a right example",
    "doctor": "show what this machine can do, and why not what it cannot",
}

FAULTED, UNUSABLE, INTERRUPTED = 1, 2, 130
OF_OUTPUT = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)  # errors that only what is written can meet


class Commands(click.Group):
    """The commands by table, so that `bpfvm run` does not import the compiler."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"bpfvm.cli.{cmd_name}")
        found: click.Command = module.command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:  # fmt: skip
        """As of any group, with what may be meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = alike(args[0], COMMANDS)
            meant = f"did you mean {near[0]}?" if near else f"the commands are {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command {args[0]!r}; {meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib import metadata  # late: it brings the parser of mail along

        try:
            click.echo(f"bpfvm {metadata.version('bpfvm')}")
        except metadata.PackageNotFoundError:
            click.echo("bpfvm, from a folder that is not installed")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
              help="Show the version and exit.")  # fmt: skip
def entry() -> None:
    """Write eBPF in Python, test it anywhere, run it in the kernel.

    Example: bpfvm run prog.o --packet capture.pcap
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 the program faulted or was rejected, 2 bad usage or unreadable input."""
    sys.exit(status(arguments))


def status(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a command. Errors are one clear line on stderr, never a traceback."""
    sys.stdout, sys.stderr = sys.stdout or _Closed(), sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    try:
        code = entry.main(args=arguments, prog_name="bpfvm", standalone_mode=False)
        return int(code or 0)
    except click.ClickException as error:
        error.show()
        return UNUSABLE
    except (LoadError, UsageError) as error:
        return _fail(f"bpfvm: {error}", UNUSABLE)
    except BpfvmError as error:
        from bpfvm.core.diag import CompileError  # with its table of codes, which few commands need

        told = error.report(colour.wanted(sys.stderr)) if isinstance(error, CompileError) else f"bpfvm: {error}"
        return _fail(told, FAULTED)
    except (click.Abort, KeyboardInterrupt):
        return _fail("bpfvm: interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader is gone: nothing more can be said
        return INTERRUPTED
    except OSError as error:
        where = error.filename or ("output" if error.errno in OF_OUTPUT else "input")
        return _fail(f"bpfvm: {where}: {error.strerror or error}", UNUSABLE)


class _Closed(io.TextIOBase):
    """Standard output of a process that was started without one: what is written there is an error."""

    def writable(self) -> bool:
        """Part of io.IOBase."""
        return True

    def write(self, text: str) -> int:
        """Part of io.TextIOBase."""
        raise OSError(errno.EBADF, "it is closed", "standard output")


def _fail(message: str, code: int) -> int:
    click.echo(message, err=True, color=True)  # whether it is coloured is decided already
    return code
