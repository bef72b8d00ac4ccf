"""How a walk ends early: the program is refused, or the model does not know."""

from __future__ import annotations


class Rejected(Exception):
    """The kernel refuses the program; its words are in the log. at: the instruction, None where none is to blame."""

    def __init__(self, message: str, at: int | None = None) -> None:
        super().__init__(message)
        self.at = at


class Undecided(Exception):
    """The program uses what the model does not know, or more than it was allowed to spend."""
