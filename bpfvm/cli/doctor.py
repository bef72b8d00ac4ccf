"""`bpfvm doctor`: what this machine can do, and for what it cannot the reason and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click

from bpfvm.cli import doctor_facts
from bpfvm.cli.doctor_facts import Finding
from bpfvm.tables.features import GROUPS

_MARKS = {True: "yes", False: "no", None: "?"}
_COLOURS = {True: "green", False: "yellow", None: "cyan"}
_NARROWEST = 40  # columns, below which words would be torn
_MANY = 12  # names that the short text lists; of more it gives the number

_Line = tuple[str, bool | None, str, str]  # group, answer, names, what is said of them

_HELP = """Show what this machine can do: engines, Python packages, privileges, features of the kernel.

For each that is missing stands why (this kernel does not have it, it is built without it, the host forbids it, this
process lacks a capability) and what to do. Features are found by using them: nothing is attached, nothing stays behind.
It works without root, without bpf(2) and on any system; with BPFVM_KERNEL=off the kernel is not asked.

\b
--json gives {"bpfvm", "python", "system", "engines": [ITEM], "packages": [ITEM],
"privileges": [ITEM], "features": [ITEM]}; ITEM is {"name", "group", "have": true |
false | null} and where it says something "detail", "reason", "cause", "remedy",
"since", "purpose". With --all also "helpers": {PROGRAM_TYPE: [NAME] | null}.
"""


@click.command(
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm doctor --all",
)
@click.option("--all", "every", is_flag=True, help="Every feature on a line of its own, helpers by program type.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(every: bool, as_json: bool) -> int:
    """Print the findings."""
    if as_json:
        click.echo(json.dumps(doctor_facts.document(every)))
        return 0
    head = doctor_facts.heading()
    findings = [
        *doctor_facts.engines(), *doctor_facts.packages(), *doctor_facts.privileges(),
        *sorted(doctor_facts.features(), key=_order),
    ]  # fmt: skip
    lines = list(_every(findings) if every else _short(findings))
    if every:
        lines += _helpers()
    click.echo(_text(f"bpfvm {head['bpfvm']}, {head['python']}, {head['system']}", lines), nl=False)
    return 0


def _order(one: Finding) -> int:
    return list(GROUPS.values()).index(one.group)


def _short(findings: Sequence[Finding]) -> Iterator[_Line]:
    """A line for all that is there, and one for each reason why others are not."""
    for group, members in groupby(findings, key=lambda one: one.group):
        rows = list(members)
        there = [one for one in rows if one.have]
        if there:
            yield group, True, _names(there, len(rows)), ""
        for (have, reason, remedy), same in doctor_facts.by_reason(one for one in rows if not one.have).items():
            yield group, have, _names(same, len(rows)), "; ".join(text for text in (reason, remedy) if text)


def _names(findings: Sequence[Finding], of: int) -> str:
    if len(findings) > _MANY:
        return f"{len(findings)} of {of}"
    return ", ".join(f"{one.name} {one.detail}".strip() if one.group == "packages" else one.name for one in findings)


def _every(findings: Iterable[Finding]) -> Iterator[_Line]:
    for one in findings:
        said = (one.detail, one.reason, one.remedy, one.purpose, f"since Linux {one.since}" if one.since else "")
        yield one.group, one.have, one.name, "; ".join(text for text in said if text)


def _helpers() -> Iterator[_Line]:
    for program, names in doctor_facts.helpers().items():
        group = "helpers by program type"
        if names is None:
            yield group, None, program, "programs of this type cannot be loaded here, so no helper was asked for"
        else:
            yield group, True, program, f"{len(names)}: {', '.join(names)}"


def _text(head: str, lines: Iterable[_Line]) -> str:
    """The lines in columns, as wide as the terminal; in colour where it has some."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.width = max(console.width, _NARROWEST)

    def printable(text: str, style: str = "") -> Text:
        return Text(text.encode(console.encoding, "replace").decode(console.encoding), style)

    with console.capture() as captured:
        console.print(printable(head, "bold"))
        for group, members in groupby(lines, key=lambda line: line[0]):
            grid = Table.grid(padding=(0, 2))
            grid.add_column(width=3, no_wrap=True)
            grid.add_column(ratio=1, overflow="fold")
            for _, have, names, said in members:
                told = printable(names)
                if said:
                    told.append_text(printable(f": {said}", "dim"))
                grid.add_row(printable(_MARKS[have], _COLOURS[have]), told)
            console.print()
            console.print(printable(group, "bold"))
            console.print(Padding(grid, (0, 0, 0, 2)))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
