"""`bpfvm compile`: Python functions to an ELF object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bpfvm.cli import target
from bpfvm.core.errors import UsageError
from bpfvm.obj.elf_write import write_object
from bpfvm.obj.model import ObjectSpec
from bpfvm.program import Program, compile_object


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
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    target_name: str, arguments: tuple[str, ...], output: str | None, program: str | None, as_text: bool,
    dump_ir: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Compile the programs of a Python file into one object with BTF, line info, maps and license."""
    if not target_name.rpartition(":")[0].endswith(".py") and not target_name.endswith(".py"):
        raise UsageError(f"{target_name} is not a Python file; what is compiled is FILE.py or FILE.py:FUNCTION")
    chosen = [target.one(target_name, program, arguments)] if program else target.programs(target_name, arguments)
    printing = as_text or dump_ir is not None
    spec, warnings = compile_object(chosen, dump=_dump(dump_ir) if dump_ir is not None else None)
    for text in warnings:
        click.echo(text, err=True)
    if as_text:
        _print_text(chosen, spec)
    if output is not None or not printing:
        path = output or f"{Path(target_name.partition('.py')[0]).name}.o"
        data = write_object(spec)
        Path(path).write_bytes(data)
        if not as_json:
            click.echo(f"{path}: {len(data)} bytes, {', '.join(spec.programs)}", err=printing)
    if as_json:
        click.echo(json.dumps(_document(spec)))
    return 0


def _dump(wanted: str) -> Any:
    def dump(name: str, text: str) -> None:
        if wanted in ("all", name):
            click.echo(f"; after {name}\n{text}")

    return dump


def _print_text(chosen: list[Program], spec: ObjectSpec) -> None:
    from bpfvm.run.listing import listing

    for one in chosen:
        click.echo(f"{one.name}:\n{listing(spec.programs[one.name], spec)}")


def _document(spec: ObjectSpec) -> dict[str, Any]:
    return {
        "programs": [
            {"name": one.name, "section": one.section, "type": one.type, "slots": one.slot_count, "stack": one.stack}
            for one in spec.programs.values()
        ],
        "maps": [
            {
                "name": one.name,
                "type": one.type,
                "key_size": one.key_size,
                "value_size": one.value_size,
                "max_entries": one.max_entries,
            }
            for one in spec.maps.values()
        ],
    }
