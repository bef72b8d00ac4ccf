"""`bpfvm explain CODE`: what a diagnostic's code means, with a wrong and a right example."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from importlib.resources import files

import click

from bpfvm.core.codes import CODES
from bpfvm.core.errors import UsageError

PRELUDE = "from bpfvm import *\n"  # what every example has before it


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code. wrong, right: examples, "" for what a few lines cannot show."""

    code: str
    title: str
    text: str
    wrong: str = ""
    right: str = ""


def explanations() -> dict[str, Explanation]:
    """Every code's, by code. core/explanations.txt holds, for each, `== CODE`, its text, `-- wrong`, `-- right`."""
    text = files("bpfvm.core").joinpath("explanations.txt").read_text(encoding="utf-8")
    found = {}
    parts = re.split(r"^== (\w+)\n", text, flags=re.MULTILINE)[1:]
    for code, rest in zip(parts[::2], parts[1::2], strict=True):
        words, _, examples = rest.partition("-- wrong\n")
        wrong, _, right = examples.partition("-- right\n")
        found[code] = Explanation(code, CODES[code].title, words.strip(), wrong.strip(), right.strip())
    return found


@click.command(name="explain")
@click.argument("code", metavar="CODE", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(code: str | None, as_json: bool) -> None:
    """What an error or warning CODE means, with a wrong and a right example; without CODE, all codes.

    Example: bpfvm explain E040
    """
    known = explanations()
    if code is None:
        rows = {one.code: one.title for one in known.values()}
        click.echo(json.dumps(rows) if as_json else "\n".join(f"{key}  {title}" for key, title in rows.items()))
        return
    one = known.get(code.upper())
    if one is None:
        raise UsageError(f"there is no code {code!r}; `bpfvm explain` lists the {len(known)} there are")
    click.echo(json.dumps(asdict(one)) if as_json else _shown(one))


def _shown(one: Explanation) -> str:
    parts = [f"{one.code}: {one.title}", one.text]
    for label, example in (("Wrong", one.wrong), ("Right", one.right)):
        if example:
            parts.append(f"{label}:\n\n" + "\n".join(f"    {line}".rstrip() for line in example.splitlines()))
    return "\n\n".join(parts)
