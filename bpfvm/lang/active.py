"""The machine that a map or the packet asks, when a user's function runs in CPython. One context variable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from bpfvm.core.errors import UsageError


class Machine(Protocol):
    """What declarations ask of the machine that runs them. Keys and values are bytes as in BPF memory.

    declared: the map that asks, by its identity.
    """

    def packet_length(self) -> int: ...

    def packet_read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on. Raises PacketError past the end."""

    def lookup(self, declared: Any, key: bytes) -> bytes | None:
        """The value under `key`, or None."""

    def update(self, declared: Any, key: bytes, value: bytes) -> None: ...


_active: ContextVar[Machine | None] = ContextVar("bpfvm_machine", default=None)


def machine(asked: str) -> Machine:
    """The machine that runs now. UsageError outside of a run; `asked` names what was wanted."""
    current = _active.get()
    if current is None:
        raise UsageError(
            f"{asked} has a meaning only while a program runs: call prog.cpython(...), prog.emulate(...) or "
            'prog.check(...), and put the user half under `if __name__ == "__main__":`'
        )
    return current


@contextmanager
def running(on: Machine) -> Iterator[None]:
    """Make `on` the machine that declarations ask, until the block ends."""
    token = _active.set(on)
    try:
        yield
    finally:
        _active.reset(token)
