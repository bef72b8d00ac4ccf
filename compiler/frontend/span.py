"""The text of one file, and places in it: from nodes of the syntax tree to spans of diagnostics."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from bpfvm.core.span import Span


@dataclass(frozen=True, slots=True)
class Source:
    """One file's text as lines without their ends."""

    file: str
    lines: tuple[str, ...]

    def span(self, node: ast.AST) -> Span:
        """What `node` covers. The parser counts columns in UTF-8 bytes, spans count characters."""
        line, end_line = _number(node, "lineno"), _number(node, "end_lineno")
        start, end = _number(node, "col_offset"), _number(node, "end_col_offset")
        return Span(self.file, line, self._column(line, start), end_line, self._column(end_line, end), self._line(line))

    def last_name(self, node: ast.Attribute) -> Span:
        """The attribute's own name, at the end of the chain. CPython reports a chain's error at that line."""
        whole = self.span(node)
        line, end = whole.end_line, whole.end_col
        return Span(self.file, line, max(0, end - len(node.attr)), line, end, self._line(line))

    def header(self, node: ast.stmt) -> Span:
        """The first line of a statement that has a body: `if x > 3:` and no more of it."""
        whole = self.span(node)
        return Span(self.file, whole.line, whole.col, whole.line, len(whole.text.rstrip()), whole.text)

    def quoted(self, node: ast.AST) -> str:
        """The node's own text for a message; as the parser would write it where it stands on several lines."""
        span = self.span(node)
        if span.line == span.end_line:
            return span.text[span.col : span.end_col]
        return ast.unparse(node)

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def _column(self, line: int, offset: int) -> int:
        return len(self._line(line).encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace"))


def _number(node: ast.AST, attribute: str) -> int:
    """A place of the node, 0 for nodes without one (operators, contexts)."""
    found = getattr(node, attribute, 0)
    return found if isinstance(found, int) else 0
