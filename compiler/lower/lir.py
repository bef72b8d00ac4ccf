"""LIR: rows of the instruction table over registers that may be virtual.

Registers are numbers: 0 to 10 are the machine's, from VIRTUAL on they are virtual. A virtual register may be written
more than once: BPF's arithmetic changes its first operand.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias

from bpfvm.core.machine import Location
from bpfvm.isa.ops import BY_NAME, Kind, Op
from bpfvm.obj.model import StackObject

VIRTUAL = 11
R0, R1, R2, R3, R4, R5, R6, R10 = 0, 1, 2, 3, 4, 5, 6, 10
CLOBBERED = frozenset((0, 1, 2, 3, 4, 5))  # by a call (RFC 9669 section 2)
ALLOCATABLE = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)

Reg: TypeAlias = int


def _reads(row: Op) -> tuple[bool, bool]:
    """Whether it reads dst and src."""
    makes = row.kind in (Kind.LOAD, Kind.LOAD_SX, Kind.IMM64) or row.name.startswith("mov")
    return "dst" in row.uses and not makes, "src" in row.uses


_SPECIAL = (Kind.CALL, Kind.EXIT, Kind.PACKET)  # which read registers that are not their operands
_READS = {
    row.name: None if row.kind in _SPECIAL or row.name.startswith("atomic_cmpxchg") else _reads(row)
    for row in BY_NAME.values()
}
_FETCHES = frozenset(row.name for row in BY_NAME.values() if row.fetches)  # which load the old value into src
_MAKES = frozenset(
    row.name
    for row in BY_NAME.values()
    if row.kind in (Kind.ALU, Kind.LOAD, Kind.LOAD_SX, Kind.IMM64) and row.name not in _FETCHES
)
_NONE: frozenset[Reg] = frozenset()
_CALLS = frozenset(row.name for row in BY_NAME.values() if row.kind in (Kind.CALL, Kind.PACKET))


@dataclass(slots=True, eq=False)
class Lir:
    """One instruction. op: a row's name in isa.ops. target: the block of a jump."""

    op: str
    dst: Reg = 0
    src: Reg = 0
    off: int = 0
    imm: int = 0
    symbol: str | None = None
    target: LirBlock | None = None  # of a call_local, `symbol` is the function's name
    span: Location | None = None
    spill: bool = False  # a load or store that only moves a value between a register and its stack slot

    @property
    def is_copy(self) -> bool:
        """A move of a whole register."""
        return self.op == "mov64_x"

    @property
    def is_call(self) -> bool:
        """A call, of a helper or of a subprogram: `src` counts its arguments."""
        return BY_NAME[self.op].kind is Kind.CALL

    def uses(self) -> AbstractSet[Reg]:
        """Registers that it reads. A call reads r1 up to its number of arguments, which `imm` and `off` do not tell:
        its lowering notes that in `src`."""
        reads = _READS[self.op]
        if reads is None:
            return self._special()
        dst, src = reads
        if dst:
            return {self.dst, self.src} if src else {self.dst}
        return {self.src} if src else _NONE

    def _special(self) -> AbstractSet[Reg]:
        row = BY_NAME[self.op]
        if row.kind is Kind.CALL:
            return set(range(1, self.src + 1))
        if row.kind is Kind.EXIT:
            return {R0}
        if row.kind is Kind.PACKET:  # the context, which is not among its operands
            return {R6, self.src} if "src" in row.uses else {R6}
        return {R0, self.dst, self.src}  # a comparison with r0 and an exchange

    def defs(self) -> AbstractSet[Reg]:
        """Registers that it writes, those that a call destroys included."""
        if self.op in _MAKES:
            return {self.dst}
        if self.op in _CALLS:
            return CLOBBERED
        if self.op in _FETCHES:  # a comparison with r0 leaves the old value there
            return {R0} if self.op.startswith("atomic_cmpxchg") else {self.src}
        return _NONE


@dataclass(slots=True, eq=False)
class LirBlock:
    """A run of instructions; control falls through to no other block: the last ones jump or exit."""

    name: str
    insns: list[Lir] = field(default_factory=list)
    cold: bool = False  # laid out behind all others
    depth: int = 0  # loops around it

    def successors(self) -> list[LirBlock]:
        """Where control may go."""
        return [one.target for one in self.insns if one.target is not None]


@dataclass(slots=True, eq=False)
class LirFunction:
    """A program's instructions. stack: bytes used below r10, by the objects of `frame`."""

    name: str
    blocks: list[LirBlock] = field(default_factory=list)
    registers: int = VIRTUAL  # the next virtual register
    stack: int = 0
    frame: list[StackObject] = field(default_factory=list)
    is_subprogram: bool = False
    params: int = 0  # arguments in r1 and on, of a subprogram
    pinned: set[Reg] = field(default_factory=set)  # that never go to the stack: no verifier knows them there
    stands_for: dict[Reg, Reg] = field(default_factory=dict)  # short-lived register -> the one whose value it holds

    def order(self) -> list[LirBlock]:
        """The blocks that the first one reaches, in reverse postorder: each before what it alone leads to."""
        post: list[LirBlock] = []
        seen = {self.blocks[0]}
        stack = [(self.blocks[0], iter(self.blocks[0].successors()))]
        while stack:
            block, following = stack[-1]
            target = next((one for one in following if one not in seen), None)
            if target is None:
                post.append(block)
                stack.pop()
            else:
                seen.add(target)
                stack.append((target, iter(target.successors())))
        return post[::-1]

    def new(self) -> Reg:
        """A new virtual register."""
        self.registers += 1
        return self.registers - 1

    def slot(self, size: int, name: str) -> int:
        """A new stack slot of `size` bytes, rounded up to 8: its offset from r10. name: for people."""
        self.stack += (size + 7) // 8 * 8
        self.frame.append(StackObject(name, -self.stack, size))
        return -self.stack
