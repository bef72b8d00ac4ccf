"""A rejection in words: why, where, by which path, and what to do, in the sections of the kernel's own reports of 7.3.

Verification failed: Invalid access: map value that may be null
Reason:       R0 may be null here: bpf_map_lookup_elem gives null where the key is not in the map.
At:           prog.c:12 `return *value;`, instruction 9: r0 = *(u64 *)(r0 +0)
Holds:        R0 holds a pointer to a map value of counts, 8 bytes, or null
Causal path:  prog.c:10, prog.c:11, prog.c:12
              R0 comes from instruction 6: call bpf_map_lookup_elem#1 (prog.c:10)
Suggestion:   compare the pointer with null and leave before this access (checked: the model takes the program then)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bpfvm.core.amounts import octets
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.progs import BY_NAME
from bpfvm.verifier.paths.walk import Progress
from bpfvm.verifier.program.object import verify
from bpfvm.verifier.report.origin import blamed, by_slot, origin, shown, taken
from bpfvm.verifier.report.reasons import reason_of
from bpfvm.verifier.report.repair import repairs
from bpfvm.verifier.report.verdict import ACCEPT, REJECT, Verdict
from bpfvm.verifier.report.words import held

_STEP = re.compile(r"(?:.*goto pc[+-]\d+)?(\d+): \([0-9a-f]{2}\) ")
_INSN = re.compile(r"\binsn (?:from )?(\d+)")
_CONTEXT = re.compile(r"invalid bpf_context access off=(-?\d+) size=(\d+)")
_REPAIRS = 200_000  # instructions walked to try repairs
_SHOWN = 8  # source lines of the path


@dataclass(frozen=True, slots=True)
class Explanation:
    """title, reason: why it is refused. at: the place. held: what the register that is blamed holds there.

    path: source lines, or instructions, on the way, the last ones. origin: the instructions that made what the register
    holds, the last first. suggestion: what to do, checked: the model takes the program then, or comes farther.
    """

    title: str
    reason: str
    at: str
    path: tuple[str, ...]
    origin: tuple[str, ...]
    suggestion: str
    checked: str = ""
    held: str = ""

    def __str__(self) -> str:
        indent = "\n" + " " * 14
        lines = [f"Verification failed: {self.title}", f"Reason:       {self.reason}", f"At:           {self.at}"]
        if self.held:
            lines.append(f"Holds:        {self.held}")
        if self.path or self.origin:
            lines.append(f"Causal path:  {indent.join([*([', '.join(self.path)] if self.path else []), *self.origin])}")
        if self.suggestion:
            lines.append(f"Suggestion:   {self.suggestion}{f' ({self.checked})' if self.checked else ''}")
        return "\n".join(lines)


def explain(spec: ObjectSpec, name: str, verdict: Verdict, progress: Progress | None = None) -> Explanation | None:
    """Why a program is refused; None for a verdict that is none. The program is walked again, for its path."""
    if verdict.verdict != REJECT:
        return None
    program = spec.programs[name]
    again = verify(spec, name, level=1, budget=max(verdict.processed, 1), progress=progress)
    steps = [int(found[1]) for line in again.log if (found := _STEP.match(line))]
    row = reason_of(verdict.message)
    slot = verdict.insn if verdict.insn is not None else _named(verdict.message)
    one = by_slot(program).get(slot) if slot is not None else None
    register = blamed(verdict.message, one, verdict.regs)
    origins = taken(program, verdict.message) if register is None else origin(program, steps, register)
    return Explanation(
        row.title, f"{row.reason}{_fields(program, verdict.message, one)} The kernel says: {verdict.message}",
        place(program, slot, spec), tuple(_path(program, steps)), tuple(origins), row.suggestion,
        _checked(spec, name, verdict, progress), _held(verdict, register),
    )  # fmt: skip


def _named(message: str) -> int | None:
    """The instruction that the words themselves name."""
    found = _INSN.search(message)
    return int(found[1]) if found is not None else None


def _fields(program: ProgramSpec, message: str, one: Insn | None) -> str:
    """The fields of the context where the access was, with their widths."""
    found = _CONTEXT.search(message)
    row = BY_NAME[program.type]
    if found is None or row.context is None or one is None:
        return ""
    off, size = int(found[1]), int(found[2])
    layout = CONTEXTS[row.context]
    near = [field for field in layout.fields if field.offset < off + size and off < field.end]
    if not near:
        return f" struct {row.context} has no field at {off}: it ends at {layout.size}."
    names = dict.fromkeys(f"{field.name}, {octets(field.size)} at {field.offset}" for field in near)
    return f" Of struct {row.context} there are: {'; '.join(names)}."


def place(program: ProgramSpec, slot: int | None, spec: ObjectSpec) -> str:
    """An instruction with its source line, in words."""
    if slot is None:
        return f"the whole program {program.name}"
    words = [f"instruction {slot}"]
    one = by_slot(program).get(slot)
    if one is not None:
        words[0] += f": {shown(one)}"
    source = program.source_of(slot)
    if source is not None:
        line = spec.sources.get((source.file, source.line), "").strip()
        words.insert(0, f"{source} `{line}`" if line else str(source))
    return ", ".join(words)


def _path(program: ProgramSpec, steps: Sequence[int]) -> list[str]:
    """The last source lines of the path, each once where it is walked on end; instructions where no lines are known."""
    lines: list[str] = []
    for slot in steps:
        source = program.source_of(slot)
        words = str(source) if source is not None else f"instruction {slot}"
        if not lines or lines[-1] != words:
            lines.append(words)
    return ["…", *lines[-_SHOWN:]] if len(lines) > _SHOWN else lines


def _held(verdict: Verdict, register: int | None) -> str:
    if register is None or register >= len(verdict.regs):
        return ""
    return f"R{register} holds {held(verdict.regs[register])}"


def _checked(spec: ObjectSpec, name: str, verdict: Verdict, progress: Progress | None) -> str:
    """Whether a repair of the instructions themselves helps: it was tried on the model."""
    left, farther = _REPAIRS, ""
    for words, changed in repairs(spec, name, verdict):
        if left <= 0:
            break
        after = verify(changed, name, budget=min(max(4 * verdict.processed, 10_000), left), progress=progress)
        left -= after.processed
        if after.verdict == ACCEPT:
            return f"checked: with {words} the model takes the program"
        if not farther and after.processed > verdict.processed and after.message != verdict.message:
            farther = f"checked: with {words} the model gets past this place"
    return farther
