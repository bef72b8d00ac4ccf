"""Syntax that is refused by name: one row a node class of the ast module that no handler compiles.

Together with the handlers of expr and stmt the table is closed: a class on neither side is a class of a newer Python,
and is refused by its own name.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.compiler.frontend.translation import Translation

NEVER, NOT_YET, TRY = "E062", "E063", "E060"
_UNWINDING = (
    "there is no unwinding in the kernel: an operation that would raise ends the program with its `on_fault` value"
)


@dataclass(frozen=True, slots=True)
class Refused:
    """node: the class's name. code: NEVER, NOT_YET or TRY. what: the construct as a user would call it."""

    node: str
    code: str
    what: str
    help: str
    why: str = ""


_ROWS: tuple[Refused, ...] = (
    Refused("MatchMapping", NEVER, "a mapping pattern", "write if and elif"),
    Refused("Try", TRY, "`try`", "test first: if len(pkt) < 34: return XDP_PASS", _UNWINDING),
    Refused("TryStar", TRY, "`try` with `except*`", "test first: if len(pkt) < 34: return XDP_PASS", _UNWINDING),
    Refused("AsyncFunctionDef", NEVER, "`async def`", "write a plain `def`: a BPF program never waits"),
    Refused("AsyncFor", NEVER, "`async for`", "a BPF program never waits"),
    Refused("AsyncWith", NEVER, "`async with`", "a BPF program never waits"),
    Refused("Await", NEVER, "`await`", "a BPF program never waits"),
    Refused("ClassDef", NEVER, "a class inside a function", "define it outside of the function"),
    Refused("Import", NEVER, "`import` inside a function", "import at the top of the file"),
    Refused("ImportFrom", NEVER, "`import` inside a function", "import at the top of the file"),
    Refused("TypeAlias", NEVER, "`type` inside a function", "define it outside of the function"),
    Refused("Yield", NEVER, "`yield`", "return one value: a BPF program runs to its end"),
    Refused("YieldFrom", NEVER, "`yield from`", "return one value: a BPF program runs to its end"),
    Refused("List", NEVER, "a list", "a tuple: (a, b), an array on the stack: u64[2](a, b), or a map: Array(u64, 16)"),
    Refused("Set", NEVER, "a set", "a tuple: x in (1, 2), or a map"),
    Refused("Dict", NEVER, "a dict", "use a map: Array(u64, 16)"),
    Refused(
        "ListComp",
        NEVER,
        "a list comprehension",
        "a generator in a reducer: sum(i * i for i in range(16))\nor a map: Array(u64, 16)",
    ),
    Refused("SetComp", NEVER, "a set comprehension", "any(x == i * i for i in range(16))"),
    Refused("DictComp", NEVER, "a dict comprehension", "use a map: Array(u64, 16)"),
    Refused(
        "GeneratorExp",
        NEVER,
        "a generator expression outside of sum, any, all, min and max",
        "sum(i * i for i in range(16))\nor a loop: for i in range(16): ...",
    ),
    Refused("JoinedStr", NOT_YET, "an f-string outside of print, assert and raise", 'print(f"...")'),
    Refused("FormattedValue", NOT_YET, "an f-string outside of print, assert and raise", 'print(f"...")'),
    Refused("TemplateStr", NEVER, "a template string", "count it in a map: hits[i] += 1"),
    Refused("Interpolation", NEVER, "a template string", "count it in a map: hits[i] += 1"),
    Refused("Starred", NEVER, "`*` before an operand", "write the items out"),
)

REFUSED: Mapping[str, Refused] = {row.node: row for row in _ROWS}


def refuse(f: Translation, node: ast.AST) -> None:
    """The error for a node that no handler compiles."""
    name = type(node).__name__
    row = REFUSED.get(name, Refused(name, NEVER, f"the syntax {name}", "write it with statements of Python 3.11"))
    later = " in this version" if row.code == NOT_YET else " in BPF programs"
    f.error(row.code, f"{row.what} is not available{later}", f.head(node), why=row.why, help=row.help)
