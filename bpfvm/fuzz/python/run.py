"""One case on several machines: compiled once, run on every input, outcomes compared.

A compiled program and CPython must agree on values, maps, packets and faults, kind and line; the compiler may refuse a
function by a diagnostic, and nothing else may come out of it.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from bpfvm.compiler import Compiled
from bpfvm.compiler.frontend.translate import translate
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.pipeline import compile_functions
from bpfvm.core.diag import CompileError
from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.fuzz.differ import machine, reason
from bpfvm.fuzz.python.case import Case, input_of, program
from bpfvm.fuzz.python.lines import strange
from bpfvm.fuzz.python.met import counted
from bpfvm.lang.target import LEVELS, Target
from bpfvm.program import Program
from bpfvm.run.backend import Backend
from bpfvm.run.compare import comparable, differences
from bpfvm.run.outcome import Outcome
from bpfvm.run.session import Session
from bpfvm.sim.run import CPython

CPYTHON = "cpython"
TRACED = 2  # inputs of each case whose lines are compared


@dataclass(frozen=True, slots=True)
class Difference:
    """kind: "value", "fault", "lines" (the object names the wrong source lines), "refused" (CPython refuses what was
    compiled, or a machine does not load it), "crash" (something else than an error of bpfvm). input: which one, None
    before the first run. level: of the instructions. recorded: whether the compiled program notes its faults.
    """

    case: Case
    kind: str
    lines: tuple[str, ...]
    level: str
    input: int | None = None
    recorded: bool = True

    def __str__(self) -> str:
        plain = "" if self.recorded else ", plain"
        return f"case {self.case.name} ({self.level}{plain}): {self.kind}: {'; '.join(self.lines)}"


@dataclass(slots=True)
class Verdict:
    """rejected: why it was not compared; `error` then holds the compiler's refusal. ops: IR operations as compiled.
    met: what the compiler met of objects of ours."""

    rejected: str | None = None
    error: CompileError | None = None
    difference: Difference | None = None
    runs: int = 0
    ops: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


def level_of(number: int) -> str:
    """The instructions that case `number` is compiled for: all levels in turn."""
    return list(LEVELS)[number % len(LEVELS)]


def machines(engines: Sequence[str]) -> list[Backend]:
    """Backends by name but cpython, which is the function itself."""
    return [machine(name) for name in engines if name != CPYTHON]


def compare(
    engines: Sequence[str], backends: Sequence[Backend], case: Case, level: str, recorded: bool = True
) -> Verdict:  # fmt: skip
    """One case, compiled for `level`. engines: the names, cpython among them or not. recorded: the program notes
    its faults; one that does not has fewer tests, and only what it gives and leaves behind is compared."""
    verdict = _compare(engines, backends, case, level, recorded)
    if verdict.difference is not None and not recorded:
        verdict.difference = replace(verdict.difference, recorded=False)
    return verdict


def _compare(
    engines: Sequence[str], backends: Sequence[Backend], case: Case, level: str, recorded: bool
) -> Verdict:  # fmt: skip
    verdict = Verdict()
    try:
        made = program(case)
    except LoadError as error:
        verdict.rejected = f"no module: {error}"
        return verdict
    try:
        with counted(verdict.met):
            compiled = compile_case(made, level, verdict.ops, recorded)
    except CompileError as error:
        codes = ", ".join(sorted({one.code for one in error.diags if one.severity == "error"}))
        verdict.rejected, verdict.error = f"compiler: {codes}", error
        return verdict
    except BpfvmError as error:
        verdict.rejected = reason("compiler", error)
        return verdict
    except Exception as error:  # whatever it raises is what is looked for
        verdict.difference = crash(case, "the compiler", error, level)
        return verdict
    with ExitStack() as opened:
        if _load(verdict, opened, engines, backends, made, compiled, case, level, recorded):
            return verdict
    if CPYTHON in engines and recorded:
        _trace(verdict, made, compiled, case, level)
    return verdict


def _trace(verdict: Verdict, made: Program, compiled: Compiled, case: Case, level: str) -> None:
    """Hold the lines of what was executed against CPython's."""
    lines = strange(made, compiled, [input_of(made, given) for given in case.inputs[-TRACED:]])
    if lines:
        verdict.difference = Difference(case, "lines", tuple(lines), level)


def compile_case(made: Program, level: str, ops: Counter[str], recorded: bool = True) -> Compiled:
    """The program compiled, with fault records or without. ops: counts the operations of its IR after all passes."""
    assert made.callee is not None
    assert made.hook is not None
    target = Target.named(level)
    translated = translate(made.callee, made.hook, machine=target, recorded=recorded)
    spec = compile_functions([translated.function], translated.maps, record_faults=recorded, target=target)
    if not recorded:  # CPython knows by them which exceptions are faults of the program
        sites = tuple(translated.function.fault_sites)
        spec = replace(spec, programs={name: replace(one, fault_sites=sites) for name, one in spec.programs.items()})
    for name, declared in translated.maps.items():
        declared.name = declared.name or name
    for function in (translated.function, *translated.function.callees.values()):
        ops.update(_operations(function))
    programs = {translated.function.name: (made.callee, made.hook)}
    return Compiled(spec, translated.warnings, translated.maps, translated.captured, translated.functions, programs)


def _operations(function: Function) -> Counter[str]:
    counts = Counter(value.op for value in function.values())
    counts.update(type(block.terminator).__name__ for block in function.blocks)
    return counts


def crash(case: Case, what: str, error: Exception, level: str) -> Difference:
    """Something raised what is no error of bpfvm; the line says where."""
    return Difference(case, "crash", (f"{what} raised {type(error).__name__} in {place_of(error)}: {error}",), level)


def place_of(error: BaseException) -> str:
    """The innermost function of this package in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = next((one for one in reversed(frames) if "bpfvm" in one.filename or "compiler" in one.filename), frames[-1])
    return f"{own.filename.rpartition('/')[2]}:{own.name}"


def _load(
    verdict: Verdict, opened: ExitStack, engines: Sequence[str], backends: Sequence[Backend], made: Program,
    compiled: Compiled, case: Case, level: str, recorded: bool,
) -> bool:  # fmt: skip
    """Load on every machine and run. True where that ended early."""
    every: list[Backend] = list(backends)
    if CPYTHON in engines:
        every.insert(0, CPython(compiled.programs, compiled.maps, compiled.captured, compiled.functions))
    sessions: list[Session] = []
    for one in every:
        try:
            session = Session(one, compiled.spec, made.name, made.signature, recorded=recorded and one.name != CPYTHON)
        except LoadError as error:
            verdict.difference = Difference(case, "refused", (f"{one.name} does not load it: {error}",), level)
            return True
        except BpfvmError as error:
            verdict.rejected = reason(one.name, error)
            return True
        except Exception as error:
            verdict.difference = crash(case, f"{one.name} at load", error, level)
            return True
        sessions.append(session)
        opened.callback(session.close)
    return any(_run(verdict, sessions, made, case, number, level, recorded) for number in range(len(case.inputs)))


def _run(
    verdict: Verdict, sessions: Sequence[Session], made: Program, case: Case, number: int, level: str, recorded: bool
) -> bool:  # fmt: skip
    """One input on every machine. True where nothing more is to be run, or can be compared."""
    outcomes: list[tuple[str, Outcome]] = []
    for one in sessions:
        try:
            outcomes.append((one.engine, one.outcome(input_of(made, case.inputs[number]))))
        except BpfvmError as error:
            verdict.rejected = reason(one.engine, error)
            return True
        except Exception as error:
            found = crash(case, one.engine, error, level)
            kind = "refused" if one.engine == CPYTHON else "crash"
            verdict.difference = replace(found, kind=kind, input=number)
            return True
    verdict.runs += 1
    budget = next((name for name, one in outcomes if one.fault is not None and one.fault.kind == "budget"), None)
    if budget is not None:
        verdict.rejected = f"{budget}: budget: it runs for too long"
        return True
    compared = comparable(dict(outcomes)) if recorded else {name: _silent(one) for name, one in outcomes}
    (first, reference), *others = compared.items()
    verdict.faults.update([outcomes[0][1].fault.kind if outcomes[0][1].fault is not None else "none"])
    for name, other in others:
        lines = differences(first, reference, name, other)
        if lines:
            kind = "fault" if any(line.startswith("fault") for line in lines) else "value"
            verdict.difference = Difference(case, kind, tuple(lines), level, number)
            return True
    return len(compared) < len(outcomes)  # CPython has gone on where the others ended, and so have its maps


def _silent(outcome: Outcome) -> Outcome:
    """Without a fault of the language, which a program that does not note it cannot tell."""
    is_told = outcome.fault is not None and not outcome.fault.machine
    return replace(outcome, fault=None) if is_told else outcome


def same(one: Difference, other: Difference) -> bool:
    """Whether two cases differ in the same way: in the kind, and, of a crash, in what was raised where."""
    if one.kind != other.kind:
        return False
    if one.kind in ("value", "fault", "lines"):
        return True
    return [line.partition(": ")[0] for line in one.lines] == [line.partition(": ")[0] for line in other.lines]
