"""`bpfvm compile`: Python functions to an ELF object."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bpfvm.cli import colour, target
from bpfvm.core.amounts import octets
from bpfvm.core.diag import Diag
from bpfvm.core.errors import UsageError
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.writer.object import write_object
from bpfvm.program import compile_object


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm compile prog.py -o prog.o. FILE.py is imported, so its top level runs.",
)
@click.argument("target_name", metavar="FILE.py[:FUNCTION]")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option("-o", "--output", metavar="OUT.o", help="The object to write; without it FILE.o in this folder.")
@click.option("--program", metavar="NAME", help="Only this program.")
@click.option("--asm", "as_text", is_flag=True, help="Print the instructions instead of writing an object.")
@click.option(
    "--dump-ir", metavar="PASS", is_flag=False, flag_value="all", help="Print the IR after PASS, or after all."
)
@click.option("--count-lost", is_flag=True, help="Let programs count the events that find no room, in a variable "
              "EVENTS_lost for a map EVENTS, as bpfvm trace reads it.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, what is printed else in it.")
def command(
    target_name: str, arguments: tuple[str, ...], output: str | None, program: str | None, as_text: bool,
    dump_ir: str | None, count_lost: bool, as_json: bool,
) -> int:  # fmt: skip
    """Compile the programs of a Python file into one object with BTF, line info, maps and license.

    All errors of all its programs are shown; the exit status is then 1.
    """
    source, _ = target.split(target_name)
    if not source.endswith(".py"):
        raise UsageError(f"{target_name} is not a Python file; what is compiled is FILE.py or FILE.py:FUNCTION")
    path = Path(output or f"{Path(source).stem}.o") if output or not (as_text or dump_ir) else None
    if path is not None and path.exists() and Path(source).exists() and path.samefile(source):
        raise UsageError(f"{path} is the file to compile: name another one for the object")
    dumped = _Dumped(dump_ir)
    chosen = [target.one(target_name, program, arguments)] if program else target.programs(target_name, arguments)
    made = compile_object(chosen, dump=dumped if dump_ir is not None else None, count_lost=count_lost)
    spec, warnings = made.spec, made.warnings
    _warn(warnings)
    size = _write(path, spec) if path is not None else 0
    text = _text(spec) if as_text else {}
    if as_json:
        click.echo(json.dumps(_document(spec, path, text, dumped)))
        return 0
    for name, ir in dumped.texts:
        click.echo(f"; after {name}\n{ir}")
    for name, listing in text.items():
        click.echo(f"{name}:\n{listing}")
    if path is not None:
        click.echo(f"{path}: {octets(size)}, {', '.join(spec.programs)}", err=bool(text or dumped.texts))
    return 0


class _Dumped:
    """The IR's text after the passes that were asked for. UsageError for a pass that there is not."""

    def __init__(self, wanted: str | None) -> None:
        from bpfvm.compiler.pipeline import PASS_NAMES

        if wanted not in (None, "all", *PASS_NAMES):
            raise UsageError(f"--dump-ir={wanted}: there is no such pass; passes are {', '.join(PASS_NAMES)}")
        self._wanted = wanted
        self.texts: list[tuple[str, str]] = []

    def __call__(self, name: str, text: str) -> None:
        if self._wanted in ("all", name):
            self.texts.append((name, text))


def _warn(warnings: Sequence[Diag]) -> None:
    coloured = colour.wanted(sys.stderr)
    for one in warnings:
        click.echo(one.text(coloured), err=True, color=True)


def _write(path: Path, spec: ObjectSpec) -> int:
    data = write_object(spec)
    path.write_bytes(data)
    return len(data)


def _text(spec: ObjectSpec) -> dict[str, str]:
    from bpfvm.run.listing import listing

    return {name: listing(one, spec) for name, one in spec.programs.items()}


def _document(spec: ObjectSpec, path: Path | None, text: dict[str, str], dumped: _Dumped) -> dict[str, Any]:
    document: dict[str, Any] = {
        "programs": [
            {"name": one.name, "section": one.section, "type": one.type, "slots": one.slot_count, "stack": one.stack}
            | ({"asm": text[one.name]} if text else {})
            for one in spec.programs.values()
        ],
        "maps": [one.facts for one in spec.maps.values()],
    }
    if path is not None:
        document["object"] = str(path)
    if dumped.texts:
        document["ir"] = [{"after": name, "text": ir} for name, ir in dumped.texts]
    return document
