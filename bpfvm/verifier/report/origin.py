"""Where what a register holds came from: back along the path, through moves, arithmetic and the stack."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bpfvm.isa.disasm import text as insn_text
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.helpers import call_name
from bpfvm.verifier.domain.regs import SCALAR, Reg
from bpfvm.verifier.domain.state import FP
from bpfvm.verifier.paths.live import uses

_REGISTER = re.compile(r"\bR(\d+)\b")
_TAKEN = re.compile(r"alloc_insn=(\d+)")
_FOLLOWED = {Kind.LOAD: "src", Kind.LOAD_SX: "src", Kind.LOAD_ACQUIRE: "src", Kind.STORE: "dst", Kind.ATOMIC: "dst",
             Kind.STORE_RELEASE: "dst"}  # fmt: skip
_MOST = 8  # instructions that a register came by


def by_slot(program: ProgramSpec) -> dict[int, Insn]:
    """The program's instructions by their slots."""
    return dict(zip(slots(program.insns), program.insns, strict=False))


def shown(one: Insn) -> str:
    """An instruction in the kernel's syntax, helpers named."""
    return insn_text(one, helper=call_name)


def blamed(message: str, one: Insn | None, regs: Sequence[Reg]) -> int | None:
    """The register that a refusal is about: the one that it names, else the one that the instruction follows or adds;
    None where there is none."""
    words = message.partition("; cur state")[0]
    found = _REGISTER.search(words)
    if found is not None or one is None or not regs:
        return int(found[1]) if found is not None else None
    if one.op.kind in _FOLLOWED:
        number: int = getattr(one, _FOLLOWED[one.op.kind])
        return number
    if one.op.kind is Kind.ALU and one.op.operand == "src" and "math between" in words:
        return one.src if regs[one.src].kind == SCALAR else one.dst
    return None


def origin(program: ProgramSpec, steps: Sequence[int], register: int) -> list[str]:
    """The instructions on the path that made what the register holds, the last first."""
    insns, found = by_slot(program), list[str]()
    wanted, place, depth = register, None, 0  # place: an offset from r10 that the register was loaded from
    for slot, following in zip(reversed(steps[:-1]), reversed(steps[1:]), strict=True):
        one = insns.get(slot)
        if one is None or len(found) >= _MOST:
            break
        depth += (one.op.name == "exit") - (one.op.name == "call_local")
        if depth:
            continue
        if place is not None:
            if one.op.kind is Kind.STORE and one.dst == FP and one.off == place:
                _add(found, program, slot, f"which was stored by instruction {slot}: {shown(one)}")
                if one.op.operand == "imm":
                    break
                wanted, place = one.src, None
            continue
        read, written = uses(one)
        if not written >> wanted & 1:
            continue
        if one.op.kind is Kind.CALL and wanted:
            how = "was taken away" if following == slot + 1 else "is given"  # to a function that the helper calls
            _add(found, program, slot, f"R{wanted} {how} by instruction {slot}: {shown(one)}")
            break
        _add(found, program, slot, f"R{wanted} comes from instruction {slot}: {shown(one)}")
        if one.op.name.startswith("mov") and one.op.operand == "src":
            wanted = one.src
        elif one.op.kind is Kind.LOAD and one.src == FP:
            place = one.off
        elif not read >> wanted & 1:
            break
    return found


def taken(program: ProgramSpec, message: str) -> list[str]:
    """Where references were taken that are not given back."""
    insns, found = by_slot(program), list[str]()
    for slot in dict.fromkeys(int(one) for one in _TAKEN.findall(message)):
        if slot in insns:
            _add(found, program, slot, f"taken by instruction {slot}: {shown(insns[slot])}")
    return found


def _add(found: list[str], program: ProgramSpec, slot: int, words: str) -> None:
    """Each instruction once, with its source line."""
    source = program.source_of(slot)
    line = f"{words} ({source})" if source is not None else words
    if line not in found:
        found.append(line)
