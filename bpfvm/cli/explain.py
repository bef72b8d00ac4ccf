"""`bpfvm explain CODE`: what a diagnostic's code means, with a wrong and a right example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from difflib import get_close_matches

import click

from bpfvm.core.errors import UsageError
from bpfvm.core.explain import Explanation, explanations


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
    one = known.get(_full(code))
    if one is None:
        raise UsageError(
            f"there is no code {code!r}; {_near(_full(code), known)}`bpfvm explain` lists all {len(known)}"
        )
    click.echo(json.dumps(asdict(one)) if as_json else _shown(one))


def _full(code: str) -> str:
    """The code as it stands in the table: `e40` and `error[E040]` are E040."""
    found = re.search(r"(?i)([EW])(\d+)\]?:?$", code.strip())
    return f"{found[1].upper()}{int(found[2]):03}" if found else code.upper()


def _near(code: str, known: Iterable[str]) -> str:
    near = get_close_matches(code, known, 1)
    return f"did you mean {near[0]}? " if near else ""


def _shown(one: Explanation) -> str:
    parts = [f"{one.code}: {one.title}", one.text]
    for label, example in (("Wrong", one.wrong), ("Right", one.right)):
        if example:
            parts.append(f"{label}:\n\n" + "\n".join(f"    {line}".rstrip() for line in example.splitlines()))
    return "\n\n".join(parts)
