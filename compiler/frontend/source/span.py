"""The text of one file, and places in it: from nodes of the syntax tree to spans of diagnostics."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from bpfvm.core.machine import Location
from bpfvm.core.span import Span

_KEYWORD = re.compile(r"(?:async\s+)?(?:(?:def|class)\s+)?\w+")


_TIGHT = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.Tuple)


@dataclass(frozen=True, slots=True)
class Source:
    """One file's text as lines without their ends."""

    file: str
    lines: tuple[str, ...]

    def span(self, node: ast.AST) -> Span:
        """What `node` covers. The parser counts columns in UTF-8 bytes, spans count characters."""
        line, end_line = _number(node, "lineno"), _number(node, "end_lineno")
        start, end = _number(node, "col_offset"), _number(node, "end_col_offset")
        return self._between((line, self._column(line, start)), (end_line, self._column(end_line, end)))

    def location(self, node: ast.AST) -> Location:
        """Where `node` begins."""
        line: int = getattr(node, "lineno", 0)
        return Location(self.file, line, self._column(line, getattr(node, "col_offset", 0)) + 1)

    def last_name(self, node: ast.Attribute) -> Span:
        """The attribute's own name, at the end of the chain. CPython reports a chain's error at that line."""
        whole = self.span(node)
        line, end = whole.end_line, whole.end_col
        return Span(self.file, line, max(0, end - len(node.attr)), line, end, self._line(line))

    def between(self, first: ast.AST, last: ast.AST) -> Span:
        """From the start of one node to the end of another."""
        start, end = self.span(first), self.span(last)
        return self._between((start.line, start.col), (end.end_line, end.end_col))

    def keyword(self, node: ast.stmt) -> Span:
        """The word by which a statement with a body starts: `while`, `def name`. All of one without a body."""
        whole = self.span(node)
        word = _KEYWORD.match(whole.text, whole.col)
        if not hasattr(node, "body") or word is None:
            return whole
        return Span(self.file, whole.line, whole.col, whole.line, word.end(), whole.text)

    def quoted(self, node: ast.AST) -> str:
        """The node's own text for a message; as the parser would write it where it stands on several lines."""
        span = self.span(node)
        if span.line == span.end_line:
            return span.text[span.col : span.end_col]
        return ast.unparse(node)

    def rewritten(self, node: ast.AST, text: str) -> str:
        """The statement's line with `text` in the place of the node; `text` alone where that line is no whole one."""
        span = self.span(node)
        if span.line != span.end_line:
            return text
        behind = span.text[span.end_col :].partition("#")[0].rstrip()
        line = (span.text[: span.col] + text + behind).strip()
        try:
            ast.parse(f"async def f():\n {line.removeprefix('el')}{' pass' if line.endswith(':') else ''}")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return text
        return line

    def operand(self, node: ast.AST) -> str:
        """The node's text as an operand of another operator: in parentheses where it needs them."""
        return self.quoted(node) if isinstance(node, _TIGHT) else f"({self.quoted(node)})"

    def _between(self, start: tuple[int, int], end: tuple[int, int]) -> Span:
        return Span(self.file, *start, *end, self._line(start[0]), self.lines[start[0] : end[0]])

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def _column(self, line: int, offset: int) -> int:
        text = self._line(line)
        if text.isascii():
            return min(offset, len(text))
        return len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace"))


def _number(node: ast.AST, attribute: str) -> int:
    """A place of the node, 0 for nodes without one (operators, contexts)."""
    found = getattr(node, attribute, 0)
    return found if isinstance(found, int) else 0
