"""A check of every allocation: each use must find, in its machine register, the virtual register that it means.

It walks the code with, for each machine register, the set of virtual registers whose value it holds for certain on
every way there. It shares nothing with the allocator but the code.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.compiler.lower.lir import VIRTUAL, Lir, LirBlock, LirFunction, Reg

State = dict[Reg, frozenset[Reg]]  # machine register -> the virtual registers that it holds


class BadAllocation(Exception):
    """An allocation that loses a value: an error of the compiler, never of its user."""


def verify(function: LirFunction, colours: Mapping[Reg, Reg]) -> None:
    """Raise BadAllocation for the first use that may read a wrong value. `colours`: virtual to machine register."""
    entry: dict[LirBlock, State] = {function.blocks[0]: {}}
    waiting = [function.blocks[0]]
    while waiting:
        block = waiting.pop()
        state = dict(entry[block])
        for one in block.insns:
            _step(function, block, one, state, colours)
            if one.target is not None:
                known = entry.get(one.target)
                met = dict(state) if known is None else _meet(known, state)
                if met != known:
                    entry[one.target] = met
                    waiting.append(one.target)


def _meet(a: State, b: State) -> State:
    return {register: a[register] & b[register] for register in a if register in b and a[register] & b[register]}


def _step(function: LirFunction, block: LirBlock, one: Lir, state: State, colours: Mapping[Reg, Reg]) -> None:
    for register in one.uses():
        if register >= VIRTUAL and register not in state.get(colours[register], frozenset()):
            raise BadAllocation(
                f"{function.name}, {block.name}: {one.op} reads v{register} in r{colours[register]}, which holds "
                f"{sorted(state.get(colours[register], ())) or 'nothing'}"
            )
    copied: frozenset[Reg] = frozenset()
    if one.is_copy:
        copied = state.get(colours.get(one.src, one.src), frozenset())
    written = one.defs()
    for place in list(state):
        state[place] -= written
    for register in written:
        place = colours.get(register, register)
        state[place] = ((copied - written) | {register}) if register >= VIRTUAL else copied - written
