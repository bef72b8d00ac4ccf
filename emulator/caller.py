"""What a helper sees of the tier that called it: registers' values, memory, functions, the system around.

A value is an int or a Pointer. The reference tier hands out Pointers, which know the object that they were made for; a
faster tier may hand out plain numbers, which are looked up. None is a register that was never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from bpfvm.emulator.memory import Pointer

if TYPE_CHECKING:
    from bpfvm.emulator.code import Code
    from bpfvm.emulator.contexts import Context
    from bpfvm.emulator.system import System

Operand: TypeAlias = "int | Pointer"
Value: TypeAlias = "int | Pointer | None"


class Stop(Exception):
    """A machine fault on its way out of a run. kind: as in core.machine.Fault."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


class Caller(Protocol):
    """A tier in the middle of a run. Every method raises Stop for what a program must not do.

    code: the program that runs; slot: of the call. context: what its r1 was.
    """

    system: System
    code: Code | None
    context: Context | None
    slot: int

    def number(self, register: int | None, value: Value) -> int:
        """A register's value as an unsigned 64-bit number, a pointer as its address."""

    def pointer(self, value: Value, what: str) -> Pointer:
        """Where a value points; `what` names it in a fault."""

    def read(self, value: Value, size: int, what: str) -> bytes:
        """`size` bytes that a value points to."""

    def write(self, value: Value, data: bytes, what: str) -> None:
        """Store `data` where a value points."""

    def call(self, slot: int, arguments: Sequence[Operand]) -> int:
        """Run the function at `slot` of the running program (a callback): its r0."""

    def tail_call(self, code: Code) -> bool:
        """Go on with `code` in place of the running function when the helper is done; False past the limit."""
