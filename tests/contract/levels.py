"""The functions of tests/programs compiled for one -mcpu, run on one machine and compared with CPython."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from bpfvm.compiler import compile_program
from bpfvm.core.errors import BpfvmError
from bpfvm.isa.insn import Insn
from bpfvm.lang import hooks
from bpfvm.lang.target import Target
from bpfvm.obj.model import ProgramSpec
from bpfvm.program import Program
from bpfvm.run.backend import engine
from bpfvm.run.compare import differences
from bpfvm.run.session import Session
from tests.contract.comparison import Comparison
from tests.contract.functions import program_of

FOLDER = Path(__file__).resolve().parents[1] / "programs"
Case = tuple[Callable[..., Any], Sequence[tuple[int, ...]]]
_NEWER = ("jlt", "jle", "jslt", "jsle")


def cases() -> Iterator[Case]:
    """Every function with its inputs."""
    for path in sorted(FOLDER.glob("*.py")):
        yield from import_module(f"tests.programs.{path.stem}").CASES


@cache
def _once(function: Callable[..., Any]) -> Program:
    """What CPython runs, compiled for the default level once; where errors are planted (`only`), it is made anew."""
    return program_of(function)


def level_of(one: Insn) -> int:
    """The lowest -mcpu that has the instruction; atomic operations with a result and may_goto do not count."""
    name = one.op.name
    if name.startswith(("sdiv", "smod", "movs", "ldsx", "bswap")) or name == "gotol":
        return 4
    if "32" in name and name[:2] not in ("ld", "st", "be", "le") and not name.startswith("atomic"):
        return 3
    return 2 if name.startswith(_NEWER) else 1


def target_of(cpu: int) -> Target:
    """The target of a level. Turns of loops are counted by bpf_loop at odd levels, by may_goto at the others."""
    return Target(cpu, may_goto=cpu % 2 == 0)


def too_new(program: ProgramSpec, cpu: int) -> list[str]:
    """Instructions that the level has not."""
    return [one.op.name for one in program.insns if level_of(one) > cpu]


def wrong(
    cpu: int, machine: str, every: int = 1, counts: Counter[str] | None = None, only: str | None = None
) -> Iterator[str]:
    """What differs between CPython and `machine`, function by function, every n-th input of each. only: the function of
    this name."""
    counts = Counter() if counts is None else counts
    for function, inputs in cases():
        if only is not None and getattr(function, "__name__", None) != only:
            continue
        program = _once(function) if only is None else program_of(function)
        hook = program.hook or hooks.function()
        target = program.callee.target if program.callee is not None else function
        spec = compile_program(target, hook, record_faults=True, machine=target_of(cpu)).spec
        yield from (f"{program.name}: v{cpu} has no {name}" for name in too_new(spec.programs[program.name], cpu)[:1])
        try:
            with (
                Session(engine(machine), spec, program.name, program.signature) as mine,
                program.session("cpython") as want,
            ):
                for given in inputs[::every]:
                    one = program.input(given)
                    lines = differences("cpython", want.outcome(one), machine, mine.outcome(one))
                    yield from (f"{program.name}{given}: {line}" for line in lines)
                    counts["runs"] += 1
        except BpfvmError as error:
            yield f"{program.name}: {error}"
        counts["functions"] += 1


def compare(cpu: int, machine: str, every: int = 1) -> Comparison:
    """CPython and `machine` on each function."""
    found = Comparison()
    found.wrong += wrong(cpu, machine, every, found.counts)
    return found
