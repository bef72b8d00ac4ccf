"""Changes of a rejected program that may cure it; whoever offers one has the model judge it first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.isa.ops import Kind
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.progs import BY_NAME
from bpfvm.verifier.report.verdict import Verdict

_REGISTER = re.compile(r"\bR(\d+)\b")
_MASKS = (0xFFF, 0xFF, 0x3F, 0x1F, 0xF, 7, 3, 1)
_LEAVES = -1  # a jump of an inserted instruction to the end that is added


def repairs(spec: ObjectSpec, name: str, verdict: Verdict) -> Iterator[tuple[str, ObjectSpec]]:
    """Each change in words, and the object with it."""
    if verdict.insn is None:
        return
    program = spec.programs[name]
    found = _REGISTER.search(verdict.message)
    for words, added in _candidates(verdict.message, int(found[1]) if found else 0, program):
        changed = _inserted(program, verdict.insn, added)
        if changed is not None:
            yield words, replace(spec, programs={**spec.programs, name: changed})


def _candidates(message: str, at: int, program: ProgramSpec) -> Iterator[tuple[str, list[Insn]]]:
    """What may stand before the instruction that is blamed."""
    if "_or_null" in message:
        yield f"`if r{at} == 0` leaving the program before it", [insn("jeq64_k", at, off=_LEAVES, imm=0)]
    elif "!read_ok" in message:
        yield f"`r{at} = 0` before it", [insn("mov64_k", at, imm=0)]
    elif "zero-sized" in message:
        yield f"`if r{at} == 0` leaving the program before it", [insn("jeq64_k", at, off=_LEAVES, imm=0)]
    elif "min value is negative" in message or "unbounded memory access" in message or "max value" in message:
        for mask in _MASKS:
            yield f"`r{at} &= {mask:#x}` before it", [insn("and64_k", at, imm=mask)]
    elif "At program exit" in message:
        low = (BY_NAME[program.type].returns or (0, 0))[0]
        yield f"`r0 = {low}` before the exit", [insn("mov64_k", 0, imm=low)]


def _inserted(program: ProgramSpec, slot: int, added: Sequence[Insn]) -> ProgramSpec | None:
    """The program with instructions before `slot`, and an end that they may jump to."""
    at = slots(program.insns)
    if slot not in at[:-1] or program.functions:
        return None
    size = sum(one.width for one in added)
    end = at[-1] + size
    moved: list[Insn] = []
    for start, one in zip(at, program.insns, strict=False):
        if start == slot:
            moved += _placed(added, slot, end)
        moved.append(_shifted(one, start, slot, size))
    if any(one.op.kind is Kind.JUMP for one in added):
        moved += [insn("mov64_k", 0, imm=(BY_NAME[program.type].returns or (0, 0))[0]), insn("exit")]
    lines = {line + size if line > slot else line: place for line, place in program.lines.items()}
    return replace(program, insns=tuple(moved), lines=lines, core=())


def _placed(added: Sequence[Insn], slot: int, end: int) -> list[Insn]:
    found = []
    for one in added:
        found.append(replace(one, off=end - slot - 1) if one.op.kind is Kind.JUMP else one)
        slot += one.width
    return found


def _shifted(one: Insn, start: int, slot: int, size: int) -> Insn:
    """The instruction with its jump over what is inserted; a jump to `slot` itself comes before it."""
    goal = target_slot(one, start)
    if goal is None or one.op.name == "lddw_func":
        return one
    change = (size if goal > slot else 0) - (size if start >= slot else 0)
    if one.op.name in ("gotol", "call_local"):
        return replace(one, imm=one.imm + change)
    return replace(one, off=one.off + change)
