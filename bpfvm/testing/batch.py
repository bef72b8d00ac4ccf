"""Many cases in one program: what loads slowly, or is translated first, runs a corpus of data files in a third of the
time.

    r6 = r1
    r1 = r6                         for each case: called as a function, as behind the entry of Case.spec
    call body
    *(u64 *)(r6 + …) = r0
    …
    r0 = 0
    exit
    body: …                         its registers from words of memory that are its own

Only cases that end by a result join others: what faults, is refused, warns, is counted or has maps stands alone. A
batch tells only whether all of it is right; what is wrong is found by running its cases one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bpfvm.core.machine import Input, Result
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.isa.ops import Kind
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec
from bpfvm.testing.case import NAME, UNSTORED, WORD, Case

MOST = 16  # cases in a batch: what loading costs is shared, and offsets stay far from 16 bits
_ENTRY = 3  # instructions of the entry function for each case


@dataclass(frozen=True, slots=True)
class Batch:
    """Cases that run together, each of `can_join`."""

    cases: tuple[Case, ...]

    def spec(self) -> ObjectSpec:
        """An object whose one program, called "case", runs the cases one after another."""
        mem = sum(len(case.mem) for case in self.cases)
        entry: list[Insn] = [insn("mov64_x", 6, 1)]
        bodies: list[Insn] = []
        functions = []
        start, at = 1 + _ENTRY * len(self.cases) + 2, 0
        for number, case in enumerate(self.cases):
            entry += [
                insn("mov64_x", 1, 6),
                insn("call_local", imm=start - len(entry) - 2),
                insn("stx64", 6, 0, mem + WORD * number),
            ]
            functions.append(FunctionSpec(f"body{number}", start, is_static=True))
            loads = len(case.mem) // WORD
            bodies += [replace(one, off=one.off + at) for one in case.insns[:loads]]
            bodies += case.insns[loads:]
            at += len(case.mem)
            start += slots(case.insns)[-1]
        insns = (*entry, insn("mov64_k", 0), insn("exit"), *bodies)
        return ObjectSpec({NAME: ProgramSpec(NAME, "syscall", "syscall", insns, functions=tuple(functions))}, {})

    def input(self) -> Input:
        """The memory of all cases, and behind it a word for the r0 of each."""
        return Input(ctx=b"".join(case.mem for case in self.cases) + UNSTORED * len(self.cases))

    def is_right(self, outcome: Result) -> bool:
        """Whether every case gave its result and nothing else happened."""
        mem = b"".join(case.mem for case in self.cases)
        stored = b"".join((case.result or 0).to_bytes(WORD, "little") for case in self.cases)
        return outcome.fault is None and not outcome.warnings and outcome.ctx == mem + stored


def can_join(case: Case) -> bool:
    """Whether a case can run in a batch: a result, registers from memory if any, and nothing around them."""
    want, plainly = case.expect, case.type == "syscall" and not (case.code or case.maps or case.plain)
    alone = (want.memory, want.warning, want.insns, want.kernel, case.budget)
    if not plainly or want.result is None or alone != (None,) * len(alone):
        return False
    if case.mem and not case.has_words:
        return False
    return not any(one.op.kind is Kind.CALL or one.op.name == "lddw_func" for one in case.insns)


def batches(cases: Iterable[Case], most: int = MOST) -> Iterator[Batch | Case]:
    """The cases, in their order but for those that stand alone, as batches of up to `most`."""
    waiting: list[Case] = []
    for case in cases:
        if not can_join(case):
            yield case
            continue
        waiting.append(case)
        if len(waiting) == most:
            yield _batch(waiting)
            waiting = []
    if waiting:
        yield _batch(waiting)


def _batch(cases: Sequence[Case]) -> Batch | Case:
    return Batch(tuple(cases)) if len(cases) > 1 else cases[0]
