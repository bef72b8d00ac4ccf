"""Functions that are verified by themselves: once from what BTF says of their arguments, and not again where they are
called, where the arguments alone are looked at (global functions)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn
from bpfvm.tables.helpers import BY_ID
from bpfvm.verifier.callees.arguments import check_memory
from bpfvm.verifier.domain.regs import CTX, DYNPTR, MEM, SCALAR, STACK, Reg, pointer, unknown
from bpfvm.verifier.domain.slots import dynptr_of
from bpfvm.verifier.domain.state import Frame, State
from bpfvm.verifier.errors import Rejected
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.program.code import Code
from bpfvm.verifier.steps.access import check_fixed


@dataclass(frozen=True, slots=True)
class Argument:
    """kind: "scalar", "ctx", "dynptr", or "mem", memory of `size` bytes that may be null."""

    kind: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """One function. arguments: of one that is verified by itself; None where the model does not know them."""

    name: str
    is_static: bool
    arguments: tuple[Argument, ...] | None = None


def call_global(walk: Walk, start: int) -> None:
    """A call of a function that is verified by itself: its arguments are checked, its result is any number."""
    function = walk.code.functions[start]
    if function.arguments is None:
        walk.undecided(f"arguments of function {function.name}, which is verified by itself")
    number = walk.code.number(start)
    if any(ref.kind == "lock" for ref in walk.state.refs):
        walk.say("global function calls are not allowed while holding a lock,")
        walk.refuse("use static function instead")
    for at, argument in enumerate(function.arguments, 1):
        reg = walk.state.regs[at]
        try:
            wrong = _mismatch(walk, at, reg, argument)
        except Rejected:
            wrong = ""
        if wrong:
            walk.say(wrong)
        if wrong is not None:
            walk.refuse(f"Caller passes invalid args into func#{number} ('{function.name}')")
    if walk.log.level:
        walk.log.add(f"Func#{number} ('{function.name}') is global and assumed valid.")


def _mismatch(walk: Walk, at: int, reg: Reg, argument: Argument) -> str | None:
    """What is wrong with an argument; the words of a memory check stand in the log already."""
    if argument.kind == "scalar":
        return None if reg.kind == SCALAR else f"R{at} is not a scalar"
    if argument.kind == "ctx":
        if reg.kind != CTX:
            return f"arg#{at - 1} expects pointer to ctx"
        return None
    if argument.kind == "dynptr":
        return _dynptr(walk, at, reg)
    if reg.kind == SCALAR and not reg.m and not reg.v:
        return None
    if reg.null:
        walk.undecided("a pointer that may be null as an argument of a global function")
    check_memory(walk, at, argument.size, write=False)
    check_memory(walk, at, argument.size, write=True)
    return None


def _dynptr(walk: Walk, at: int, reg: Reg) -> str | None:
    if reg.kind not in (STACK, DYNPTR):
        return f"arg#{at - 1} expected pointer to stack or const struct bpf_dynptr"
    if reg.kind == DYNPTR:
        check_fixed(walk, at, reg, DYNPTR)
    dynptr_of(walk, at)
    return None


def entry_of(walk: Walk, start: int) -> State:
    """The state at the first instruction of a function that is verified by itself."""
    function = walk.code.functions[start]
    if function.arguments is None:
        walk.undecided(f"arguments of function {function.name}, which is verified by itself")
    state = State()
    frame = Frame(0, -1, start)
    state.frames.append(frame)
    for at, argument in enumerate(function.arguments, 1):
        if argument.kind == "scalar":
            frame.regs[at] = unknown()
        elif argument.kind == "ctx":
            frame.regs[at] = pointer(CTX)
        elif argument.kind == "dynptr":
            frame.regs[at] = pointer(DYNPTR)
            frame.regs[at].id = walk.new_id()
        else:
            reg = pointer(MEM)
            reg.null, reg.size, reg.id = True, argument.size, walk.new_id()
            frame.regs[at] = reg
    return state


def moves_packet(code: Code, start: int) -> bool:
    """Whether the function, or one that it calls, calls a helper that may move the packet."""
    seen, waiting = set[int](), [start]
    while waiting:
        begin = waiting.pop()
        if begin in seen:
            continue
        seen.add(begin)
        for slot in range(begin, code.end(code.number(begin))):
            one = code.insns[slot]
            if one is None:
                continue
            if one.op.name == "call" and _moves(one):
                return True
            if one.op.name == "call_local":
                waiting.append(target_slot(one, slot) or 0)
    return False


def _moves(one: Insn) -> bool:
    row = BY_ID.get(one.imm)
    return row is not None and (row.moves_packet or row.name == "tail_call")
