"""Values of the IR and their types.

Every value is a 64-bit word. A Word's interval says which integers it can stand for; a Ptr says what it points to, in
the kernel verifier's own kinds, because that decides which instructions may touch it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from bpfvm.core.machine import Location
from bpfvm.lang.types.interval import Interval

SPACES = ("ctx", "packet", "packet_end", "map", "map_value", "socket", "stack", "ring", "mem", "dynptr")


@dataclass(frozen=True, slots=True)
class Word:
    """A number. range: the exact integers it stands for; where that exceeds 64 bits the word is known modulo 2**64."""

    range: Interval

    def __str__(self) -> str:
        return str(self.range)


@dataclass(frozen=True, slots=True)
class Ptr:
    """An address. space: one of SPACES. nullable: 0 is possible, and must be tested for before use."""

    space: str
    nullable: bool = False

    def __str__(self) -> str:
        return f"{self.space}{'?' if self.nullable else ''}*"


Type: TypeAlias = Word | Ptr


@dataclass(slots=True, eq=False)
class Value:
    """One SSA value: unique by identity, `id` is for printing.

    op: a row's name in ir.ops, or "param" for a block's parameter. args: the operands.
    imm: the constant of `const`; the byte offset of memory operations and `map_value`. name: the map of map operations.
    span: the source place, or None.
    """

    id: int
    op: str
    args: list[Value]
    type: Type
    imm: int = 0
    name: str = ""
    span: Location | None = field(default=None)

    def __repr__(self) -> str:
        return f"v{self.id}"
