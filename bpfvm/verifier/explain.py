"""A rejection in words: why, where, by which path, and what to do, in the sections of the kernel's own reports of 7.3.

Verification failed: Invalid access: map value that may be null
Reason:       R0 may be null here: bpf_map_lookup_elem gives null where the key is not in the map.
At:           prog.c:12 `return *value;`, instruction 9: r0 = *(u64 *)(r0 +0)
Causal path:  prog.c:10, prog.c:11, prog.c:12
              R0 comes from instruction 6: call bpf_map_lookup_elem#1 (prog.c:10)
Suggestion:   compare the pointer with null and leave before this access (checked: the model takes the program then)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bpfvm.isa.disasm import text as insn_text
from bpfvm.isa.insn import Insn, slots
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import call_name
from bpfvm.verifier.live import uses
from bpfvm.verifier.object import verify
from bpfvm.verifier.reasons import reason_of
from bpfvm.verifier.repair import repairs
from bpfvm.verifier.verdict import ACCEPT, REJECT, Verdict

_STEP = re.compile(r"(?:.*goto pc[+-]\d+)?(\d+): \([0-9a-f]{2}\) ")
_REGISTER = re.compile(r"\bR(\d+)\b")
_SHOWN = 8  # source lines of the path, and instructions that a register came by


@dataclass(frozen=True, slots=True)
class Explanation:
    """title, reason: why it is refused. at: the place. path: source lines, or instructions, on the way, the last ones.
    origin: the instructions that made the register that is blamed, the last first. suggestion: what to do, checked: the
    model takes the program then, or comes farther.
    """

    title: str
    reason: str
    at: str
    path: tuple[str, ...]
    origin: tuple[str, ...]
    suggestion: str
    checked: str = ""

    def __str__(self) -> str:
        indent = "\n" + " " * 14
        lines = [f"Verification failed: {self.title}", f"Reason:       {self.reason}", f"At:           {self.at}"]
        if self.path or self.origin:
            lines.append(f"Causal path:  {indent.join([*([', '.join(self.path)] if self.path else []), *self.origin])}")
        if self.suggestion:
            lines.append(f"Suggestion:   {self.suggestion}{f' ({self.checked})' if self.checked else ''}")
        return "\n".join(lines)


def explain(spec: ObjectSpec, name: str, verdict: Verdict) -> Explanation | None:
    """Why a program is refused; None for a verdict that is none. The program is walked again, for its path."""
    if verdict.verdict != REJECT:
        return None
    program = spec.programs[name]
    again = verify(spec, name, level=1, budget=max(verdict.processed, 1))
    steps = [int(found[1]) for line in again.log if (found := _STEP.match(line))]
    row = reason_of(verdict.message)
    blamed = _REGISTER.search(verdict.message)
    origin = _origin(program, steps, int(blamed[1])) if blamed is not None else ()
    return Explanation(
        row.title, f"{row.reason} The kernel says: {verdict.message}", place(program, verdict.insn, spec),
        tuple(_path(program, steps)), tuple(origin), row.suggestion, _checked(spec, name, verdict),
    )  # fmt: skip


def place(program: ProgramSpec, slot: int | None, spec: ObjectSpec) -> str:
    """An instruction with its source line, in words."""
    if slot is None:
        return f"the whole program {program.name}"
    words = [f"instruction {slot}"]
    one = _at(program, slot)
    if one is not None:
        words[0] += f": {_shown(one)}"
    source = program.source_of(slot)
    if source is not None:
        line = spec.sources.get((source.file, source.line), "").strip()
        words.insert(0, f"{source} `{line}`" if line else str(source))
    return ", ".join(words)


def _at(program: ProgramSpec, slot: int) -> Insn | None:
    at = slots(program.insns)
    return program.insns[at.index(slot)] if slot in at[:-1] else None


def _shown(one: Insn) -> str:
    return insn_text(one, helper=call_name)


def _path(program: ProgramSpec, steps: Sequence[int]) -> list[str]:
    """The last source lines of the path, each once where it is walked on end; instructions where no lines are known."""
    lines: list[str] = []
    for slot in steps:
        source = program.source_of(slot)
        words = str(source) if source is not None else f"instruction {slot}"
        if not lines or lines[-1] != words:
            lines.append(words)
    return ["…", *lines[-_SHOWN:]] if len(lines) > _SHOWN else lines


def _origin(program: ProgramSpec, steps: Sequence[int], register: int) -> list[str]:
    """The instructions on the path that made what the register holds, the last first; through moves and arithmetic."""
    found: list[str] = []
    wanted, depth = register, 0
    for slot in reversed(steps[:-1]):
        one = _at(program, slot)
        if one is None or len(found) >= _SHOWN:
            break
        depth += (one.op.name == "exit") - (one.op.name == "call_local")
        if depth:
            continue
        read, written = uses(one)
        if not written >> wanted & 1:
            continue
        source = program.source_of(slot)
        words = f"R{wanted} comes from instruction {slot}: {_shown(one)}"
        found.append(f"{words} ({source})" if source is not None else words)
        if one.op.name.startswith("mov") and one.op.operand == "src":
            wanted = one.src
        elif not read >> wanted & 1:
            break
    return found


def _checked(spec: ObjectSpec, name: str, verdict: Verdict) -> str:
    """Whether a repair of the instructions themselves helps: it was tried on the model."""
    for words, changed in repairs(spec, name, verdict):
        after = verify(changed, name, budget=max(4 * verdict.processed, 10_000))
        if after.verdict == ACCEPT:
            return f"checked: with {words} the model takes the program"
        if after.processed > verdict.processed and after.message != verdict.message:
            return f"checked: with {words} the model gets past this place"
    return ""
