"""The verifier's log, in the form of the kernel's: level 1 keeps the last path, level 2 all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bpfvm.isa.disasm import text as insn_text
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind
from bpfvm.obj.btf.view import essential_name
from bpfvm.tables.helpers import call_name
from bpfvm.verifier.domain.regs import NONE, text
from bpfvm.verifier.domain.state import SHOWN, SPILL, Frame, Slot, Special, State

PATH, ALL = 1, 2  # levels


class Log:
    """lines: what was written. reasons: those of them that say why a program is refused."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.lines: list[str] = []
        self.reasons: list[str] = []
        self._open = -1  # the line of the instruction that was listed last, while nothing is behind it

    def add(self, line: str) -> None:
        """Progress; only where a log is wanted."""
        self.lines.append(line)

    def reason(self, line: str) -> None:
        """Words for a refusal, at any level."""
        self.reasons.append(line)
        self.lines.append(line)

    def insn(self, slot: int, one: Insn) -> None:
        """An instruction that is about to be walked."""
        self._open = len(self.lines)
        self.lines.append(f"{slot}: {shown(one)}")

    def after(self, at: int, words: str) -> None:
        """What the last instruction changed: behind it, or in a line of its own where others came between."""
        if self._open == len(self.lines) - 1 and self._open >= 0:
            line = self.lines[-1]
            width = -(-max(len(line) + 4, 40) // 8) * 8
            self.lines[-1] = f"{line}{' ' * (width - len(line) - 2)};{words}"
        else:
            self.lines.append(f"{at}:{words}")
        self._open = -1

    def mark(self) -> int:
        """A place to go back to."""
        return len(self.lines)

    def back(self, place: int) -> None:
        """Forget what was written since `mark` gave this place; only of level 1."""
        if not self.level & ALL:
            del self.lines[place:]
            self._open = -1


def shown(one: Insn) -> str:
    """An instruction behind its opcode, as in the log."""
    if one.op.name == "call_kfunc":
        return f"({one.op.code:02x}) call {essential_name(one.symbol or '')}#{one.imm}"
    if one.symbol is not None and one.op.kind is not Kind.IMM64:
        one = replace(one, symbol=None)  # a function, which the kernel shows as a distance
    return f"({one.op.code:02x}) {insn_text(one, helper=call_name)}"


def frame_text(state: State, number: int, regs: Iterable[int] | None = None, slots: Iterable[int] | None = None) -> str:
    """A frame and what the whole path holds, with a blank before each part. regs, slots: to be shown; None for all."""
    frame = state.frames[number]
    words = [f" frame{frame.number}:"] if frame.number else []
    for at in sorted(range(11) if regs is None else regs):
        if frame.regs[at].kind != NONE:
            words.append(f" R{at}={text(frame.regs[at], frame.number)}")
    for at in sorted(frame.stack if slots is None else slots):
        slot = frame.stack.get(at)
        if slot is not None and any(slot.types) and (slot.special is None or slot.special.first):
            words.append(f" fp{-8 * at - 8}={slot_text(slot, frame)}")
    refs = [str(one.id) for one in state.refs if one.kind == "ptr"]
    if refs:
        words.append(f" refs={','.join(refs)}")
    if frame.callback is not None:
        words.append(" cb")
    return "".join(words)


def slot_text(slot: Slot, frame: Frame) -> str:
    """Eight bytes of stack, the highest address first; what was spilled by its register."""
    if slot.special is not None:
        return _special_text(slot.special)
    if slot.types[0] != SPILL:
        return "".join(SHOWN[one] for one in reversed(slot.types))
    above = "".join(SHOWN[one] for one in reversed(slot.types[slot.types.rindex(bytes([SPILL])) + 1 :]))
    return above + text(slot.reg, frame.number)


def _special_text(one: Special) -> str:
    ref = f"ref_id={one.ref}" if one.ref else ""
    if one.kind == "iter":
        return f"iter_{one.name}({ref},state={one.state},depth={one.depth})"
    parts = (f"id={one.id}", ref, f"dynptr_id={one.parent}")
    return f"dynptr_{one.name}({','.join(part for part in parts if part)})"


def live_table(insns: Iterable[tuple[int, Insn]], live: list[int], scc: list[int]) -> list[str]:
    """The table of registers that are read later, before the walk."""
    lines = ["Live regs before insn:"]
    for slot, one in insns:
        loop = f"{scc[slot]:3d} " if scc[slot] else "    "
        names = "".join(str(at) if live[slot] >> at & 1 else "." for at in range(10))
        lines.append(f"{loop}{slot:3d}: {names} {shown(one)}")
    return lines
