"""What stands in slots of the stack that are the kernel's: to be found, compared, and gone where they are written."""

from __future__ import annotations

from bpfvm.core.bits import signed
from bpfvm.verifier.domain.regs import MEM, STACK, Reg, unknown
from bpfvm.verifier.domain.state import EMPTY, Frame, Special, State
from bpfvm.verifier.paths.walk import Walk, put


def special_at(frame: Frame, first: int) -> Special | None:
    """What begins in a slot."""
    found = frame.stack.get(first, EMPTY).special
    return found if found is not None and found.first else None


def destroy(walk: Walk, frame: Frame, place: int) -> None:
    """A slot is written: a dynptr that it is part of is gone, and pointers into it."""
    slot = frame.stack.get(place, EMPTY)
    if slot.special is None or slot.special.kind != "dynptr":
        return
    found = slot.special
    first = place if found.first else place + 1
    if found.ref and not _has_clone(walk, frame, first, found):
        walk.refuse("cannot overwrite referenced dynptr")
    for one in (first, first - 1):
        frame.stack.pop(one, None)
        walk.touched_slots.add(one)
    forget_slices(walk, found.id)


def _has_clone(walk: Walk, frame: Frame, first: int, found: Special) -> bool:
    return any(
        slot.special is not None and slot.special.first and slot.special.ref == found.ref
        for one in walk.state.frames
        for place, slot in one.stack.items()
        if (one, place) != (frame, first)
    )


def forget_slices(walk: Walk, wanted: int) -> None:
    """Pointers into a dynptr are numbers."""
    for frame, is_reg, at, reg in walk.every_reg(walk.state):
        if reg.kind == MEM and reg.uid == wanted:
            put(walk.state, frame, is_reg, at, unknown())


def active(state: State, reg: Reg) -> bool:
    """Whether the iterator that a register points to may give more."""
    if reg.kind != STACK:
        return False
    found = special_at(state.frames[reg.frame], (-signed(reg.v + reg.off, 64) - 1) // 8)
    return found is not None and found.state == "active"


def depths_differ(old: State, new: State) -> bool:
    """Whether an iterator that may give more went on between two states."""
    for mine, theirs in zip(old.frames, new.frames, strict=True):
        for place, slot in mine.stack.items():
            before, after = slot.special, theirs.stack.get(place, EMPTY).special
            if before is None or before.kind != "iter" or not before.first or before.state != "active":
                continue
            if after is not None and after.depth != before.depth:
                return True
    return False
