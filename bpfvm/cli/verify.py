"""`bpfvm verify`: what the model of the kernel's verifier says of TARGET's programs, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from bpfvm.cli import target
from bpfvm.cli.walking import Walking
from bpfvm.obj.model import ObjectSpec
from bpfvm.run.listing import printable

_HELP = """Say whether a kernel's verifier takes TARGET's programs, without a kernel.

The model walks a program as Linux 6.18 does, with all privileges. What it does not know (objects of the kernel by BTF,
kernel functions, dynptrs) is "undecided", with the reason, and never guessed. CO-RE relocations hold what the object's
own types say. A refusal is explained: why, where, by which path, and what to do.

\b
--json gives {"target", "programs": [{"name", "type", "verdict", "message",
"insn", "source", "processed", "explanation"}]}; verdict is "accept", "reject"
or "undecided", insn a slot or null, source {"file", "line"} or null, processed
the instructions that were walked. The status is 1 where one is rejected.
"""


@click.command(
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm verify prog.o --program count. A Python TARGET is imported: its top level runs.",
)
@click.argument("target_name", metavar="TARGET")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option("--program", metavar="NAME", help="Only this program, by function or section name.")
@click.option("--kernel", default="6.18", metavar="VERSION", show_default=True, help="The kernel that is modelled.")
@click.option(
    "--budget",
    type=click.IntRange(1),
    default=1_000_000,
    metavar="N",
    help="Instructions to walk before giving up as undecided.",
)
@click.option("--log", "level", type=click.IntRange(0, 2), default=0, metavar="LEVEL", help="The kernel's log: 1, 2.")
@click.option("--costs", is_flag=True, help="How often each source line was walked, the dearest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    target_name: str, arguments: tuple[str, ...], program: str | None, kernel: str, budget: int, level: int,
    costs: bool, as_json: bool,
) -> int:  # fmt: skip
    """Print the verdicts; 1 where a program is rejected."""
    if program is not None:
        chosen = [target.one(target_name, program, arguments)]
    else:
        chosen = target.programs(target_name, arguments)
    documents = []
    for one in chosen:
        with Walking(one.name, budget) as walking:
            document = _judge(one.object, one.name, kernel, budget, level, walking.step)
        documents.append(document)
        if not as_json:
            click.echo(_text(document, costs))
    if as_json:
        for document in documents:
            del document["log"], document["costs"]
        click.echo(json.dumps({"target": target_name, "programs": documents}))
    return int(any(document["verdict"] == "reject" for document in documents))


def _judge(
    spec: ObjectSpec, name: str, kernel: str, budget: int, level: int, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    from bpfvm.run.judgement import judged
    from bpfvm.verifier.report.explain import explain

    program = spec.programs[name]
    verdict, spec = judged(spec, name, kernel=kernel, budget=budget, level=level, progress=progress)
    source = program.source_of(verdict.insn) if verdict.insn is not None else None
    explained = explain(spec, name, verdict, progress)
    lines = Counter[str]()
    for slot, count in enumerate(verdict.visits):
        place = program.source_of(slot)
        if count:
            lines[str(place) if place is not None else f"instruction {slot}"] += count
    return {
        "name": name, "type": program.type, "verdict": verdict.verdict, "message": verdict.message,
        "insn": verdict.insn, "source": {"file": source.file, "line": source.line} if source is not None else None,
        "processed": verdict.processed, "states": verdict.states,
        "explanation": {**asdict(explained), "text": str(explained)} if explained is not None else None,
        "log": verdict.log if level else (), "costs": lines.most_common(),
    }  # fmt: skip


def _text(document: dict[str, Any], costs: bool) -> str:
    lines = [printable(line) for line in document["log"]]
    walked = f"{document['processed']} instructions walked, {document['states']} states kept"
    head = f"{document['name']}: {document['verdict']}"
    match document["verdict"]:
        case "accept":
            lines.append(f"{head} ({walked})")
        case "undecided":
            lines.append(f"{head}: {document['message']} ({walked})")
        case _:
            lines += [f"{head} ({walked})", *(f"  {line}" for line in document["explanation"]["text"].splitlines())]
    if costs:
        lines += [f"  {count:8}  {place}" for place, count in document["costs"]]
    return "\n".join(lines)
