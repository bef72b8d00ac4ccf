"""Diagnostics: what is wrong, where, why, and what to write instead.

rate.py:14:8: error[E040]: `n * n * size` may not fit in 64 bits, and its exact value is needed here
   14 |     if n * n * size > limit:
      |        ^^^^^^^^^^^^
  why: Python integers do not wrap …
  help: wrap explicitly: if u64(n * n * size) > limit:
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bpfvm.core.codes import CODES
from bpfvm.core.errors import BpfvmError
from bpfvm.core.span import Span


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that has to do with the error: a declaration, an earlier test."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diag:
    """One diagnostic. `code` is a row of core.codes: E… errors, W… warnings. `span` is None where no text is known."""

    code: str
    message: str
    span: Span | None
    why: str = ""
    help: str = ""
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"{self.code} is not a row of core.codes")

    @property
    def severity(self) -> str:
        """error or warning."""
        return "warning" if self.code.startswith("W") else "error"

    def __str__(self) -> str:
        head = f"{self.severity}[{self.code}]: {self.message}"
        return "\n".join([*self._place(head), *self._explanation()])

    def _place(self, head: str) -> list[str]:
        if self.span is None:
            return [head]
        span = self.span
        return [
            f"{span.file}:{span.line}:{span.col + 1}: {head}",
            f"{span.line:>5} | {span.text.rstrip()}",
            f"      | {span.underline}",
        ]

    def _explanation(self) -> list[str]:
        lines = []
        for note in self.notes:
            where = f"{note.span.file}:{note.span.line}:{note.span.col + 1}: " if note.span else ""
            lines.append(f"  note: {where}{note.message}")
        for label, text in (("why", self.why), ("help", self.help)):
            if text:
                first, *rest = text.split("\n")
                lines.append(f"  {label}: {first}")
                lines += [f"        {line}" for line in rest]
        return lines


class CompileError(BpfvmError, SyntaxError):
    """A function that cannot be compiled. A SyntaxError, so that Python, IPython and editors underline the place.

    diags: every error found, in source order; the first one fills the SyntaxError's own fields.
    """

    def __init__(self, diags: Sequence[Diag]) -> None:
        self.diags = tuple(diags)
        first = self.diags[0]
        span = first.span
        super().__init__(f"[{first.code}] {first.message}")
        if span is not None:
            self.filename, self.lineno, self.offset, self.text = span.file, span.line, span.col + 1, span.text
            self.end_lineno, self.end_offset = span.end_line, span.end_col + 1

    def __str__(self) -> str:
        return "\n\n".join(str(diag) for diag in self.diags)
