"""Calls of functions of the program, the return from them, and a program's own end."""

from __future__ import annotations

from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn
from bpfvm.verifier.domain.invalidation import forget_packets
from bpfvm.verifier.domain.regs import NOT_SET, SCALAR, STACK, Reg, type_name, unknown
from bpfvm.verifier.domain.state import Frame
from bpfvm.verifier.paths.precision import mark_precise
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.paths.widening import widen
from bpfvm.verifier.program.functions import call_global, moves_packet
from bpfvm.verifier.report.log import frame_text

FRAMES = 8


def target(slot: int, one: Insn) -> int:
    """The first instruction of the function that is called or pointed to."""
    found = target_slot(one, slot)
    assert found is not None, one.op.name
    return found


def enter(walk: Walk, one: Insn) -> int | None:
    """A call: the function is walked in a frame of its own, with the caller's r1 to r5."""
    start = target(walk.at, one)
    if start in walk.code.globals:
        return _call_global(walk, start)
    new_frame(walk, start)
    caller, frame = walk.state.frames[-2], walk.state.frames[-1]
    frame.regs[1:6] = caller.regs[1:6]
    clear(walk, caller)
    walk.touch_all()
    if walk.log.level:
        depth = len(walk.state.frames) - 1
        walk.log.add("caller:")
        walk.log.add(frame_text(walk.state, depth - 1))
        walk.log.add("callee:")
        walk.log.add(frame_text(walk.state, depth))
    return start


def _call_global(walk: Walk, start: int) -> int:
    call_global(walk, start)
    if moves_packet(walk.code, start):
        forget_packets(walk)
    walk.called.add(start)
    walk.calls.setdefault(walk.state.frame.entry, set()).add(start)
    clear(walk, walk.state.frame)
    walk.set(0, unknown())
    return walk.at + 1


def new_frame(walk: Walk, start: int) -> None:
    """Put a frame on top."""
    state = walk.state
    walk.calls.setdefault(state.frame.entry, set()).add(start)
    if len(state.frames) >= FRAMES:
        walk.refuse(f"the call stack of {len(state.frames) + 1} frames is too deep")
    state.frames.append(Frame(len(state.frames), walk.at, start))


def clear(walk: Walk, caller: Frame) -> None:
    """The caller's r0 to r5 are gone."""
    caller.regs[:6] = [NOT_SET] * 6


def leave(walk: Walk) -> int | None:
    """exit: back to the caller, or None at the program's end."""
    state = walk.state
    if len(state.frames) > 1:
        return back(walk, at_end=True)
    leaked(walk, "BPF_EXIT instruction in main prog")
    if walk.setting.traced is not None and walk.setting.traced.is_void and not state.frame.entry:
        walk.stack.leave(state.calls(), walk.at)
        return None
    reg = walk.source(0)
    _check_result(walk, reg)
    walk.stack.leave(state.calls(), walk.at)
    return None


def leaked(walk: Walk, what: str) -> None:
    """References that were not given back, and sections that were not closed."""
    for ref in walk.state.refs:
        if ref.kind == "lock":
            walk.refuse(f"{what} cannot be used inside bpf_spin_lock-ed region")
    for ref in walk.state.refs:
        walk.say(f"Unreleased reference id={ref.id} alloc_insn={ref.at}")
    if walk.state.refs:
        walk.refuse(f"{what} would lead to reference leak")
    if walk.state.rcu:
        walk.refuse(f"{what} cannot be used inside bpf_rcu_read_lock-ed region")
    if walk.state.preempt:
        walk.refuse(f"{what} cannot be used inside bpf_preempt_disable-ed region")


def check_thrown(walk: Walk) -> None:
    """What is thrown and not caught is the program's result."""
    if walk.setting.catcher is None and not walk.state.frame.entry:
        _check_range(walk, 1)


def back(walk: Walk, at_end: bool = False) -> int | None:
    """From a function to its caller. at_end: by an exit, so that what the function does to stacks is known."""
    state = walk.state
    frame = state.frame
    result = frame.regs[0]
    if result.kind == STACK:
        walk.refuse("cannot return stack pointer to the caller")
    called_back = frame.callback is not None
    if called_back:
        _check_called_back(walk)
    if at_end:
        walk.stack.leave(state.calls(), walk.at)
    caller = state.frames[-2]
    if not called_back:
        caller.regs[0] = result
    following = frame.call if called_back else frame.call + 1
    if walk.log.level:
        depth = len(state.frames) - 1
        walk.log.add("returning from callee:")
        walk.log.add(frame_text(state, depth))
        walk.log.add(f"to caller at {following}:")
        walk.log.add(frame_text(state, depth - 1))
    state.frames.pop()
    if called_back:
        widen(walk, following)
    return following


def _check_called_back(walk: Walk) -> None:
    """A callback returns: what it returns is in its range."""
    reg, limits = walk.state.regs[0], walk.state.frame.returns
    assert limits is not None
    if reg.kind != SCALAR:
        walk.refuse("R0 not a scalar value")
    mark_precise(walk, 0)
    if reg.smin < limits[0] or reg.smax > limits[1]:
        walk.refuse(result_words(reg, limits, "At callback return the register R0"))


def _check_result(walk: Walk, reg: Reg) -> None:
    """r0 at the program's end is in the range of its type; of a function that is verified by itself it is a number."""
    if walk.state.frame.entry and walk.state.frame.entry != walk.setting.catcher:
        if reg.kind != SCALAR:
            walk.refuse(f"At subprogram exit the register R0 is not a scalar value ({type_name(reg)})")
        return
    _check_range(walk, 0)


def _check_range(walk: Walk, at: int) -> None:
    limits, reg = walk.setting.row.return_range(walk.setting.attach_type), walk.state.regs[at]
    if limits is None:
        return
    low, high = limits
    if reg.kind != SCALAR:
        walk.refuse(f"At program exit the register R{at} is not a known value ({type_name(reg)})")
    mark_precise(walk, at)
    if reg.smin >= low and reg.smax <= high:
        return
    walk.refuse(result_words(reg, limits, f"At program exit the register R{at}"))


def result_words(reg: Reg, limits: tuple[int, int], what: str) -> str:
    """That a result is out of its range."""
    return f"{what} has{_range_text(reg)} should have been in [{limits[0]}, {limits[1]}]"


def _range_text(reg: Reg) -> str:
    parts = []
    if reg.smin > -(1 << 63):
        parts.append(f" smin={reg.smin}")
    if reg.smax < (1 << 63) - 1:
        parts.append(f" smax={reg.smax}")
    return "".join(parts) or " unknown scalar value"
