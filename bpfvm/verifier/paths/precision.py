"""Precision: which scalars have to be equal, and not only numbers, for two states to be equal.

A scalar matters where it is an offset, a size, or decides a jump. Then the path is followed back from there, through
the instructions that made it, and each state that was kept on the way learns that its register matters.
"""

from __future__ import annotations

from collections.abc import Iterable

from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import OPS, Kind
from bpfvm.verifier.domain.regs import SCALAR, Reg
from bpfvm.verifier.domain.state import FP, SPILL, Slot, State, Step
from bpfvm.verifier.paths.walk import Walk, put
from bpfvm.verifier.report.log import frame_text, shown

_ARGUMENTS = 0b111110
TAIL_CALL = 12
_NOTHING = frozenset(op.name for op in OPS if op.kind is Kind.GOTO or (op.kind is Kind.JUMP and op.operand == "imm"))
# Rows that matter only where what they set does
_PLAIN = frozenset(
    op.name for op in OPS if op.kind in (Kind.ALU, Kind.LOAD, Kind.LOAD_SX, Kind.LOAD_ACQUIRE, Kind.IMM64)
)


class _Lost(Exception):
    """The number came from where it cannot be followed: all scalars of the path matter."""


class Wanted:
    """Registers and stack slots of each frame that are followed. Masks; `depth` is the frame of the instruction."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.regs = [0] * 16
        self.slots = [0] * 16

    def empty(self) -> bool:
        top = self.depth
        if self.regs[top] or self.slots[top]:
            return False
        return not top or not (any(self.regs[:top]) or any(self.slots[:top]))

    def has(self, reg: int) -> bool:
        return bool(self.regs[self.depth] >> reg & 1)

    def add(self, reg: int) -> None:
        self.regs[self.depth] |= 1 << reg

    def drop(self, reg: int) -> None:
        self.regs[self.depth] &= ~(1 << reg)

    def link(self, step: Step | None) -> None:
        """Scalars that a comparison refined together matter together."""
        if step is None or not step.linked:
            return
        if any((self.regs if is_reg else self.slots)[frame] >> at & 1 for frame, is_reg, at in step.linked):
            for frame, is_reg, at in step.linked:
                (self.regs if is_reg else self.slots)[frame] |= 1 << at


def mark_precise(walk: Walk, reg: int) -> None:
    """The scalar in `reg` matters here."""
    wanted = Wanted(len(walk.state.frames) - 1)
    wanted.add(reg)
    follow(walk, walk.state, wanted, walk.at)


def precise_places(state: State) -> list[tuple[int, bool, int]]:
    """Scalars of a state that are known to matter."""
    found = []
    for number, frame in enumerate(state.frames):
        found += [(number, True, at) for at, reg in enumerate(frame.regs) if reg.precise and reg.kind == SCALAR]
        found += [(number, False, at) for at, slot in frame.stack.items()
                  if slot.types[0] == SPILL and slot.reg.precise and slot.reg.kind == SCALAR]  # fmt: skip
    return found


def propagate(walk: Walk, old: State, state: State, at: int) -> None:
    """The path of `state` goes on from instruction `at` as from `old`: what matters there matters here."""
    wanted = Wanted(len(state.frames) - 1)
    for frame, is_reg, place in precise_places(old):
        (wanted.regs if is_reg else wanted.slots)[frame] |= 1 << place
    if walk.log.level & 2:
        for number in range(wanted.depth, -1, -1):
            names = [f"r{at}" for at in _bits(wanted.regs[number])]
            names += [f"fp{-8 * at - 8}" for at in _bits(wanted.slots[number])]
            if names:
                walk.log.add(f"frame {number}: propagating {','.join(names)}")
    follow(walk, state, wanted, at)


def follow(walk: Walk, state: State, wanted: Wanted, last: int) -> None:
    """Go back from the instruction `last`, which has not been walked yet, and mark what is met in kept states."""
    if wanted.empty():
        return
    try:
        done = _follow(walk, state, wanted, last)
    except _Lost:
        done = False
    if not done:
        _all_precise(state)


def _follow(walk: Walk, state: State, wanted: Wanted, last: int) -> bool:
    first, subsequent, skip = state.first, -1, True
    while True:
        if walk.log.level & 2:
            walk.log.add(
                f"mark_precise: frame{wanted.depth}: last_idx {last} first_idx {first} subseq_idx {subsequent} "
            )
        if last < 0:
            return _function_entry(state, wanted)
        if _through(walk, state, wanted, last, subsequent, skip):
            return True
        subsequent, skip = first, False
        parent = state.parent
        if parent is None:
            return wanted.empty()
        state = parent
        _mark_state(walk, state, wanted)
        if wanted.empty():
            return True
        last, first = state.last, state.first


def _function_entry(state: State, wanted: Wanted) -> bool:
    """The arguments of a function that is verified by itself."""
    for at in range(1, 6):
        if wanted.has(at):
            reg = state.frames[0].regs[at]
            if reg.kind == SCALAR and not reg.precise:
                put(state, 0, True, at, _precise(reg))
            wanted.drop(at)
    return True


def _through(walk: Walk, state: State, wanted: Wanted, last: int, subsequent: int, skip: bool) -> bool:
    """Back through the steps of one state. True where nothing is left to follow."""
    history, left, at = state.history, len(state.history), last
    insns, detailed = walk.code.insns, walk.log.level & 2
    while True:
        if not skip:
            step = history[left - 1] if left and history[left - 1].at == at else None
            one = insns[at] if at < len(insns) else None
            if one is not None:
                if detailed:
                    walk.log.add(
                        f"mark_precise: frame{wanted.depth}: {_masks(wanted, wanted.depth)} before {at}: {shown(one)}"
                    )
                name = one.op.name
                if (step is not None and step.linked) or (
                    name not in _NOTHING and (name not in _PLAIN or wanted.regs[wanted.depth] >> one.dst & 1)
                ):
                    _back(walk, wanted, at, one, step, subsequent)
        skip = False
        if not wanted.regs[wanted.depth] and wanted.empty():
            return True
        subsequent = at
        if at == state.first and (left == 0 or (left == 1 and history[0].at == at)):
            return False
        if left and history[left - 1].at == at:
            at = history[left - 1].before
            left -= 1
        else:
            at -= 1
        if at < 0:
            return False


def _back(walk: Walk, wanted: Wanted, at: int, one: Insn, step: Step | None, subsequent: int) -> None:
    """What mattered behind an instruction, as what matters before it."""
    wanted.link(step)
    match one.op.kind:
        case Kind.ALU:
            _back_alu(wanted, one)
        case Kind.LOAD | Kind.LOAD_SX | Kind.LOAD_ACQUIRE | Kind.ATOMIC:
            _back_load(wanted, one, step)
        case Kind.STORE | Kind.STORE_RELEASE:
            _back_store(wanted, one, step)
        case Kind.CALL:
            _back_call(walk, wanted, at, one, subsequent)
        case Kind.EXIT:
            _back_exit(walk, wanted, subsequent)
        case Kind.JUMP:
            if one.op.operand == "src" and (wanted.has(one.dst) or wanted.has(one.src)):
                wanted.add(one.dst)
                wanted.add(one.src)
        case Kind.IMM64:
            wanted.drop(one.dst)
        case Kind.PACKET:
            if subsequent - at != 1:
                wanted.depth += 1
            if wanted.has(0):
                raise _Lost
    wanted.link(step)


def _back_alu(wanted: Wanted, one: Insn) -> None:
    if not wanted.has(one.dst):
        return
    if one.op.name.startswith("mov"):
        wanted.drop(one.dst)
    if one.op.operand == "src" and "src" in one.op.uses and one.src != FP:
        wanted.add(one.src)


def _back_load(wanted: Wanted, one: Insn, step: Step | None) -> None:
    into = one.dst
    if one.op.kind is Kind.ATOMIC:
        if not one.op.fetches:
            _back_store(wanted, one, step)
            return
        into = 0 if one.op.name.startswith("atomic_cmpxchg") else one.src
    if not wanted.has(into):
        return
    wanted.drop(into)
    if step is not None and step.stack is not None:
        wanted.slots[step.stack[0]] |= 1 << step.stack[1]


def _back_store(wanted: Wanted, one: Insn, step: Step | None) -> None:
    if wanted.has(one.dst):
        raise _Lost  # a difference of pointers
    if step is None or step.stack is None:
        return
    frame, slot = step.stack
    if wanted.slots[frame] >> slot & 1:
        wanted.slots[frame] &= ~(1 << slot)
        if one.op.operand == "src":
            wanted.add(one.src)


def _back_call(walk: Walk, wanted: Wanted, at: int, one: Insn, subsequent: int) -> None:
    target = target_slot(one, at) if one.op.name == "call_local" else None
    if target is not None and target not in walk.code.globals:
        given = wanted.regs[wanted.depth] & _ARGUMENTS
        wanted.regs[wanted.depth] = 0
        wanted.depth -= 1
        wanted.regs[wanted.depth] |= given
        return
    if one.op.name == "call" and one.imm == TAIL_CALL and subsequent - at != 1:
        wanted.depth += 1
    if walk.marks.calls_callback[at] and at != subsequent - 1:
        wanted.regs[wanted.depth] = 0
        wanted.depth -= 1
        return
    wanted.drop(0)


def _back_exit(walk: Walk, wanted: Wanted, subsequent: int) -> None:
    """Into a function that returned here; of a callback nothing comes back."""
    if subsequent >= 0 and walk.marks.calls_callback[subsequent]:
        wanted.regs[wanted.depth] &= ~_ARGUMENTS
    caller = walk.code.insns[subsequent - 1] if subsequent >= 1 else None
    result = caller is not None and caller.op.name == "call_local" and wanted.has(0)
    wanted.drop(0)
    wanted.depth += 1
    if result:
        wanted.add(0)


def _mark_state(walk: Walk, state: State, wanted: Wanted) -> None:
    for number in range(wanted.depth, -1, -1):
        frame = state.frames[number]
        for at in _bits(wanted.regs[number]):
            reg = frame.regs[at]
            if reg.kind != SCALAR or reg.precise:
                wanted.regs[number] &= ~(1 << at)
            else:
                frame.regs[at] = _precise(reg)
        for at in _bits(wanted.slots[number]):
            slot = frame.stack.get(at)
            if slot is None or slot.types[0] != SPILL or slot.reg.kind != SCALAR or slot.reg.precise:
                wanted.slots[number] &= ~(1 << at)
            else:
                frame.stack[at] = Slot(slot.types, _precise(slot.reg))
        if walk.log.level & 2:
            walk.log.add(
                f"mark_precise: frame{number}: parent state {_masks(wanted, number)}: {frame_text(state, number)}"
            )


def _bits(mask: int) -> Iterable[int]:
    return (at for at in range(mask.bit_length()) if mask >> at & 1)


def _masks(wanted: Wanted, number: int) -> str:
    regs = ",".join(f"r{at}" for at in _bits(wanted.regs[number]))
    slots = ",".join(str(-8 * at - 8) for at in _bits(wanted.slots[number]))
    return f"regs={regs} stack={slots}"


def _precise(reg: Reg) -> Reg:
    new = reg.copy()
    new.precise = True
    return new


def _imprecise(reg: Reg) -> Reg:
    new = reg.copy()
    new.precise = False
    return new


def _all_precise(state: State) -> None:
    """Every scalar of the states that were kept on the path."""
    one = state.parent
    while one is not None:
        for frame in one.frames:
            frame.regs[:] = [_precise(reg) if reg.kind == SCALAR and not reg.precise else reg for reg in frame.regs]
            for at, slot in frame.stack.items():
                if slot.types[0] == SPILL and slot.reg.kind == SCALAR and not slot.reg.precise:
                    frame.stack[at] = Slot(slot.types, _precise(slot.reg))
        one = one.parent


def forget_precision(state: State) -> None:
    """What mattered before a state is kept says nothing of what follows."""
    for frame, is_reg, at in precise_places(state):
        owner = state.frames[frame]
        put(state, frame, is_reg, at, _imprecise(owner.regs[at] if is_reg else owner.stack[at].reg))
