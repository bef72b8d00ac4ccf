"""Names of bytes that a store has replaced: `mac = pkt.eth.dst` is no copy, and behind `pkt.eth.dst = ...` shows what
was stored. So do the values of a tuple that are stored one after the other: `a.x, b.x = b.x, a.x`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Reference, Value
from bpfvm.lang.types.arrays import is_bytes
from bpfvm.lang.types.layout import size_of

_WAITING = "\1"  # before the numbers of values that are still to be stored: no name of Python's has it


def note(f: Translation, at: Reference, kind: Any, what: str) -> None:
    """Bytes are stored as a whole: what shows them is marked."""
    if not is_bytes(kind):
        return
    for name, bound in f.state.names.items():
        if isinstance(bound, Reference) and _is_there(bound, at, size_of(kind)):
            f.state.names[name] = replace(bound, replaced=what)


def _is_there(bound: Reference, at: Reference, size: int) -> bool:
    same = bound.base is at.base and bound.offset == at.offset and is_bytes(bound.type)
    return same and size_of(bound.type) == size


def in_turn(f: Translation, items: Sequence[Value], nodes: Sequence[ast.expr]) -> Iterator[Value]:
    """Each of several values when it is to be stored."""
    names = [f"{_WAITING}{at}" for at in range(len(items))]
    waiting = {name: one for name, one in zip(names, items, strict=True) if isinstance(one, Reference)}
    f.state.names.update(waiting)
    for name, one, node in zip(names, items, nodes, strict=True):
        found = f.state.names.pop(name) if name in waiting and f.reachable else one
        yield shown(f, found, node) if isinstance(found, Reference) else one


def shown(f: Translation, value: Reference, node: ast.expr) -> Reference:
    """A value that is used at `node`. W116 where it was stored to since it was named."""
    if not value.replaced:
        return value
    text = f.quoted(node)
    copied = f"where they are named: {text} = ... .copy()" if isinstance(node, ast.Name) else f"first: {text}.copy()"
    f.warn(
        "W116",
        f"`{text}` is {value.replaced}, and shows what was stored there before this",
        node,
        why="bytes in memory that have a name are no copy, here and in CPython",
        help=f"copy them {copied}",
    )
    return replace(value, replaced="")
