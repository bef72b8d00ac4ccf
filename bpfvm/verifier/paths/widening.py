"""Numbers that a loop changes: where they do not matter they may be anything from then on, so that its turns come to an
end."""

from __future__ import annotations

from bpfvm.verifier.domain.regs import SCALAR, Reg, unknown
from bpfvm.verifier.domain.state import SPILL, Slot, State
from bpfvm.verifier.paths.prune import same_numbers
from bpfvm.verifier.paths.walk import Walk


def widen(walk: Walk, at: int) -> None:
    """Numbers that changed since the call was met before on this path, and that do not matter, may be anything."""
    widen_state(walk, _met_before(walk, at, walk.state.parent), walk.state)


def widen_other(walk: Walk, other: State) -> None:
    """The same of a state that goes on behind the instruction that is walked, which was met just now, too."""
    parent = walk.state.parent
    now = parent is not None and parent.at == walk.at
    widen_state(walk, _met_before(walk, walk.at, parent.parent if now and parent is not None else parent), other)


def widen_state(walk: Walk, old: State | None, state: State) -> None:
    """Widen what changed since `old`."""
    if old is None:
        return
    for mine, theirs in zip(old.frames, state.frames, strict=True):
        for number in range(10):
            theirs.regs[number] = _widened(mine.regs[number], theirs.regs[number])
        for place, slot in list(theirs.stack.items()):
            before = mine.stack.get(place)
            if before is not None and before.types[0] == SPILL and slot.types[0] == SPILL:
                theirs.stack[place] = Slot(slot.types, _widened(before.reg, slot.reg))


def _met_before(walk: Walk, at: int, parent: State | None) -> State | None:
    state, calls = walk.state, walk.state.calls()
    ancestors, one = set[int](), parent
    while one is not None:
        ancestors.add(id(one))
        one = one.parent
    for old in walk.seen.get((at, state.frame.call), []):
        if old.branches and old.calls() == calls and id(old) in ancestors:
            return old
    return None


def _widened(old: Reg, new: Reg) -> Reg:
    if old.kind != SCALAR or new.kind != SCALAR or old.precise or new.precise or same_numbers(old, new):
        return new
    return unknown()
