"""`bpfvm probe`: what the running kernel's verifier answers, beside what the tables and the model of Linux 6.18 say."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from bpfvm.cli.walking import Walking
from bpfvm.core.amounts import octets
from bpfvm.core.articles import an

if TYPE_CHECKING:
    from bpfvm.kernel.probes.measured import Where

_HELP = """Measure what the running kernel's verifier takes, and name what differs from the model.

`bpfvm verify` models Linux 6.18. On another kernel this tells where that matters: who may call which helper, which
accesses to contexts are taken, what programs may return, and what the verifier deduces of numbers, stack and pointers.
Small programs are loaded, as root, some 60,000 of them; nothing is attached, nothing stays.

\b
--json gives {"kernel", "helpers": {PLACE: [NAME]}, "contexts": {PLACE:
[[OFFSET, SIZE, "load" | "store"]]}, "results": {PLACE: [NUMBER]},
"behaviours": {NAME: true | false}, "differences": [LINE]}; PLACE is a program
type, with its attach type in brackets.
"""
_KINDS = ("behaviours", "results", "helpers", "contexts")


@dataclass(slots=True)
class _Found:
    """measured: by kind, as --json shows it. asked: questions by kind. differences: in words."""

    measured: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def differs(self, where: object, words: str, kernel: bool) -> None:
        """words: what is taken by one of them."""
        mine, theirs = ("takes", "does not") if kernel else ("does not take", "does")
        self.differences.append(f"{where}: this kernel {mine} {words}, the model {theirs}")


@click.command(
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: bpfvm probe --only behaviours",
)
@click.option("--only", "kinds", multiple=True, type=click.Choice(_KINDS), help="Only this kind; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(kinds: tuple[str, ...], as_json: bool) -> int:
    """Print what was asked and what differs."""
    from bpfvm.kernel.probes.measured import places

    found, asks = _Found(), {"results": _results, "helpers": _helpers, "contexts": _contexts}
    chosen = kinds or _KINDS
    with Walking("probe", 0) as walking:
        everywhere = list(places())
        if "behaviours" in chosen:
            _behaviours(found)
        for kind in (one for one in _KINDS if one in chosen and one in asks):
            found.measured[kind], found.asked[kind] = {}, 0
            for number, where in enumerate(everywhere):
                walking.say(f"{kind} of {where}: {number} of {len(everywhere)} places")
                found.asked[kind] += asks[kind](found, where)
    if as_json:
        click.echo(json.dumps({"kernel": os.uname().release, **found.measured, "differences": found.differences}))
        return 0
    click.echo(f"Linux {os.uname().release}, {len(everywhere)} kinds of programs; the model is of Linux 6.18")
    for kind, count in found.asked.items():
        click.echo(f"  {kind}: {count} asked")
    for line in found.differences or ["nothing differs from the model"]:
        click.echo(line)
    return 0


def _behaviours(found: _Found) -> None:
    """Each program is given to the kernel and to the model."""
    from bpfvm.core.errors import BpfvmError
    from bpfvm.isa.asm import assemble
    from bpfvm.kernel.objects.load import load_object
    from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
    from bpfvm.tables.behaviours import BEHAVIOURS
    from bpfvm.verifier.program.object import verify

    found.measured["behaviours"] = {}
    found.asked["behaviours"] = len(BEHAVIOURS)
    for one in BEHAVIOURS:
        program = ProgramSpec("p", "socket", "socket_filter", tuple(assemble(one.text)))
        spec = ObjectSpec({"p": program}, {"m": MapSpec("m", "array", 4, 8, 4)} if program.map_names else {})
        try:
            load_object(spec, "p", {}).close()
            taken = True
        except BpfvmError:
            taken = False
        found.measured["behaviours"][one.name] = taken
        if taken != (verify(spec, "p").verdict == "accept"):
            found.differs("deduced", f"a program that rests on it that {one.name}", taken)


def _results(found: _Found, where: Where) -> int:
    from bpfvm.kernel.probes.measured import RESULTS, results

    low, high = where.row.return_range(where.attach_type) or (RESULTS[0], RESULTS[-1])
    taken = results(where)
    found.measured["results"][str(where)] = sorted(taken)
    for value in RESULTS:
        if (value in taken) != (low <= value <= high):
            found.differs(where, f"{value} as a result", value in taken)
    return len(RESULTS)


def _helpers(found: _Found, where: Where) -> int:
    from bpfvm.kernel.probes.measured import helpers
    from bpfvm.tables.helpers import HELPERS, allowed
    from bpfvm.tables.helpers.allowed import HOST

    taken = helpers(where)
    found.measured["helpers"][str(where)] = sorted(taken)
    for row in HELPERS:
        said = allowed(row.name, where.row.name, where.attach_type)
        if said is not None and row.name not in HOST and said != (row.name in taken):
            found.differs(where, f"bpf_{row.name}", row.name in taken)
    return len(HELPERS)


def _contexts(found: _Found, where: Where) -> int:
    from bpfvm.kernel.probes.measured import accesses, tried
    from bpfvm.tables.ctx import CONTEXTS

    if where.row.context is None:
        return 0
    taken = accesses(where)
    found.measured["contexts"][str(where)] = [
        [at, size, "store" if write else "load"] for at, size, write in sorted(taken)
    ]
    layout, count = CONTEXTS[where.row.context], 0
    for at, size, write in tried(where):
        said = layout.access(at, size, write, where.row.name, where.attach_type) is not None
        if said != ((at, size, write) in taken):
            found.differs(where, f"{an('store' if write else 'load')} of {octets(size)} at {at}", not said)
        count += 1
    return count
