"""What the model says of a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bpfvm.isa.insn import Insn
from bpfvm.verifier.domain.regs import Reg
from bpfvm.verifier.domain.state import entry_state
from bpfvm.verifier.errors import Rejected, Undecided
from bpfvm.verifier.paths.explore import explore
from bpfvm.verifier.paths.live import live_registers, loops
from bpfvm.verifier.paths.walk import LIMIT, Progress, Setting, Walk
from bpfvm.verifier.program.code import Code, check_abnormal, check_jumps, mark
from bpfvm.verifier.program.depth import check_depth
from bpfvm.verifier.program.functions import Function, entry_of
from bpfvm.verifier.program.raw import Raw
from bpfvm.verifier.program.wide import check_kernel_calls, check_wide
from bpfvm.verifier.report.log import Log, live_table

ACCEPT, REJECT, UNDECIDED = "accept", "reject", "undecided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """verdict: accept, reject or undecided. message: the kernel's words of a rejection, its lines joined by "; ", or
    why nothing is decided. insn: the slot that is blamed. processed: instructions that were walked. log: its lines.
    visits: how often each slot was walked. regs: of the innermost frame, where the program was refused."""

    verdict: str
    message: str
    insn: int | None
    processed: int
    log: tuple[str, ...] = ()
    visits: tuple[int, ...] = ()
    states: int = 0
    regs: tuple[Reg, ...] = ()


def check(
    insns: Sequence[Insn], setting: Setting, *, level: int = 0, budget: int = LIMIT,
    functions: Mapping[int, Function] | None = None, raw: Raw | None = None, progress: Progress | None = None,
) -> Verdict:  # fmt: skip
    """The verdict on a program's instructions. level: of the log. budget: instructions to walk before giving up.

    functions: by their first slots, where BTF tells them. raw: what is wrong with bytes that `insns` were read from.
    progress: told now and then how many instructions were walked, and how many branches wait.
    """
    log = Log(level)
    walk: Walk | None = None
    try:
        code = Code(insns, functions or {})
        if level & 2:
            log.lines += [f"func#{number} @{start}" for number, start in enumerate(code.starts)]
        check_kernel_calls(code, setting)
        check_jumps(code)
        check_abnormal(code)
        check_wide(code, setting, raw.early if raw is not None else {})
        marks = mark(code)
        marks.scc = loops(code, marks)
        marks.live = live_registers(code, marks)
        if level & 2:
            log.lines += live_table(code.each(), marks.live, marks.scc)
        walk = Walk(code, marks, setting, log, budget, progress)
        walk.bad = raw.bad if raw is not None else {}
        explore(walk, entry_state(), 0)
        _functions(walk)
        check_depth(walk)
    except Rejected as reason:
        if not log.reasons:
            log.reason(str(reason))
        return _verdict(REJECT, "; ".join(log.reasons), reason.at, walk, log)
    except Undecided as reason:
        at = walk.at if walk is not None else None
        return _verdict(UNDECIDED, str(reason), at, walk, log)
    if not level & 2:
        log.lines.clear()
    return _verdict(ACCEPT, "", None, walk, log)


def _functions(walk: Walk) -> None:
    """Functions that are verified by themselves, those that are called, each once."""
    done = set[int]()
    while waiting := sorted(walk.called - done):
        start = waiting[0]
        done.add(start)
        if walk.log.level:
            walk.log.add(f"Validating {walk.code.functions[start].name}() func#{walk.code.number(start)}...")
        walk.seen.clear()
        explore(walk, entry_of(walk, start), start)


def _verdict(verdict: str, message: str, at: int | None, walk: Walk | None, log: Log) -> Verdict:
    processed = walk.processed if walk is not None else 0
    visits = tuple(walk.visits) if walk is not None else ()
    regs = tuple(walk.state.regs) if walk is not None and verdict == REJECT and walk.state.frames else ()
    return Verdict(verdict, message, at, processed, tuple(log.lines), visits, walk.states if walk else 0, regs)
