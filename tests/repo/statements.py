"""Statements of a file, without a look into expressions, which are most of a tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a node's blocks; what has blocks itself, handlers and cases, among them."""
    for block in _BLOCKS:
        yield from getattr(node, block, ())


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All of them, at any depth."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += inside(node)
