"""A check of every allocation: each use must find, in its machine register, the value that it means.

It walks the code with, for each machine register and stack slot, the registers of the code before allocation whose
value it holds for certain on every way there. Spills and reloads count as moves, whatever they were meant to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush

from bpfvm.compiler.lower.lir import R0, R1, R10, VIRTUAL, Lir, LirBlock, LirFunction, Reg

# Machine register, or offset of a stack slot (below 0) -> registers that it holds. A machine register of the code
# itself (an argument, a result) stands for itself, and so is lost when something else is put there.
State = dict[int, frozenset[Reg]]


class BadAllocation(Exception):
    """An allocation that loses a value: an error of the compiler, never of its user."""


def verify(function: LirFunction, colours: Mapping[Reg, Reg]) -> None:
    """Raise BadAllocation for the first use that may read a wrong value. `colours`: virtual to machine register."""
    arguments = range(R1, R1 + (function.params if function.is_subprogram else 1))
    start: State = {register: frozenset({register}) for register in (*arguments, R10)}
    entry: dict[LirBlock, State] = {function.blocks[0]: start}
    order = function.order()
    number = {block: place for place, block in enumerate(order)}
    waiting = [0]  # a heap: what leads to a block is walked before it
    while waiting:
        block = order[heappop(waiting)]
        state = dict(entry[block])
        for one in block.insns:
            _step(function, block, one, state, colours)
            if one.target is not None:
                known = entry.get(one.target)
                met = dict(state) if known is None else _meet(known, state)
                if met != known:
                    entry[one.target] = met
                    if number[one.target] not in waiting:
                        heappush(waiting, number[one.target])


def _meet(a: State, b: State) -> State:
    return {place: a[place] & b[place] for place in a if place in b and a[place] & b[place]}


def _step(function: LirFunction, block: LirBlock, one: Lir, state: State, colours: Mapping[Reg, Reg]) -> None:
    if one.spill and one.op == "ldx64":
        state[colours[one.dst]] = state.get(one.off, frozenset())
        return
    for register in one.uses():
        place, meant = colours.get(register, register), function.stands_for.get(register, register)
        if meant not in state.get(place, frozenset()):
            raise BadAllocation(
                f"{function.name}, {block.name}: {one.op} reads {_name(meant)} in r{place}, which holds "
                f"{sorted(state.get(place, ())) or 'nothing'}"
            )
    if one.op.startswith("st") and one.dst == R10:
        state[one.off] = state.get(colours.get(one.src, one.src), frozenset()) if one.spill else frozenset()
        return
    copied = state.get(colours.get(one.src, one.src), frozenset()) if one.is_copy else frozenset()
    _write(function, one, copied, state, colours)


def _write(function: LirFunction, one: Lir, copied: frozenset[Reg], state: State, colours: Mapping[Reg, Reg]) -> None:
    """What `one` writes is new: no place holds the old value any more. copied: what its source holds, of a move."""
    meant = {register: function.stands_for.get(register, register) for register in one.defs()}
    written = frozenset(meant.values())
    for place, held in state.items():
        if not written.isdisjoint(held):
            state[place] = held - written
    for register, value in meant.items():
        destroyed = one.is_call and register != R0
        state[colours.get(register, register)] = frozenset() if destroyed else (copied - written) | {value}


def _name(register: Reg) -> str:
    return f"v{register}" if register >= VIRTUAL else f"r{register}"
