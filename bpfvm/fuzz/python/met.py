"""What the compiler meets of values that are objects of ours: each use of the protocol table, counted.

The table has a row for each class and a column for each piece of syntax; of maps the class of the map stands for the
row, and attributes have names: "Hash get", "ip.ttl", "View set_span".
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

from bpfvm.compiler.frontend import protocols
from bpfvm.compiler.frontend.protocols import PROTOCOLS, Protocol
from bpfvm.compiler.frontend.types import MapValue, View

COLUMNS = tuple(one.name for one in fields(Protocol))
_counts: list[Counter[str]] = []  # those that are being filled; the last one is


def label(value: Any, column: str, name: str = "") -> str:
    """What a use of a column is counted as. name: of the attribute."""
    if isinstance(value, View):
        return f"{value.header.name}.{name}" if name else f"View {column}"
    kind = type(value.declared).__name__ if isinstance(value, MapValue) else type(value).__name__
    return f"{kind} {name if name and isinstance(value, MapValue) else column}"


def _noted(column: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def met(f: Any, value: Any, *rest: Any) -> Any:
        node = rest[0] if rest else None
        name = node.attr if column in ("attribute", "test") and isinstance(node, ast.Attribute) else ""
        _counts[-1][label(value, column, name)] += 1
        if name and isinstance(value, View):
            _counts[-1][label(value, column)] += 1
        return function(f, value, *rest)

    return met


def _table() -> Mapping[type, Protocol]:
    """The table with columns that count."""
    return {
        kind: replace(row, **{
            name: _noted(name, function) for name in COLUMNS if (function := getattr(row, name)) is not None
        })
        for kind, row in PROTOCOLS.items()
    }  # fmt: skip


_NOTED = _table()


@contextmanager
def counted(counts: Counter[str]) -> Iterator[None]:
    """Count into `counts` until the block ends."""
    before, protocols.PROTOCOLS = protocols.PROTOCOLS, _NOTED
    _counts.append(counts)
    try:
        yield
    finally:
        _counts.pop()
        protocols.PROTOCOLS = before
