"""`bpfvm disasm`: the instructions of an object's programs, with source lines and names."""

from __future__ import annotations

import json
from typing import Any

import click

from bpfvm.cli import target
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec
from bpfvm.run.listing import Row, listing, printable, rows

_HELP = """Show the instructions of TARGET's programs in the kernel's syntax.

TARGET is an ELF object (prog.o) or a Python file (prog.py, prog.py:function). Each program is its entry function with
the functions that it calls behind it. Source lines stand above their instructions; maps, variables, functions and what
CO-RE relocations ask for are named.

\b
--json gives {"target", "skipped": [REASON], "programs": [{"name", "section",
"type", "slots", "functions": [{"name", "slot", "static"}], "insns": [{"slot",
"bytes", "text", "op"}]}]}. "bytes" are hex in the object's byte order, before
a loader fills in references; "op" is the name in docs/isa.md. Where they are
known, an instruction also has "target" (the slot that it jumps to or calls),
"symbol" (the map, function or kernel symbol that it names), "variable" (what
stands at the address in a data section), "source" {"file", "line", "text"} and
"core" [{"kind", "type", "access", "text"}].
"""


@click.command(
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm disasm prog.o --program xdp/count --raw. A Python TARGET is imported: its top level runs.",
)
@click.argument("target_name", metavar="TARGET")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option("--program", metavar="NAME", help="Only this program, by function or section name.")
@click.option("--raw", is_flag=True, help="The bytes of each instruction too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(target_name: str, arguments: tuple[str, ...], program: str | None, raw: bool, as_json: bool) -> int:
    """Print the listing or the document."""
    if program is not None:
        chosen = [target.one(target_name, program, arguments)]
    else:
        chosen = target.programs(target_name, arguments)
    found = [(one.object, one.object.programs[one.name]) for one in chosen]
    skipped = list(dict.fromkeys(reason for spec, _ in found for reason in spec.skipped))
    if as_json:
        programs = [_document(spec, one) for spec, one in found]
        click.echo(json.dumps({"target": target_name, "skipped": skipped, "programs": programs}))
    else:
        click.echo("\n\n".join(_text(spec, one, raw) for spec, one in found))
    for reason in skipped:
        click.echo(f"bpfvm: {target_name}: {printable(reason)}", err=True)
    return 0


def _text(spec: ObjectSpec, one: ProgramSpec, raw: bool) -> str:
    """A program under a line that says what it is."""
    head = printable(f"{one.name}:  ; {one.type}, section {one.section}, {one.slot_count} slots")
    body = listing(one, spec, raw=raw).removeprefix(f"{printable(one.name)}:\n")
    return f"{head}\n{body}"


def _document(spec: ObjectSpec, one: ProgramSpec) -> dict[str, Any]:
    functions = (FunctionSpec(one.name, 0), *one.functions)
    return {
        "name": one.name,
        "section": one.section,
        "type": one.type,
        "slots": one.slot_count,
        "functions": [{"name": each.name, "slot": each.slot, "static": each.is_static} for each in functions],
        "insns": [_instruction(row) for row in rows(one, spec)],
    }


def _instruction(row: Row) -> dict[str, Any]:
    source = {"file": row.source.file, "line": row.source.line, "text": row.line} if row.source is not None else None
    core = [
        {"kind": one.relocation.kind, "type": one.relocation.type, "access": one.relocation.access, "text": one.words}
        for one in row.core
    ]
    known = {
        "target": row.target, "symbol": row.insn.symbol, "variable": row.variable, "source": source,
        "core": core or None,
    }  # fmt: skip
    return {
        "slot": row.slot, "bytes": row.code.hex(), "text": row.text, "op": row.insn.op.name,
        **{name: value for name, value in known.items() if value is not None},
    }  # fmt: skip
