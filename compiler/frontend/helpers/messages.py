"""Messages of `assert` and `raise`: texts for people, which no machine compares, evaluated for what they raise.

CPython evaluates a message before it makes the exception, so that a message may end the program by another fault.
"""

from __future__ import annotations

import ast
import re

from bpfvm.compiler.frontend.expr import value
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Maybe, Nullable, Number, Static, Value

_OF_NUMBERS = re.compile(r"(.?[<>=^])?[-+ ]?z?#?0?\d*[,_]?[bdoxX]?")


def spoken(f: Translation, node: ast.expr | None) -> str:
    """The text of a message, as far as it is known when the program is compiled."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                _formatted(f, part)
    elif node is not None:
        value(f, node)
    return "" if node is None else f.quoted(node)


def _formatted(f: Translation, node: ast.FormattedValue) -> None:
    """`{x}`, `{x:08x}`, `{x!r}`."""
    shown = value(f, node.value)
    if not f.reachable or node.format_spec is None:
        return
    spec = node.format_spec
    parts = spec.values if isinstance(spec, ast.JoinedStr) else [spec]
    text = "".join(one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str))
    fixed = all(isinstance(one, ast.Constant) for one in parts)
    if node.conversion == -1 and not (fixed and _takes(f, shown, text, node.value)):
        f.error(
            "E022",
            f"the format `{text}` of `{f.quoted(node.value)}` is not available here",
            node.value,
            why="CPython could raise ValueError or TypeError where it does not fit the value",
            help="numbers take {x}, {x:d}, {x:x}, {x:#x}, {x:08x}",
        )


def _takes(f: Translation, shown: Value, text: str, node: ast.expr) -> bool:
    if isinstance(shown, Maybe | Nullable):
        f.may_be_none(node, shown)
        return True
    if isinstance(shown, Number):
        return _OF_NUMBERS.fullmatch(text) is not None
    if not isinstance(shown, Static):
        return not text
    try:
        format(shown.object, text)
    except (ValueError, TypeError):
        return False
    return True
