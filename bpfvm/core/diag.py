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
from bpfvm.core.errors import BpfvmError, one_line
from bpfvm.core.span import Span

# ECMA-48 colours of the parts of a diagnostic
_STYLES = {"place": "1", "error": "1;31", "warning": "1;35", "marks": "1;31", "margin": "34", "label": "1;36"}


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
        return self.text()

    def text(self, colour: bool = False) -> str:
        """All of it, several lines. colour: with the sequences that colour it on a terminal."""
        return "\n".join([*self._place(colour), *self.explanation(colour)])

    def _place(self, colour: bool) -> list[str]:
        kind = _styled(f"{self.severity}[{self.code}]:", self.severity, colour)
        head = f"{kind} {one_line(self.message)}"
        if self.span is None:
            return [head]
        span = self.span
        lines = [f"{_styled(f'{span.file}:{span.line}:{span.col + 1}:', 'place', colour)} {head}"]
        for number, text, marks in span.shown:
            margin = f"{number or '':>5} |"
            lines.append(f"{_styled(margin, 'margin', colour)} {text}".rstrip())
            if marks:
                lines.append(f"{_styled('      |', 'margin', colour)} {_styled(marks, 'marks', colour)}")
        return lines

    def explanation(self, colour: bool = False) -> list[str]:
        """The lines behind the source text: notes, why, help."""
        lines = []
        for note in self.notes:
            where = f"{note.span.file}:{note.span.line}:{note.span.col + 1}: " if note.span else ""
            lines.append(f"  {_styled('note:', 'label', colour)} {where}{one_line(note.message)}")
        for label, text in (("why", self.why), ("help", self.help)):
            if text:
                first, *rest = text.split("\n")
                lines.append(f"  {_styled(f'{label}:', 'label', colour)} {first}")
                lines += [f"        {line}" for line in rest]
        return lines


def _styled(text: str, style: str, colour: bool) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour else text


class CompileError(BpfvmError, SyntaxError):
    """A function that cannot be compiled. A SyntaxError, so that Python, IPython, pytest and editors underline the
    place; what a SyntaxError has no field for follows as notes (PEP 678).

    diags: every error and warning found, in source order; the first error fills the SyntaxError's own fields.
    """

    __module__ = "bpfvm"

    def __init__(self, diags: Sequence[Diag]) -> None:
        self.diags = tuple(diags)
        first = next((one for one in self.diags if one.severity == "error"), self.diags[0])
        span = first.span
        super().__init__(f"[{first.code}] {one_line(first.message)}")
        if span is not None:
            self.filename, self.lineno, self.offset, self.text = span.file, span.line, span.col + 1, span.text
            self.end_lineno, self.end_offset = span.end_line, span.end_col + 1
        if first.explanation():
            self.add_note("\n".join(first.explanation()))
        for other in self.diags:
            if other is not first:
                self.add_note(f"\n{other}")

    def __reduce__(self) -> tuple[type[CompileError], tuple[tuple[Diag, ...]]]:
        return type(self), (self.diags,)

    def __str__(self) -> str:
        return self.report()

    def report(self, colour: bool = False) -> str:
        """Every diagnostic in full. colour: for a terminal."""
        return "\n\n".join(diag.text(colour) for diag in self.diags)
