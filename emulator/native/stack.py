"""Which part of a function's stack has to hold poison before it runs: bytes that it may read before it writes them.

Bytes are bits of a mask, bit 0 the lowest byte of the frame. A forward analysis over the function's blocks: what is
written on every path; a read of anything else wants poison there. What happens through a pointer that is not known,
and in functions that are called, may read all that is not written yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.core.bits import mask
from bpfvm.emulator.interp import STACK
from bpfvm.emulator.portable.kinds import ARGUMENTS, Kind, State
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind as Does
from bpfvm.tables.helpers import BY_ID as HELPERS
from bpfvm.tables.helpers.row import Arg

if TYPE_CHECKING:
    from bpfvm.emulator.native.translate import Unit
    from bpfvm.isa.cfg import Function

WHOLE = mask(STACK)
READS = (Does.LOAD, Does.LOAD_SX, Does.LOAD_ACQUIRE)


def poisoned(unit: Unit, part: Function) -> tuple[int, int]:
    """Bytes from r10, the first and the end; equal for none."""
    if unit.analysis.escaped:
        return -STACK, 0
    wanted = _Frame(unit, part).wanted()
    if not wanted:
        return 0, 0
    lowest = (wanted & -wanted).bit_length() - 1
    return lowest - STACK, wanted.bit_length() - STACK


class _Frame:
    """The analysis of one function."""

    def __init__(self, unit: Unit, part: Function) -> None:
        self.unit, self.part = unit, part
        self._read = 0

    def wanted(self) -> int:
        """The bytes that may be read before they are written."""
        before: dict[int, int] = {self.part.blocks.start: 0}
        work = [self.part.blocks.start]
        while work:
            number = work.pop()
            after = self._through(number, before[number])
            for edge in self.unit.graph.blocks[number].edges:
                known = before.get(edge.to, WHOLE)
                if edge.to not in before or known & after != known:
                    before[edge.to] = known & after
                    work.append(edge.to)
        return self._read

    def _through(self, number: int, written: int) -> int:
        """What is written behind a block; what it reads besides is noted."""
        one = self.unit.graph.blocks[number]
        state = self.unit.facts.before[number].copy()
        for place in range(one.first, one.last):
            insn = self.unit.program.insns[place]
            written = self._insn(state, insn, written)
            self.unit.analysis.step(state, insn, self.unit.at[place])
        return written

    def _insn(self, state: State, insn: Insn, written: int) -> int:
        kind, size = insn.op.kind, insn.op.bits // 8
        if kind in READS:
            self._reads(state.regs[insn.src], insn.off, size, written)
        elif kind in (Does.STORE, Does.STORE_RELEASE):
            base = state.regs[insn.dst]
            if base.tag == "stack" and base.off is not None:
                return written | _bytes(base.off + insn.off, size)
        elif kind is Does.ATOMIC:
            self._reads(state.regs[insn.dst], insn.off, size, written)
        elif kind is Does.CALL:
            self._call(state, insn, written)
        return written

    def _reads(self, base: Kind, off: int, size: int | None, written: int) -> None:
        """size: None for any."""
        if base.tag == "stack":
            known = base.off is not None and size is not None
            self._read |= (_bytes((base.off or 0) + off, size or 0) if known else WHOLE) & ~written

    def _call(self, state: State, insn: Insn, written: int) -> None:
        row = HELPERS.get(insn.imm) if insn.op.name == "call" else None
        known = self.unit.system.maps.get(state.regs[1].name) if state.regs[1].tag == "map" else None
        for place, register in enumerate(ARGUMENTS):
            kind = row.args[place] if row is not None and place < len(row.args) else None
            size = None
            if known is not None and kind in (Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL):
                size = known.spec.key_size if kind is Arg.KEY else known.spec.value_size
            elif kind in (Arg.MEM, Arg.MEM_OR_NULL, Arg.OUT) and state.regs[register + 1].tag == "num":
                size = state.regs[register + 1].off
            self._reads(state.regs[register], 0, size, written)


def _bytes(off: int, size: int) -> int:
    """The bits of `size` bytes at `off` from r10; those outside of the frame count for nothing."""
    at = off + STACK
    return mask(min(size, STACK)) << at & WHOLE if 0 <= at < STACK else 0
