"""The exceptions that users meet. Each message is one clear line: what, where, what to do."""

from __future__ import annotations


def one_line(text: str) -> str:
    """`text` with what would not print as itself on one line escaped, whatever names a file put into it."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class BpfvmError(Exception):
    """Base of every error that bpfvm raises on purpose."""


class LoadError(BpfvmError):
    """An object, capture or other input cannot be read or cannot be loaded by a machine."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class VerifierReject(BpfvmError):
    """A verifier refused the program. `log` keeps its whole text."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Mismatch(BpfvmError):
    """Two machines gave different outcomes for one input."""


class StaleCapture(BpfvmError):
    """A name that a program was compiled with has another value now: CPython would run another program."""


class Unavailable(BpfvmError):
    """This machine, this host or this version cannot do what was asked; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UsageError(BpfvmError):
    """The caller asked for something that has no meaning: a wrong argument, a name that is not there."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
