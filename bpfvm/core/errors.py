"""The exceptions that users meet. Each message is one clear line: what, where, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SOMEWHAT = 0.45


def one_line(text: str) -> str:
    """`text` with what would not print as itself on one line escaped, whatever names a file put into it."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def alike(name: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The known names that may be meant by one that is none of them, the likeliest first.

    cutoff: how alike, from 0 to 1.
    """
    from difflib import get_close_matches  # loaded for an error only: every start would pay for it

    return get_close_matches(name, list(known), most, cutoff)


def not_here(owner: str, name: str, offered: Iterable[str], hint: str = "") -> str:
    """That `owner` has no `name` in this version, what may be meant, and where all names are where nobody can tell."""
    known = sorted(offered)
    near = alike(name, known)
    meant = hint or (f"did you mean {near[0]}?" if near else _nearest(owner, name, known))
    return f"{owner} has no {name!r} in this version; {meant}"


def _nearest(owner: str, name: str, known: Sequence[str]) -> str:
    """Names that are somewhat alike, and where the others are."""
    by_lower = {one.lower(): one for one in known}
    near = [by_lower[one] for one in alike(name.lower(), by_lower, 3, _SOMEWHAT)]
    named = (
        f"the nearest names are {', '.join(near)}; " if len(near) > 1 else f"did you mean {near[0]}? " if near else ""
    )
    return f"{named}dir({owner.rpartition(' ')[2]}) lists all"


class BpfvmError(Exception):
    """Base of every error that bpfvm raises on purpose. Its classes tell that they are of bpfvm, where users import
    them from."""

    __module__ = "bpfvm"


class LoadError(BpfvmError):
    """An object, capture or other input cannot be read or cannot be loaded by a machine."""

    __module__ = "bpfvm"

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class VerifierReject(BpfvmError):
    """A verifier refused the program. `log` keeps its whole text.

    explanation: what the model of the verifier says of it, behind the first line of the error; "" for nothing.
    """

    __module__ = "bpfvm"

    def __init__(self, message: str, log: str = "", explanation: str = "") -> None:
        super().__init__(message)
        self.log, self.explanation = log, explanation


class Mismatch(BpfvmError):
    """Two machines gave different outcomes for one input. outcomes: every machine's, by the engine's name."""

    __module__ = "bpfvm"

    def __init__(self, message: str, outcomes: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.outcomes = dict(outcomes or {})


class StaleCapture(BpfvmError):
    """A name that a program was compiled with has another value now: CPython would run another program."""

    __module__ = "bpfvm"


class Unavailable(BpfvmError):
    """This machine, this host or this version cannot do what was asked; the message, or `reason`, says why."""

    __module__ = "bpfvm"

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))

    @property
    def reason(self) -> str:
        """Why not, in one line."""
        return str(self)


class UsageError(BpfvmError):
    """The caller asked for something that has no meaning: a wrong argument, a name that is not there."""

    __module__ = "bpfvm"

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
