"""One instruction, decoded: a row of the table and its operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bpfvm.core.machine import Location
from bpfvm.isa.ops import BY_NAME, Kind, Op


@dataclass(frozen=True, slots=True)
class Insn:
    """`imm` is signed 32-bit, or the unsigned 64-bit value of lddw (one Insn, two slots).

    Jump offsets (`off`; `imm` for gotol and call_local) count slots from the next instruction, as encoded.
    symbol: what a relocation named here (a map, a function, a variable), or None.
    source: the source place that the instruction came from, or None. Neither counts in comparison.
    """

    op: Op
    dst: int = 0
    src: int = 0
    off: int = 0
    imm: int = 0
    symbol: str | None = field(default=None, compare=False)
    source: Location | None = field(default=None, compare=False)

    @property
    def width(self) -> int:
        """Slots of 8 bytes."""
        return 2 if self.op.kind is Kind.IMM64 else 1

    @property
    def jump(self) -> int | None:
        """Slots from the next instruction to the target of a jump or a local call, or None for all others.

        None also for `gotox` and `callx`, which go where a register says.
        """
        if self.op.kind in (Kind.JUMP, Kind.MAY_GOTO):
            return self.off
        if self.op.kind is Kind.GOTO and "off" in self.op.uses:
            return self.off
        return self.imm if self.op.name in ("gotol", "call_local") else None


def insn(name: str, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0, symbol: str | None = None) -> Insn:
    """The instruction of the row `name`, its selectors filled as decoding gives them. KeyError without such a row."""
    op = BY_NAME[name]
    src = op.src_is if op.src_is is not None else src
    off = op.off_is if op.off_is is not None else off
    imm = op.imm_is if op.imm_is is not None else imm
    return Insn(op, dst, src, off, imm, symbol)


def slots(insns: Sequence[Insn]) -> list[int]:
    """The slot number of each instruction, and last the number of slots in all."""
    at, total = [], 0
    for one in insns:
        at.append(total)
        total += one.width
    return [*at, total]
