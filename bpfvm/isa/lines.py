"""Lines of assembly text, whatever the dialect: where they stand, and the numbers in them."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location

_LONGEST = 80  # characters of what was met that an error shows


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the text and where it stands, for errors."""

    text: str
    number: int
    file: str | None

    @property
    def place(self) -> Location | None:
        """Its place in its file, None for text without one."""
        return Location(self.file, self.number) if self.file else None

    def error(self, what: str) -> LoadError:
        """`what` is wrong with this line."""
        where = f"{self.file}:{self.number}" if self.file else f"line {self.number}"
        return LoadError(f"{where}: `{shown(self.text.strip())}`: {what}")

    def number_in(self, token: str, low: int, high: int, what: str) -> int:
        """A decimal or hex number within its bounds; what: how an error calls it."""
        try:
            number = int("".join(token.split()).replace("+-", "-"), 0)
        except ValueError:
            raise self.error(f"met {shown(token)!r} where a decimal or hex number is wanted") from None
        if not low <= number <= high:
            raise self.error(f"met {shown(token)} where {what} from {low} to {high} ({low:#x} to {high:#x}) is wanted")
        return number


def shown(text: str) -> str:
    """`text` for an error: on one line, and not longer than that."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
