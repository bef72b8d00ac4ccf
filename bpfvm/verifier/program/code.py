"""A program as the verifier takes it: instructions by slot, maps by the instruction that names them, checks before the
walk: subprograms, jumps, unreachable code, and what of it the walk relies on (where to look for equal states).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind
from bpfvm.obj.btf.view import essential_name
from bpfvm.tables.helpers import BY_ID
from bpfvm.verifier.errors import Rejected

if TYPE_CHECKING:
    from bpfvm.verifier.program.functions import Function

MOST_SUBPROGRAMS = 256
_JUMPS = (Kind.JUMP, Kind.GOTO, Kind.MAY_GOTO)
# Helpers that call a function of the program at once, and those that have it called later
CALLING = frozenset({"for_each_map_elem", "loop", "find_vma", "user_ringbuf_drain"})
CALLING_LATER = frozenset({"timer_set_callback"})


@dataclass(slots=True)
class Marks:
    """What is known of each instruction before the walk, by slot.

    prune: states are compared here. jump: how one came here is worth remembering. force: a state is always kept.
    next: an iterator goes on here. may_goto: a loop of any number of turns may end here.
    successors: slots; a call goes on behind itself. scc: a number above 0 for each loop.
    """

    prune: list[bool]
    jump: list[bool]
    force: list[bool]
    calls_callback: list[bool]
    next: list[bool]
    may_goto: list[bool]
    successors: list[tuple[int, ...]]
    scc: list[int] = field(default_factory=list)
    live: list[int] = field(default_factory=list)


class Code:
    """insns: by slot, None in the second half of a wide one. starts: of subprograms, the entry's first, ascending.

    functions: by their first instruction, where BTF tells them. globals: those of them that are verified by themselves.
    """

    def __init__(self, insns: Sequence[Insn], functions: Mapping[int, Function]) -> None:
        at = slots(insns)
        self.insns: list[Insn | None] = [None] * at[-1]
        for slot, one in zip(at, insns, strict=False):
            self.insns[slot] = one
        self.functions = functions
        self.globals = frozenset(start for start, one in functions.items() if not one.is_static)
        self.starts = self._subprograms()

    def __len__(self) -> int:
        return len(self.insns)

    def insn(self, slot: int) -> Insn:
        """The instruction that begins at `slot`."""
        one = self.insns[slot]
        assert one is not None, slot
        return one

    def each(self) -> Iterator[tuple[int, Insn]]:
        """Every instruction with its slot."""
        return ((slot, one) for slot, one in enumerate(self.insns) if one is not None)

    def number(self, slot: int) -> int:
        """Which subprogram `slot` is in."""
        return bisect_right(self.starts, slot) - 1

    def end(self, number: int) -> int:
        """The slot behind a subprogram."""
        return self.starts[number + 1] if number + 1 < len(self.starts) else len(self)

    def _subprograms(self) -> list[int]:
        starts = {0}
        for slot, one in self.each():
            if one.op.name not in ("call_local", "lddw_func"):
                continue
            target = target_slot(one, slot)
            if one.op.name == "lddw_func":
                target = None if target is None else target - 1 + 1
            if target is None or not 0 <= target < len(self):
                raise Rejected("call to invalid destination")
            starts.add(target)
            if len(starts) > MOST_SUBPROGRAMS:
                raise Rejected("too many subprograms")
        return sorted(starts)


def check_jumps(code: Code) -> None:
    """Jumps stay in their subprogram, which ends in an exit or a jump."""
    for number, start in enumerate(code.starts):
        end, last = code.end(number), None
        for slot in range(start, end):
            one = code.insns[slot]
            if one is None:
                continue
            last = one
            if one.op.kind in _JUMPS and one.jump is not None and not start <= slot + 1 + one.jump < end:
                raise Rejected(f"jump out of range from insn {slot} to {slot + 1 + one.jump}")
        if code.insns[end - 1] is None or last is None or last.op.kind not in (Kind.EXIT, Kind.GOTO):
            raise Rejected("last insn is not an exit or jmp")


def check_abnormal(code: Code) -> None:
    """What a subprogram may do only where BTF tells what it returns."""
    if code.functions:
        return
    for slot, one in code.each():
        row = BY_ID.get(one.imm) if one.op.name == "call" else None
        if len(code.starts) > 1 and slot >= code.starts[1]:
            if one.op.kind is Kind.PACKET:
                raise Rejected("LD_ABS is not allowed in subprogs without BTF")
            if row is not None and row.name == "tail_call":
                raise Rejected("tail_call is not allowed in subprogs without BTF")


def mark(code: Code) -> Marks:
    """Where states are compared, and which instructions follow which. Rejected for what cannot be reached."""
    size = len(code)
    prune, jump, force, calls_callback, goes_on, may_goto = ([False] * size for _ in range(6))
    marks = Marks(prune, jump, force, calls_callback, goes_on, may_goto, [()] * size)
    for slot, one in code.each():
        marks.successors[slot] = _successors(code, slot, one)
        _mark_one(marks, code, slot, one)
    _check_reached(code, marks)
    return marks


def _successors(code: Code, slot: int, one: Insn) -> tuple[int, ...]:
    if one.op.kind is Kind.EXIT:
        return ()
    if one.op.kind is Kind.GOTO:
        return (slot + 1 + (one.jump or 0),)
    if one.op.kind in (Kind.JUMP, Kind.MAY_GOTO):
        return slot + 1, slot + 1 + one.off
    return (slot + one.width,)


def _mark_one(marks: Marks, code: Code, slot: int, one: Insn) -> None:
    following = marks.successors[slot]
    kind, name = one.op.kind, one.op.name
    if kind is Kind.GOTO:
        marks.prune[following[0]] = marks.jump[following[0]] = True
    elif kind in (Kind.JUMP, Kind.MAY_GOTO):
        marks.prune[slot] = marks.prune[following[1]] = marks.jump[following[1]] = True
        marks.may_goto[slot] = kind is Kind.MAY_GOTO
        marks.force[slot] |= marks.may_goto[slot]
    elif kind is Kind.CALL or name == "lddw_func":
        if following[0] < len(code):
            marks.prune[following[0]] = marks.jump[following[0]] = True
        if name in ("call_local", "lddw_func"):
            target = target_slot(one, slot) or 0
            marks.prune[slot] = marks.prune[target] = marks.jump[target] = True
        if name == "call":
            _mark_helper(marks, slot, one)
        elif name == "call_kfunc":
            _mark_kernel(marks, slot, essential_name(one.symbol or ""))


def _mark_helper(marks: Marks, slot: int, one: Insn) -> None:
    row = BY_ID.get(one.imm)
    if row is not None and row.name in CALLING_LATER:
        marks.prune[slot] = True
    if row is not None and row.name in CALLING:
        marks.prune[slot] = marks.jump[slot] = marks.force[slot] = marks.calls_callback[slot] = True


def _mark_kernel(marks: Marks, slot: int, name: str) -> None:
    if name == "bpf_rbtree_add_impl":
        marks.prune[slot] = marks.jump[slot] = marks.force[slot] = marks.calls_callback[slot] = True
    if name.startswith("bpf_iter_") and name.endswith("_next"):
        marks.prune[slot] = marks.force[slot] = marks.next[slot] = True


def _check_reached(code: Code, marks: Marks) -> None:
    seen, waiting = [False] * len(code), [0]
    middle: set[int] = set()
    while waiting:
        slot = waiting.pop()
        if seen[slot]:
            continue
        seen[slot] = True
        one = code.insns[slot]
        if one is None:
            middle.add(slot - 1)
            continue
        if one.op.name in ("call_local", "lddw_func"):
            waiting.append(target_slot(one, slot) or 0)
        waiting += marks.successors[slot]
    for slot, _ in code.each():
        if not seen[slot]:
            raise Rejected(f"unreachable insn {slot}", slot)
        if slot in middle:
            raise Rejected(f"jump into the middle of ldimm64 insn {slot}", slot)
