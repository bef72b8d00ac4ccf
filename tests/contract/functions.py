"""Python functions on a machine: those of tests/programs with their inputs, and what sees packets in examples/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from bpfvm import bpf
from bpfvm.core.errors import BpfvmError
from bpfvm.program import Program
from bpfvm.run.compare import differences
from bpfvm.run.outcome import Outcome
from bpfvm.tables.helpers import BY_NAME as HELPERS
from examples.traffic import frames
from tests.contract.comparison import Comparison
from tests.shipped_examples import modules

ROOT = Path(__file__).resolve().parents[2]
LEAST = 14  # bytes of a frame that BPF_PROG_TEST_RUN takes


@cache
def programs() -> tuple[tuple[Program, Sequence[tuple[Any, ...]]], ...]:
    """Every function, compiled once, with the arguments of its runs."""
    found: list[tuple[Program, Sequence[tuple[Any, ...]]]] = []
    for path in sorted((ROOT / "tests/programs").glob("*.py")):
        cases = import_module(f"tests.programs.{path.stem}").CASES
        found += [(program_of(function), inputs) for function, inputs in cases]
    packets = [(frame,) for frame in frames() if len(frame) >= LEAST]
    for module in modules():
        names = [one for one in vars(module).values() if isinstance(one, Program)]
        found += [(one, packets) for one in names if one.hook and one.hook.program_type.layer]
    return tuple(found)


def program_of(function: Any) -> Program:
    """A function of numbers, or the program that it is made to be already."""
    return function if isinstance(function, Program) else bpf.function(function)


def compare(name: str) -> Comparison:
    """Every function on the machine, its maps kept from run to run, as in CPython; CPython as the reference tier."""
    found, other = Comparison(), "interp" if name == "cpython" else "cpython"
    for program, inputs in programs():
        if name == "kernel" and _reads_the_clock(program):
            print(f"{program.name}: not compared with the kernel, which has a clock of its own")
            continue
        try:
            mine = _run(program, inputs, name)
        except BpfvmError as error:
            found.wrong.append(f"{program.name}: {error}")
            continue
        found.counts["functions"] += 1
        found.counts["runs"] += len(mine)
        found.wrong += _differences(program.name, inputs, mine, name, _reference(program, inputs, other), other)
    return found


def _reads_the_clock(program: Program) -> bool:
    calls = {one.imm for one in program.object.programs[program.name].insns if one.op.name == "call"}
    return HELPERS["ktime_get_ns"].id in calls


def _run(program: Program, inputs: Sequence[tuple[Any, ...]], name: str) -> list[Outcome]:
    with program.session(name) as session:
        return [session.outcome(program.input(given)) for given in inputs]


_KEPT: dict[tuple[Program, str], list[Outcome]] = {}


def _reference(program: Program, inputs: Sequence[tuple[Any, ...]], name: str) -> list[Outcome]:
    if (program, name) not in _KEPT:
        _KEPT[program, name] = _run(program, inputs, name)
    return _KEPT[program, name]


def _differences(
    what: str, inputs: Sequence[tuple[Any, ...]], mine: list[Outcome], name: str, theirs: list[Outcome], other: str
) -> Iterator[str]:
    for given, one, two in zip(inputs, mine, theirs, strict=True):
        for line in differences(other, two, name, one):
            yield f"{what}{given}: {line}"
