"""The walk: every path of a program, depth first, until each has ended, was covered by another, or is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind
from bpfvm.verifier.callees.kfuncs import call_kernel
from bpfvm.verifier.domain.regs import FUNC, MAP, VALUE, number, pointer
from bpfvm.verifier.domain.state import State
from bpfvm.verifier.errors import Rejected, Undecided
from bpfvm.verifier.paths import loops
from bpfvm.verifier.paths.prune import visited
from bpfvm.verifier.paths.walk import EVERY, LIMIT, Walk
from bpfvm.verifier.paths.widening import widen_other
from bpfvm.verifier.report.log import frame_text
from bpfvm.verifier.steps import access, subprogram
from bpfvm.verifier.steps.alu import alu
from bpfvm.verifier.steps.branch import jump, push
from bpfvm.verifier.steps.calls import call_helper
from bpfvm.verifier.steps.packet_load import check_packet_load, load_packet

_JUMPS = frozenset({Kind.JUMP, Kind.GOTO, Kind.MAY_GOTO, Kind.CALL, Kind.EXIT})


def explore(walk: Walk, state: State, start: int) -> None:
    """Walk every path from `start` on. Rejected or Undecided where one does not end well."""
    walk.state, walk.at, walk.before = state, start, -1
    walk.touch_all()
    fresh = False
    while True:
        _count(walk)
        ended = False
        state = walk.state
        state.last, state.at = walk.before, walk.at
        walk.step = None
        if walk.marks.prune[walk.at] and visited(walk):
            if walk.log.level:
                walk.log.add(f"{walk.at}: safe" if not fresh else f"from {walk.before} to {walk.at}: safe")
            ended = True
        else:
            if walk.marks.jump[walk.at]:
                walk.remember()
            if walk.log.level:
                _list(walk, fresh)
            fresh = False
            following = _walk_one(walk)
            if following is None:
                ended = True
            else:
                fresh = walk.code.insns[walk.at].op.kind is Kind.EXIT  # type: ignore[union-attr]
                walk.before, walk.at = walk.at, following
        if ended:
            _end_path(walk, walk.state)
            if not _next_path(walk):
                return
            fresh = True


def _count(walk: Walk) -> None:
    walk.processed += 1
    walk.visits[walk.at] += 1
    if walk.processed > walk.pause:
        _pause(walk)


def _pause(walk: Walk) -> None:
    """Keep to the limits, tell the progress, and say when to do so next."""
    if walk.processed > LIMIT:
        words = f"BPF program is too large. Processed {walk.processed} insn"
        walk.say(words)
        raise Rejected(words, walk.before)
    if walk.processed > walk.budget:
        raise Undecided(f"after {walk.budget} instructions")
    if walk.progress is not None:
        walk.progress(walk.processed - 1, len(walk.waiting))
    walk.pause = min(walk.processed + EVERY - 1, walk.budget, LIMIT)


def _list(walk: Walk, fresh: bool) -> None:
    depth = len(walk.state.frames) - 1
    if fresh and walk.log.level & 2:
        walk.log.add("")
        walk.log.add(f"from {walk.before} to {walk.at}:{frame_text(walk.state, depth)}")
    if walk.touched_regs or walk.touched_slots:
        walk.show()
    walk.log.insn(walk.at, walk.code.insn(walk.at))


def _walk_one(walk: Walk) -> int | None:
    """Walk the instruction: the slot of the next one, or None where the path ends."""
    at = walk.at
    one = walk.code.insns[at]
    assert one is not None, at
    handler, jumps = _of(one.op.name, one.op.kind)
    walk.jumps += jumps
    if at in walk.bad:
        _refuse_bad(walk, one)
    walk.stack.begin(walk.state, at)
    following = handler(walk, one)
    walk.stack.commit()
    return following


def _refuse_bad(walk: Walk, one: Insn) -> None:
    """A field is set that the instruction does not have."""
    if one.op.kind is Kind.JUMP:
        walk.source(one.dst)
    if one.op.kind is Kind.PACKET:
        check_packet_load(walk)
    walk.refuse(walk.bad[walk.at])


def _end_path(walk: Walk, state: State) -> None:
    one: State | None = state
    while one is not None:
        one.branches -= 1
        if one.branches:
            return
        loops.leave(walk, one)
        one = one.parent


def _next_path(walk: Walk) -> bool:
    walk.touch_all()
    if not walk.waiting:
        return False
    waiting = walk.waiting.pop()
    walk.state, walk.at, walk.before = waiting.state, waiting.at, waiting.before
    walk.log.back(waiting.log)
    return True


def _straight(handler: Callable[[Walk, Insn], None]) -> Callable[[Walk, Insn], int | None]:
    def handle(walk: Walk, one: Insn) -> int | None:
        handler(walk, one)
        return walk.at + one.width

    return handle


def _goto(walk: Walk, one: Insn) -> int | None:
    if one.op.name == "gotox":
        walk.undecided("jumps to an address in a register")
    return walk.at + 1 + (one.jump or 0)


def _may_goto(walk: Walk, one: Insn) -> int | None:
    """The way out is walked first; the next turn waits, with what changed in this one widened."""
    other = push(walk, walk.at + 1)
    other.may_goto += 1
    widen_other(walk, other)
    return walk.at + 1 + (one.jump or 0)


def _exit(walk: Walk, one: Insn) -> int | None:
    return subprogram.leave(walk)


def _call(walk: Walk, one: Insn) -> int | None:
    if one.op.name == "call_local":
        return subprogram.enter(walk, one)
    if one.op.name == "call_kfunc":
        return call_kernel(walk, one)
    if one.op.name != "call":
        walk.undecided("calls of an address")
    return call_helper(walk, one)


def _wide(walk: Walk, one: Insn) -> None:
    walk.target(one.dst)
    name = one.op.name
    if name == "lddw":
        walk.set(one.dst, number(one.imm))
    elif name == "lddw_func":
        if not walk.code.functions:
            walk.refuse("missing btf func_info")
        if subprogram.target(walk.at, one) in walk.code.globals:
            walk.refuse("callback function not static")
        new = pointer(FUNC)
        new.func = subprogram.target(walk.at, one)
        walk.set(one.dst, new)
    elif walk.at in walk.setting.maps:
        new = pointer(MAP)
        new.map = walk.setting.maps[walk.at]
        if name in ("lddw_map_value", "lddw_map_idx_value"):
            new.kind, new.off = VALUE, one.imm >> 32
        walk.set(one.dst, new)
    else:
        walk.undecided("variables and objects of the kernel (BTF)")


def _cast(walk: Walk, one: Insn) -> None:
    walk.undecided("arenas")


_HANDLERS: Mapping[Kind, Callable[[Walk, Insn], int | None]] = {
    Kind.ALU: _straight(alu),
    Kind.CAST: _straight(_cast),
    Kind.JUMP: jump,
    Kind.GOTO: _goto,
    Kind.MAY_GOTO: _may_goto,
    Kind.CALL: _call,
    Kind.EXIT: _exit,
    Kind.LOAD: _straight(access.load),
    Kind.LOAD_SX: _straight(access.load),
    Kind.STORE: _straight(access.store),
    Kind.ATOMIC: _straight(access.atomic),
    Kind.LOAD_ACQUIRE: _straight(access.atomic),
    Kind.STORE_RELEASE: _straight(access.atomic),
    Kind.IMM64: _straight(_wide),
    Kind.PACKET: load_packet,
}


@functools.cache
def _of(name: str, kind: Kind) -> tuple[Callable[[Walk, Insn], int | None], bool]:
    """What walks instructions of a row, and whether they count as jumps."""
    return _HANDLERS[kind], kind in _JUMPS
