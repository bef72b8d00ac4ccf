"""The text of docs/helpers.md, from the table."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.tables.helpers import HELPERS, THEMES, Helper, allowed
from bpfvm.tables.helpers.allowed import UNKNOWN
from bpfvm.tables.kfuncs import KFUNCS, Kfunc
from bpfvm.tables.progs import PROGRAM_TYPES

_TITLES = {
    "maps": "Maps, map values, dynptrs, loops",
    "system": "Time, tasks, cgroups, text, the kernel's own tables",
    "tracing": "Looking into the kernel and into processes",
    "packets": "Packets",
    "sockets": "Sockets",
}

_HEAD = """\
# Helper functions

Made from `bpfvm/tables/helpers`, which is where to change it; `pytest tests/golden --update` writes this page.

All {count} helpers of the kernel (`enum bpf_func_id` of `linux/bpf.h`), as Linux 6.18 has them: what they take, since
which kernel, who may call them. The emulator has {emulated} of them; a call of another is an error that names it. Any
helper, and any kernel function that an object declares, can be given to it as a Python function: `--helper
FILE.py:fib_lookup` on the command line, `helpers={{"fib_lookup": function}}` in Python. The function gets numbers as
ints, memory that is read as bytes, memory that is written as a bytearray, null as None, the context as an object with
`packet`, `fields` and `data`, a map as one with `lookup`, `update` and `delete`, anything else as its address; it gives
an int, None for 0, or bytes, which become a pointer to them.

Arguments, in the order of r1 to r5:

| kind | is |
|---|---|
{kinds}

"GPL" marks helpers that only programs with a GPL-compatible license may call, "sleeps" those for sleepable programs
only, "moves packet" those after which pointers into the packet have to be made anew, "acquires" and "releases" those
whose object has to be given back, and that give it back. Who may call which was asked of the kernel for all program
types but {unknown}, and for tracing programs on raw tracepoints and iterators
only.
"""


_KERNEL_FUNCTIONS = """\
## Kernel functions

Functions of the kernel that programs call by name (kfuncs): the {count} that the emulator has. A call of another is
refused when the program is loaded; one that is declared weak is an error where it is reached, and its address is 0.
"""


def page(missing: Mapping[str, str]) -> str:
    """The whole page, in Markdown. missing: helpers that the emulator does not have, each with the reason, or ""."""
    used = {arg for row in HELPERS for args in (row.args, *(other for _, other in row.variants)) for arg in args}
    kinds = "\n".join(f"| `{arg.name}` | {arg.value} |" for arg in sorted(used, key=lambda arg: arg.name))
    parts = [
        _HEAD.format(
            count=len(HELPERS), emulated=len(HELPERS) - len(missing), kinds=kinds, unknown=", ".join(sorted(UNKNOWN))
        )
    ]
    for theme, rows in THEMES.items():
        parts.append(f"## {_TITLES[theme]}\n\n" + "\n".join(_entry(row, missing.get(row.name)) for row in rows))
    parts.append(
        _KERNEL_FUNCTIONS.format(count=len(KFUNCS)) + "\n" + "\n".join(_kernel_function(row) for row in KFUNCS)
    )
    return "\n".join(parts)


def _kernel_function(row: Kfunc) -> str:
    types = f"For {', '.join(row.types.split())}." if row.types else "For all program types."
    return f"### {row.name}\n\n`{row.declaration}`\n\n{row.doc}\n\nSince {row.since}. {types}\n"


def _entry(row: Helper, missing: str | None) -> str:
    marks = (("GPL", row.gpl), ("sleeps", row.sleeps), ("moves packet", row.moves_packet),
             ("acquires", row.acquires), ("releases", row.releases))  # fmt: skip
    facts = [f"Since {row.since}", *(name for name, is_so in marks if is_so)]
    if row.args:
        facts.append(f"takes {', '.join(f'`{arg.name}`' for arg in row.args)}")
    for types, args in row.variants:
        facts.append(f"in {types.replace(' ', ', ')} takes {', '.join(f'`{arg.name}`' for arg in args)}")
    facts.append(f"gives {row.ret.value}")
    told = f"{'; '.join(facts)}. {_callers(row)} {_emulated(missing)}"
    return f"### {row.id}. {row.name}\n\n`{row.declaration}`\n\n{row.doc}\n\n{told}\n"


def _emulated(missing: str | None) -> str:
    if missing is None:
        return "The emulator has it."
    return f"Not in the emulator{f': {missing}' if missing else ''}."


def _callers(row: Helper) -> str:
    """A sentence on who may call it."""
    answers = {one.name: allowed(row.name, one.name) for one in PROGRAM_TYPES if one.number}
    known = [name for name, answer in answers.items() if answer is not None]
    may = [name for name in known if answers[name]]
    not_may = [name for name in known if not answers[name]]
    if not may:
        return "For none of the program types that were asked."
    if not not_may:
        return "For all program types."
    if len(not_may) < len(may) / 2:
        return f"Not for {', '.join(not_may)}."
    return f"For {', '.join(may)}."
