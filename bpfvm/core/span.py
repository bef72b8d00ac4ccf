"""Places in source text: where a diagnostic points and what it underlines."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.core.machine import Location


@dataclass(frozen=True, slots=True)
class Span:
    """From (line, col) up to, not including, (end_line, end_col). Lines count from 1, columns from 0.

    text: the whole first line, without its line end.
    """

    file: str
    line: int
    col: int
    end_line: int
    end_col: int
    text: str

    @property
    def location(self) -> Location:
        """The place without its extent; columns count from 1 there, as in every message."""
        return Location(self.file, self.line, self.col + 1)

    @property
    def underline(self) -> str:
        """Blanks and carets to stand under `text`; a span of several lines is marked to the end of its first."""
        end = self.end_col if self.end_line == self.line else len(self.text.rstrip())
        pad = "".join("\t" if char == "\t" else " " for char in self.text[: self.col])
        return pad + "^" * max(1, end - self.col)
