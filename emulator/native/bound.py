"""The most instructions that a run of a program can execute, where its code tells: the budget need not be tested then.

A block outside of loops is executed once at most in a call of its function. A loop that counts, from a number that is
known to one that is, goes round so often and no more. Anything else has no bound here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.core.bits import mask, signed
from bpfvm.emulator.native.loops import TAIL_CALL, Counted, counted
from bpfvm.emulator.portable.kinds import CALLING, State
from bpfvm.isa.ops import Kind as Does

if TYPE_CHECKING:
    from bpfvm.emulator.native.translate import Unit


def bound(unit: Unit) -> int | None:
    """Of a run from the program's entry; None where it is not known."""
    if unit.shape.irreducible or any(one.taken for one in unit.graph.calls):
        return None
    return _Bounds(unit).of(0, frozenset())


class _Bounds:
    """Functions of one program, each looked at once."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self._known: dict[int, int | None] = {}
        self._called = {call.slot: call.function for call in unit.graph.calls}

    def of(self, function: int, callers: frozenset[int]) -> int | None:
        """Of a call of a function. callers: those that are running, which would not end if they were called again."""
        if function in callers:
            return None
        if function not in self._known:
            self._known[function] = self._sum(function, callers | {function})
        return self._known[function]

    def _sum(self, function: int, callers: frozenset[int]) -> int | None:
        blocks = self.unit.graph.functions[function].blocks
        order = [one for one in self.unit.shape.order if one in blocks and one in self.unit.facts.before]
        looping = {one.header: one for one in counted(self.unit, order, calling=True)}
        if any(one.header in blocks and one.header not in looping for one in self.unit.shape.loops):
            return None
        times = dict.fromkeys(order, 1)
        for loop in looping.values():
            turns = self._turns(loop, order)
            if turns is None:
                return None
            times |= dict.fromkeys(loop.blocks, turns + 1)
        total = 0
        for block in order:
            once = self._block(block, callers)
            if once is None:
                return None
            total += times[block] * once
        return total

    def _block(self, number: int, callers: frozenset[int]) -> int | None:
        """Of one time through a block, with what it calls."""
        one = self.unit.graph.blocks[number]
        total = one.last - one.first
        for place in range(one.first, one.last):
            insn = self.unit.program.insns[place]
            if insn.op.kind is not Does.CALL:
                continue
            if insn.op.name == "call_kfunc" or (insn.op.name == "call" and insn.imm in (*CALLING, TAIL_CALL)):
                return None
            if insn.op.name == "call_local":
                inner = self.of(self._called[self.unit.at[place]], callers)
                if inner is None:
                    return None
                total += inner
        return total

    def _turns(self, loop: Counted, order: list[int]) -> int | None:
        """How often the test of a loop can hold; None where first or last number are not known."""
        most = 0
        for state in self._entries(loop, order):
            first = _number(state, loop.register, loop.ahead, loop.bits)
            last = _number(state, *loop.bound, loop.bits)
            found = None if first is None or last is None else turns(loop, first, last)
            if found is None:
                return None
            most = max(most, found)
        return most

    def _entries(self, loop: Counted, order: list[int]) -> Iterator[State]:
        """What is known where the loop is entered, once for each way in."""
        unit = self.unit
        for block in order:
            one = unit.graph.blocks[block]
            if block in loop.blocks or all(edge.to != loop.header for edge in one.edges):
                continue
            state = unit.facts.before[block].copy()
            for place in range(one.first, one.last):
                unit.analysis.step(state, unit.program.insns[place], unit.at[place])
            yield state
        if unit.graph.functions[unit.graph.blocks[loop.header].function].blocks.start == loop.header:
            yield unit.facts.before[loop.header]


def _number(state: State, register: int | None, distance: int, bits: int) -> int | None:
    if register is None:
        return distance & mask(bits)
    kind = state.regs[register]
    return (kind.off + distance) & mask(bits) if kind.tag == "num" and kind.off is not None else None


def turns(loop: Counted, first: int, last: int) -> int | None:
    """How often the test of a loop holds, from a first value of its register on; None for ever, or until it wraps."""
    most, distance = mask(loop.bits), abs(loop.step)
    if loop.holds == "ne":
        span = (last - first if loop.step > 0 else first - last) & most
        return None if span % distance else span // distance
    low, high = (0, most) if loop.holds[0] == "u" else (-(most >> 1) - 1, most >> 1)
    if loop.holds[0] == "s":
        first, last = signed(first, loop.bits), signed(last, loop.bits)
    span = last - first if loop.step > 0 else first - last
    span += loop.holds[1:] in ("le", "ge")
    held = -(-max(span, 0) // distance)
    end = first + held * loop.step
    return held if low <= end <= high else None
