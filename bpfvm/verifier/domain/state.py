"""What the verifier knows at one point of one path: frames of registers and stack, references, locks.

States are copied at every branch, so a copy shares registers and slots, which are never changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bpfvm.verifier.domain.regs import CTX, NOT_SET, STACK, Reg, pointer

INVALID, MISC, ZERO, SPILL, IN_DYNPTR, IN_ITERATOR = range(6)  # what a byte of stack holds
SHOWN = "?m0rdi"
R0, R1, FP = 0, 1, 10
_EMPTY = bytes(8)


@dataclass(frozen=True, slots=True)
class Special:
    """An object of the kernel's on the stack. kind: "dynptr" or "iter", name: which. id: of a dynptr.

    ref: what it holds. parent: the dynptr that it is a clone of, itself for one that is none. packet: it is to the
    packet. first: this is the slot of the lowest address. state: of an iterator, "active" or "drained"; depth: how
    often it gave something.
    """

    kind: str
    name: str
    id: int = 0
    ref: int = 0
    parent: int = 0
    packet: bool = False
    first: bool = True
    state: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """Eight bytes of stack. types: one a byte, the lowest address first. reg: what the SPILL bytes hold. special: of
    which object of the kernel's the slot is part."""

    types: bytes = _EMPTY
    reg: Reg = NOT_SET
    special: Special | None = None


EMPTY = Slot()


@dataclass(frozen=True, slots=True)
class Ref:
    """Something that the program must give back. id: that of its registers. kind: "ptr" or "lock".

    at: the instruction that took it. holder: of a lock, what it lies in.
    """

    id: int
    at: int
    kind: str = "ptr"
    holder: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction on the way here. stack: (frame, slot) that a load or store through r10's copies touched.
    linked: scalars that a comparison refined together, as (frame, "r" or "s", register or slot)."""

    at: int
    before: int
    stack: tuple[int, int] | None = None
    linked: tuple[tuple[int, bool, int], ...] = ()


class Frame:
    """One function's registers and stack. call: the instruction that called it, -1 for the entry.

    stack: slot -> Slot, slot 0 being the one below the frame pointer. callback: the instruction of the helper call that
    runs this frame as a callback. returns: what it must return, inclusive. entry: the function's first instruction.
    turns: how often a helper that this function calls has called back.
    """

    __slots__ = ("call", "callback", "depth", "entry", "number", "regs", "returns", "stack", "turns")

    def __init__(self, number: int, call: int, entry: int) -> None:
        self.number, self.call, self.entry = number, call, entry
        self.regs: list[Reg] = [NOT_SET] * 11
        fp = pointer(STACK)
        fp.frame = number
        self.regs[FP] = fp
        self.stack: dict[int, Slot] = {}
        self.depth = 0
        self.turns = 0
        self.callback: int | None = None
        self.returns: tuple[int, int] | None = None

    def copy(self) -> Frame:
        new = Frame.__new__(Frame)
        new.number, new.call, new.entry, new.depth = self.number, self.call, self.entry, self.depth
        new.regs, new.stack = self.regs[:], dict(self.stack)
        new.callback, new.returns, new.turns = self.callback, self.returns, self.turns
        return new


StackKey: TypeAlias = tuple[int, ...]


class State:
    """branches: paths through here that are not walked to their end. history: steps since `parent`'s point.

    first, last: instructions at which the steps begin and end. depth: branch points on the way.
    unrolled: how often callbacks were entered. rcu, preempt: sections that are open. unlike: of a state that was kept,
    the register of the innermost frame that told it from the last one that it was compared with, -1 for none.
    """

    __slots__ = (
        "at", "branches", "cleaned", "first", "frames", "history", "hits", "last", "may_goto", "misses", "parent",
        "preempt", "rcu", "refs", "scc", "unlike", "unrolled",
    )  # fmt: skip

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.refs: tuple[Ref, ...] = ()
        self.parent: State | None = None
        self.branches, self.at, self.first, self.last = 1, 0, 0, -1
        self.history: list[Step] = []
        self.cleaned, self.hits, self.misses, self.unrolled, self.may_goto = False, 0, 0, 0, 0
        self.rcu = self.preempt = 0
        self.scc: object = None
        self.unlike = -1

    @property
    def frame(self) -> Frame:
        """Of the function that is being walked."""
        return self.frames[-1]

    @property
    def regs(self) -> list[Reg]:
        return self.frames[-1].regs

    def copy(self) -> State:
        """A state that may be changed; it has the same parent and a history of its own."""
        new = State.__new__(State)
        new.frames = [one.copy() for one in self.frames]
        new.refs, new.parent, new.branches = self.refs, self.parent, self.branches
        new.at, new.first, new.last = self.at, self.first, self.last
        new.history = self.history[:]
        new.cleaned, new.hits, new.misses = False, 0, 0
        new.rcu, new.preempt = self.rcu, self.preempt
        new.unrolled, new.may_goto, new.scc, new.unlike = self.unrolled, self.may_goto, None, -1
        return new

    def calls(self) -> StackKey:
        """Where each frame was called."""
        return tuple(frame.call for frame in self.frames)


def entry_state() -> State:
    """Of a program's first instruction: r1 is the context."""
    state = State()
    state.frames.append(Frame(0, -1, 0))
    state.regs[R1] = pointer(CTX)
    return state
