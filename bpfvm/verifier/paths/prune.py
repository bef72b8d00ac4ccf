"""States that were walked to their end before: where one covers the path's, the path need not be walked on.

Also endless loops: a path that meets itself. What is compared, and when a state is kept, is what the kernel compares
and keeps, so that both walk the same instructions.
"""

from __future__ import annotations

import functools

from bpfvm.core.bits import M64
from bpfvm.verifier.domain.regs import BUFFER, KEY, MEM, NONE, NOT_SET, PACKETS, SCALAR, STACK, VALUE, Reg, unknown
from bpfvm.verifier.domain.specials import active, depths_differ
from bpfvm.verifier.domain.state import EMPTY, INVALID, MISC, SPILL, Frame, Slot, Special, State
from bpfvm.verifier.errors import Rejected
from bpfvm.verifier.paths import loops
from bpfvm.verifier.paths.precision import forget_precision, propagate
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.report.log import frame_text

USUAL, EXACT, WITHIN = "usual", "exact", "within"  # how states are compared

_LONG_HISTORY = 40
_FEW_JUMPS, _FEW_INSNS = 2, 8  # since a state was kept: too few to keep another
_LOOP_JUMPS, _LOOP_INSNS = 20, 100  # the same inside a loop
_ANYTHING = unknown()
_BOUNDED = frozenset({KEY, VALUE, MEM, BUFFER})


class Ids:
    """Which id of the old state stands for which of the new one."""

    def __init__(self, last: int) -> None:
        self._old: dict[int, int] = {}
        self._new: dict[int, int] = {}
        self._made = last

    def match(self, old: int, new: int) -> bool:
        if not old or not new:
            return old == new
        if old in self._old:
            return self._old[old] == new
        if new in self._new:
            return False
        self._old[old], self._new[new] = new, old
        return True

    def match_scalars(self, old: Reg, new: Reg) -> bool:
        """A scalar without an id is one that no other is equal to; where the old has none, all are good."""
        return not old.id or self.match(self._of(old), self._of(new))

    def _of(self, reg: Reg) -> int:
        if reg.id:
            return reg.id << 7 | reg.added
        self._made += 1
        return self._made << 7


class _AnyIds(Ids):
    """Ids that all match, for a look at one register alone."""

    def match(self, old: int, new: int) -> bool:
        return True

    def match_scalars(self, old: Reg, new: Reg) -> bool:
        return True


_ANY_IDS = _AnyIds(0)


def visited(walk: Walk) -> bool:
    """Whether the path is covered by one that was walked. If not, its state may be kept for others to be compared."""
    state, at = walk.state, walk.at
    must = walk.marks.force[at] or len(state.history) > _LONG_HISTORY
    keep = must or (walk.jumps - walk.kept_jumps >= _FEW_JUMPS and walk.processed - walk.kept_processed >= _FEW_INSNS)
    known = walk.seen.setdefault((at, state.frame.call), [])
    _clean(walk, known)
    for old in list(known):
        covered, keep = _compare(walk, old, must, keep)
        if covered:
            return True
        if keep:
            old.misses += 1
        most = 64 if walk.marks.force[at] and old.branches else 3
        if keep and old.misses > old.hits * most + most:
            known.remove(old)
    walk.most_states = max(walk.most_states, len(known))
    if keep:
        _keep(walk, known)
    return False


def _compare(walk: Walk, old: State, must: bool, keep: bool) -> tuple[bool, bool]:
    """Is the path covered by `old`, and is its state still worth keeping."""
    if old.branches:
        if walk.marks.calls_callback[walk.at] or walk.marks.next[walk.at]:
            goes_on = walk.marks.calls_callback[walk.at] or active(walk.state, walk.state.regs[1])
            if equal(walk, old, walk.state, WITHIN) and goes_on:
                return _hit(walk, old, loop=True), keep
        elif (
            walk.marks.may_goto[walk.at]
            and old.may_goto != walk.state.may_goto
            and equal(walk, old, walk.state, WITHIN)
        ):
            return _hit(walk, old, loop=True), keep
        elif (
            _may_loop(old, walk.state)
            and equal(walk, old, walk.state, EXACT)
            and (old.unrolled, old.may_goto) == (walk.state.unrolled, walk.state.may_goto)
            and not (depths_differ(old, walk.state))
        ):
            _refuse_loop(walk, old)
        if (
            not must
            and walk.jumps - walk.kept_jumps < _LOOP_JUMPS
            and (walk.processed - walk.kept_processed < _LOOP_INSNS)
        ):
            keep = False
        return False, keep
    loop = loops.is_open(walk, old)
    if equal(walk, old, walk.state, WITHIN if loop else USUAL):
        return _hit(walk, old, loop), keep
    return False, keep


def _hit(walk: Walk, old: State, loop: bool = False) -> bool:
    old.hits += 1
    if walk.marks.jump[walk.at]:
        walk.remember()
    propagate(walk, old, walk.state, walk.at)
    if loop:
        loops.add_edge(walk, old)
    return True


def _refuse_loop(walk: Walk, old: State) -> None:
    depth = len(walk.state.frames) - 1
    walk.say(f"infinite loop detected at insn {walk.at}")
    walk.say(f"cur state:{frame_text(walk.state, depth)}")
    walk.say(f"old state:{frame_text(old, depth)}")
    raise Rejected(f"infinite loop detected at insn {walk.at}", walk.at)


def _keep(walk: Walk, known: list[State]) -> None:
    state = walk.state
    walk.states += 1
    walk.peak_states += 1
    walk.kept_jumps, walk.kept_processed = walk.jumps, walk.processed
    forget_precision(state)
    new = state.copy()
    new.at = walk.at
    new.branches = 1
    loops.enter(walk, new)
    known.insert(0, new)
    state.parent = new
    state.first = walk.at
    state.history = []


def _clean(walk: Walk, known: list[State]) -> None:
    """Forget in finished states what nobody reads later."""
    for state in known:
        if state.cleaned or state.branches or loops.is_open(walk, state):
            continue
        state.cleaned = True
        calls = state.calls()
        for depth, frame in enumerate(state.frames):
            at = state.at if depth == len(state.frames) - 1 else state.frames[depth + 1].call
            live = walk.marks.live[at]
            frame.regs[:10] = [reg if live >> number & 1 else NOT_SET for number, reg in enumerate(frame.regs[:10])]
            dead = [slot for slot in frame.stack if not walk.stack.alive(calls, state.at, depth, slot)]
            for slot in dead:
                del frame.stack[slot]


def _may_loop(old: State, new: State) -> bool:
    """The same registers, ids included: a quick look before the whole comparison."""
    return all(a is b or _same(a, b) for a, b in zip(old.frames[-1].regs, new.frames[-1].regs, strict=True))


def _same(a: Reg, b: Reg) -> bool:
    return (
        a.kind == b.kind and a.null == b.null and a.off == b.off and a.id == b.id and a.added == b.added
        and a.ref == b.ref and a.range == b.range and a.map is b.map and a.same_numbers == b.same_numbers
    )  # fmt: skip


def equal(walk: Walk, old: State, new: State, how: str) -> bool:
    """Whether what holds from `old` on holds from `new` on."""
    first = old.unlike
    if first >= 0 and not _reg_covers(old.frames[-1].regs[first], new.frames[-1].regs[first], _ANY_IDS, how):
        return False  # what differed last time most often differs again
    if len(old.frames) != len(new.frames) or len(old.refs) != len(new.refs):
        return False
    if any(mine.call != theirs.call for mine, theirs in zip(old.frames, new.frames, strict=True)):
        return False
    ids = Ids(walk.last_id)
    if (old.rcu, old.preempt) != (new.rcu, new.preempt):
        return False
    for mine, theirs in zip(old.refs, new.refs, strict=True):
        if mine.kind != theirs.kind or mine.holder != theirs.holder or not ids.match(mine.id << 7, theirs.id << 7):
            return False
    for depth, (mine_frame, their_frame) in enumerate(zip(old.frames, new.frames, strict=True)):
        at = old.at if depth == len(old.frames) - 1 else old.frames[depth + 1].call
        differs = _unlike(walk, mine_frame, their_frame, at, ids, how)
        if differs is not None:
            if depth == len(old.frames) - 1:
                old.unlike = differs
            return False
    return True


@functools.cache
def _numbers(mask: int) -> tuple[int, ...]:
    """The registers of a mask."""
    return tuple(number for number in range(11) if mask >> number & 1)


def _unlike(walk: Walk, old: Frame, new: Frame, at: int, ids: Ids, how: str) -> int | None:
    """The first register that is not covered, -1 where it is something else, None where the frame is."""
    if old.turns > new.turns:
        return -1
    for number in _numbers(walk.marks.live[at]):
        mine, theirs = old.regs[number], new.regs[number]
        if mine is theirs and not mine.id and not mine.ref:
            continue
        if not _reg_covers(mine, theirs, ids, how):
            return number
    if how != USUAL and old.depth > new.depth:
        return -1  # bytes that the old one had touched, if only by a load (6.18.44, measured)
    for place in sorted(set(old.stack) | set(new.stack) if how != USUAL else old.stack):
        if 8 * place >= old.depth:
            break  # below what the old state's function had touched (6.18.44, measured)
        there = 8 * place < new.depth
        if not _slot_covers(old.stack.get(place, EMPTY), new.stack.get(place, EMPTY), ids, how, there):
            return -1
    return None


def _reg_covers(old: Reg, new: Reg, ids: Ids, how: str) -> bool:
    if how == EXACT:
        return _exact(old, new, ids)
    if old.kind == NONE and (how == USUAL or new.kind == NONE):
        return True
    if old.kind != new.kind or old.null != new.null or old.prefix != new.prefix:
        return False
    if old.kind == SCALAR:
        if not old.precise and how == USUAL:
            return True
        if old.id and (old.added != new.added or (old.added and old.off != new.off)):
            return False
        return _within(old, new) and ids.match_scalars(old, new)
    if old.kind in _BOUNDED:
        return (
            old.off == new.off and old.map is new.map and old.size == new.size and old.uid == new.uid
            and _within(old, new) and ids.match(old.id << 7, new.id << 7) and ids.match(old.ref << 7, new.ref << 7)
        )  # fmt: skip
    if old.kind in PACKETS:
        if (old.range != new.range) if old.range < 0 or new.range < 0 else old.range > new.range:
            return False
        return old.off == new.off and ids.match(old.id << 7, new.id << 7) and _within(old, new)
    return _exact(old, new, ids) and (old.kind != STACK or old.frame == new.frame)


def _exact(old: Reg, new: Reg, ids: Ids) -> bool:
    return (
        old.kind == new.kind and old.null == new.null and old.prefix == new.prefix and old.off == new.off
        and old.range == new.range and old.map is new.map and old.size == new.size and old.func == new.func
        and old.uid == new.uid
        and old.type == new.type and old.owned == new.owned and old.lent == new.lent
        and old.same_numbers == new.same_numbers
        and ids.match(old.id << 7 | old.added, new.id << 7 | new.added) and ids.match(old.ref << 7, new.ref << 7)
    )  # fmt: skip


def same_numbers(old: Reg, new: Reg) -> bool:
    """Two scalars that are known to the same extent."""
    return old.same_numbers == new.same_numbers and (old.id == 0) == (new.id == 0) and old.off == new.off


def _within(old: Reg, new: Reg) -> bool:
    """Every number of `new` is one of `old`, in each of the five views."""
    return (
        old.umin <= new.umin and old.umax >= new.umax and old.smin <= new.smin and old.smax >= new.smax
        and old.umin32 <= new.umin32 and old.umax32 >= new.umax32
        and old.smin32 <= new.smin32 and old.smax32 >= new.smax32
        and not new.m & ~old.m & M64 and new.v & ~old.m == old.v
    )  # fmt: skip


def _slot_covers(old: Slot, new: Slot, ids: Ids, how: str, there: bool) -> bool:
    """there: the new frame's stack reaches down to the slot."""
    if how != USUAL and old.types != new.types:
        return False
    if old.special is not None or new.special is not None:
        return _special_covers(old.special, new.special, ids)
    mine, theirs = _whole_scalar(old), _whole_scalar(new)
    for at in range(7, -1, -1):
        kind, other = old.types[at], new.types[at]
        if kind in (INVALID, MISC):
            continue
        if not there:
            return False
        if mine is not None and theirs is not None:
            return _reg_covers(mine, theirs, ids, how)
        if kind != other:
            return False
    return old.types[0] != SPILL or _reg_covers(old.reg, new.reg, ids, how)


def _special_covers(old: Special | None, new: Special | None, ids: Ids) -> bool:
    if old is None or new is None:
        return old is None
    mine, theirs = (old.kind, old.name, old.first, old.state), (new.kind, new.name, new.first, new.state)
    return mine == theirs and (not old.first or ids.match(old.ref << 7, new.ref << 7))


def _whole_scalar(slot: Slot) -> Reg | None:
    """The number that all eight bytes hold, unknown where they may be anything."""
    if slot.types[7] == SPILL and slot.reg.kind == SCALAR:
        return slot.reg
    return _ANYTHING if all(kind in (INVALID, MISC) for kind in slot.types) else None
