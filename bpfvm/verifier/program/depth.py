"""How much stack a chain of calls takes, asked when every path was walked."""

from __future__ import annotations

from bpfvm.verifier.errors import Rejected
from bpfvm.verifier.paths.precision import TAIL_CALL
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.steps.subprogram import FRAMES

_MOST = 512
_BEFORE_TAIL_CALL = 256  # bytes of frames below a function that makes tail calls
_GRAIN = 16  # bytes that frames are rounded up to where programs are compiled (measured)
_PRIVATE = frozenset({"kprobe", "tracepoint", "perf_event", "raw_tracepoint"})


def check_depth(walk: Walk) -> None:
    """Rejected where frames of a chain of calls together are larger than the stack, or too many: functions that call
    themselves are, however often."""
    worst = _deepest(walk, 0, 0, 1)
    if worst is not None:
        raise Rejected(f"combined stack size of {worst[0]} calls is {worst[1]}. Too large")


def _deepest(walk: Walk, start: int, below: int, frames: int) -> tuple[int, int] | None:
    if start and below >= _BEFORE_TAIL_CALL and _makes_tail_call(walk, start):
        raise Rejected(f"tail_calls are not allowed when call stack of previous frames is {below} bytes. Too large")
    depth = below + -(-walk.stack_depth.get(start, 0) // _GRAIN) * _GRAIN
    if depth > _MOST and walk.setting.row.name not in _PRIVATE:  # there each function's frame counts alone
        return frames, depth
    for inner in sorted(walk.calls.get(start, ())):
        if frames >= FRAMES:
            raise Rejected(f"the call stack of {frames} frames is too deep !")
        found = _deepest(walk, inner, depth, frames + 1)
        if found is not None:
            return found
    return None


def _makes_tail_call(walk: Walk, start: int) -> bool:
    insns = walk.code.insns[start : walk.code.end(walk.code.number(start))]
    return any(one is not None and one.op.name == "call" and one.imm == TAIL_CALL for one in insns)
