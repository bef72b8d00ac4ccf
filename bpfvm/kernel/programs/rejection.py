"""What the verifier's log says, in one line: the reason, the source line, the instruction.

A log of level 1 lists the instructions as the verifier walks them, with what it knows of the registers, and ends with
the reason and a line of statistics (measured on 6.18):

    0: R1=ctx() R10=fp0
    0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=pkt(r=0)
    1: (71) r0 = *(u8 *)(r2 +14)
    invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0)
    R2 offset is outside of the packet
    processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0

Checks made before that walk (jumps out of range, unreachable code) name the instruction in the reason itself; an opcode
that is none is named alone, and the first instruction that has it is meant.
"""

from __future__ import annotations

import linecache
import re
from dataclasses import dataclass

from bpfvm.core.errors import VerifierReject
from bpfvm.isa.insn import slots
from bpfvm.obj.core.relocations import missing
from bpfvm.obj.model import ProgramSpec

# An instruction, and what stands behind it: `;` and the registers that it changed; behind a jump without `;` also the
# state at its target, or the reason itself
_INSTRUCTION = re.compile(r"(\d+): \([0-9a-f]{2}\) (.*?gotol? pc[+-]\d+|[^;]*)(.*)")
_NAMED = re.compile(r"\binsn (\d+)")
_OPCODE = re.compile(r"unknown opcode ([0-9a-f]{2})")

# Lines that are no reason: source comments, what is known of registers, statistics, the walk's own progress
_PROGRESS = re.compile(
    r"\s*(;|\d+: |R\d+(_\w+)?=|from \d+ to \d+|(cur|old) state:|processed \d+ insns|verification time|stack depth|"
    r"func#|Validating |caller:|callee:|returning from callee|to caller|mark_precise|last_idx|regs=|parent )"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A log, read. reasons: its last words, most telling first. slot, text: the instruction blamed, where one is."""

    reasons: tuple[str, ...]
    slot: int | None = None
    text: str | None = None


def read_log(log: str) -> Reading:
    """Find the reason and the instruction that a verifier log of level 1 ends with."""
    lines = log.splitlines()
    walked, behind, slot, texts = 0, "", None, {}
    for number, line in enumerate(lines, 1):
        found = _INSTRUCTION.match(line)
        if found:
            walked, behind, slot = number, found[3], int(found[1])
            texts[slot] = found[2].strip()
    ends = [behind, *lines[walked:]]
    reasons = tuple(line.strip() for line in ends if line.strip() and not _PROGRESS.match(line))
    named = _NAMED.search(" ".join(reasons))
    if named:  # the walk may have ended before the instruction was listed
        slot = int(named[1])
    return Reading(reasons, slot, texts.get(slot) if slot is not None else None)


def rejection(program: ProgramSpec, log: str, error: str) -> VerifierReject:
    """The error for a program whose refusal the verifier explained in `log`. error: what its errno means."""
    reading = read_log(log)
    reason = "; ".join(reading.reasons) or f"the verifier gave no reason ({error})"
    if reading.slot is None:
        return VerifierReject(reason + _with_opcode(program, reason), log)
    absent = _absent(program, reading.slot)
    if absent is not None:
        where = _source(program, reading.slot)
        return VerifierReject(f"{where}instruction {reading.slot} needs {absent} (a CO-RE relocation)", log)
    instruction = f"instruction {reading.slot}" + (f": {reading.text}" if reading.text else "")
    return VerifierReject(f"{reason}, at {_source(program, reading.slot)}{instruction}", log)


def _with_opcode(program: ProgramSpec, reason: str) -> str:
    """Where the opcode stands that the reason names, with a comma before it; "" for another reason."""
    found = _OPCODE.fullmatch(reason)
    at = zip(slots(program.insns), program.insns, strict=False)
    slot = next((slot for slot, one in at if found and one.op.code == int(found[1], 16)), None)
    return "" if slot is None else f", at {_source(program, slot)}instruction {slot}"


def _absent(program: ProgramSpec, slot: int) -> str | None:
    """What a CO-RE relocation did not find in the kernel, where the verifier met what stands in its place."""
    at = slots(program.insns)
    return missing(program.insns[at.index(slot)]) if slot in at[:-1] else None


def _source(program: ProgramSpec, slot: int) -> str:
    """The source place of `slot` and its text, with a comma behind it; "" where none is known."""
    place = program.source_of(slot)
    if place is None:
        return ""
    line = linecache.getline(place.file, place.line).strip()
    return f"{place} `{line}`, " if line else f"{place}, "
