"""Places in source text: where a diagnostic points and what it underlines."""

from __future__ import annotations

import linecache
import unicodedata
from dataclasses import dataclass

from bpfvm.core.machine import Location

_LINES = 5  # of a longer span the first ones and the last are shown


@dataclass(frozen=True, slots=True)
class Span:
    """From (line, col) up to, not including, (end_line, end_col). Lines count from 1, columns from 0, in characters.

    text: the whole first line, without its line end. more: the lines behind it, as far as the span reaches.
    """

    file: str
    line: int
    col: int
    end_line: int
    end_col: int
    text: str
    more: tuple[str, ...] = ()

    @classmethod
    def of_line(cls, place: Location) -> Span:
        """From a place to the end of its line, or to the comment there."""
        text = linecache.getline(place.file, place.line).rstrip()
        col = max(0, place.col - 1)
        return cls(place.file, place.line, col, place.line, max(col, len(_code(text))), text)

    @property
    def location(self) -> Location:
        """The place without its extent; columns count from 1 there, as in every message."""
        return Location(self.file, self.line, self.col + 1)

    @property
    def shown(self) -> list[tuple[int, str, str]]:
        """(number, text, marks) of the lines that it covers; marks are blanks and carets to stand under the text.

        The middle of a long span is left out: its number is 0.
        """
        lines = (self.text, *self.more)
        if self.end_line - self.line != len(self.more):  # the lines behind the first are not known
            lines, ends = lines[:1], len(self.text.rstrip())
        else:
            ends = self.end_col
        found = []
        for index, text in enumerate(lines):
            start = self.col if index == 0 else len(text) - len(text.lstrip())
            end = ends if index == len(lines) - 1 else len(_code(text))
            found.append((self.line + index, visible(text).rstrip(), _marks(text, start, end) if text.strip() else ""))
        if len(found) > _LINES:
            return [*found[: _LINES - 2], (0, "...", ""), found[-1]]
        return found


def _code(text: str) -> str:
    """A line without the comment at its end; with it where a text of the program may hold the sign."""
    return (text if "'" in text or '"' in text else text.partition("#")[0]).rstrip()


def visible(text: str) -> str:
    """`text` as a terminal can show it: tabs stay, other characters that do not print are replaced, one for one."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\t" else " " if char.isspace() else "\ufffd" for char in text)


def _marks(text: str, start: int, end: int) -> str:
    """Carets under text[start:end], one at least; a character may be two columns wide, or none."""
    pad = "".join("\t" if char == "\t" else " " * _columns(char) for char in text[:start])
    return pad + "^" * max(1, sum(map(_columns, text[start:end])))


def _columns(char: str) -> int:
    """Columns of a terminal that a character takes (Unicode Standard Annex 11)."""
    if char.isascii():
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
