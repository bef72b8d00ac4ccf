"""The machine that a map or the packet asks, when a user's function runs in CPython. One context variable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from bpfvm.core.errors import UsageError

CONTEXT = "__bpf_context__"  # the attribute by which the context object of CPython is known


class Machine(Protocol):
    """What declarations ask of the machine that runs them: as a compiled program does, by helpers and by memory.

    Addresses are those of the machine; keys, values and structures lie there as in BPF memory.
    """

    probe_faults: bool  # whether a pointer through which nothing can be read ends the program

    def handle(self, declared: Any) -> int:
        """What helpers take for a declared map."""

    def helper(self, name: str, *arguments: int) -> int:
        """r0 of a helper, a row of tables.helpers, an unsigned 64-bit number."""

    def walk(self, handle: int) -> Iterator[tuple[int, int]]:
        """The addresses of key and value of each entry of a map, as for_each_map_elem comes to them."""

    def called(self, name: str, words: Sequence[int], turn: Callable[..., int]) -> int:
        """r0 of a helper that calls `turn` with words, until that gives 1. words: its arguments, without the function
        and its context."""

    def start_timer(self, address: int, callback: Callable[..., Any], after: int) -> bool:
        """Start the timer at an address in a map's value; False where the helpers refuse it."""

    def kfunc(self, name: str, *arguments: int) -> int:
        """r0 of a kernel function, a row of tables.kfuncs."""

    def context_address(self) -> int:
        """The address that is the context for helpers."""

    def program_type(self) -> str:
        """The type of the program that runs, a row of tables.progs."""

    def load(self, address: int, size: int) -> bytes:
        """`size` bytes of memory."""

    def store(self, address: int, data: bytes) -> None: ...

    def place(self, data: bytes) -> int:
        """The address of a new object on the stack with these bytes. It is good for the next call of a helper."""

    def keep(self, size: int) -> int:
        """The address of a new object on the stack of so many zeros, which stays there until the run ends."""

    def constant(self, data: bytes) -> int:
        """The address of these bytes in memory that is only read."""

    def trace(self, line: str) -> None:
        """A line of the trace."""

    def field(self, offset: int, size: int) -> int:
        """A number of the context."""

    def set_field(self, offset: int, size: int, value: int) -> None: ...

    @property
    def layer(self) -> str:
        """The first header of the packet that the program sees: ProgramType.layer."""

    def packet_length(self) -> int: ...

    def packet_call(self, name: str, *arguments: int) -> int:
        """r0 of a helper whose first argument is the context, an unsigned 64-bit number."""

    def packet_read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on. Raises PacketError past the end."""

    def packet_write(self, offset: int, data: bytes) -> None: ...

    def meta_length(self) -> int:
        """Bytes of metadata before the packet. AttributeError where programs of the type see none."""

    def meta_read(self, offset: int, size: int) -> bytes:
        """`size` bytes of the metadata from `offset` on. Raises PacketError past its end, where the packet begins."""

    def meta_write(self, offset: int, data: bytes) -> None: ...


_active: ContextVar[Machine | None] = ContextVar("bpfvm_machine", default=None)


def active() -> Machine | None:
    """The machine that runs now, None outside of a run."""
    return _active.get()


def machine(asked: str) -> Machine:
    """The machine that runs now. UsageError outside of a run; `asked` names what was wanted."""
    current = _active.get()
    if current is None:
        raise UsageError(
            f"{asked} has a meaning only while a program runs: call prog.cpython(...), prog.emulate(...) or "
            'prog.check(...), and put the user half under `if __name__ == "__main__":`'
        )
    return current


def layer() -> str:
    """The first header of the packets of the machine that runs now, Ethernet outside of a run."""
    current = _active.get()
    return current.layer if current is not None else "eth"


def current() -> Machine | None:
    """The machine that runs now, None outside of a run."""
    return _active.get()


@contextmanager
def running(on: Machine) -> Iterator[None]:
    """Make `on` the machine that declarations ask, until the block ends."""
    token = _active.set(on)
    try:
        yield
    finally:
        _active.reset(token)
