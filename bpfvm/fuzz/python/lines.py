"""Whether the line information of an object is right: CPython came to every line that the compiled program did.

The reference tier notes the instructions that it executes, a trace function the lines that CPython comes to. A line
that only the first has is a line of other code. Lines that only CPython has are no error: what is computed there may
have been found without an instruction. Behind the note of a fault, all ways out may be the same few instructions, which
belong to one of them.
"""

from __future__ import annotations

import sys
import types
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bpfvm.compiler import Compiled
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.machine import Tier
from bpfvm.emulator.system import System
from bpfvm.fuzz.trace import BUDGET
from bpfvm.isa.insn import slots
from bpfvm.lang.faults import OVERFLOW, RECORD
from bpfvm.obj.model import ProgramSpec
from bpfvm.program import Program
from bpfvm.run.session import Session
from bpfvm.sim.run import CPython

Line = tuple[str, int]


class Walked(Emulator):
    """The reference tier, noting the slots of the program that it executes, in their order."""

    def __init__(self) -> None:
        super().__init__("interp", BUDGET)
        self.slots: list[int] = []

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        """Part of Emulator."""
        found = Interpreter(system, table, self.budget)
        found.watch = lambda step, executed: self.slots.append(step.slot)
        return found


def strange(made: Program, compiled: Compiled, inputs: Sequence[Input]) -> list[str]:
    """What to say of the first input for which source lines are executed that CPython does not come to."""
    codes = [code for function in compiled.functions for code in _inside(function.__code__)]
    sim = CPython(compiled.programs, compiled.maps, compiled.captured, compiled.functions)
    machine, spec = Walked(), compiled.spec.programs[made.name]
    with (
        Session(machine, compiled.spec, made.name, made.signature) as one,
        Session(sim, compiled.spec, made.name, made.signature, recorded=False) as other,
    ):
        for number, given in enumerate(inputs):
            machine.slots.clear()
            ran = one.run(given)
            with _traced(codes) as seen:
                other.run(given)
            wrong = (
                _lines(spec, machine.slots)
                - seen
                - {(code.co_filename, line) for code in codes for line in _head(code)}
            )
            if wrong:
                places = ", ".join(f"{file}:{line}" for file, line in sorted(wrong))
                return [f"input {number}: {places} is executed, and CPython does not come there"]
            if ran.fault is not None and ran.fault.message == OVERFLOW:
                break  # CPython goes on there, and so do its maps
    return []


def _inside(code: types.CodeType) -> list[types.CodeType]:
    return [code, *(inner for one in code.co_consts if isinstance(one, types.CodeType) for inner in _inside(one))]


def _head(code: types.CodeType) -> Iterator[int]:
    """The lines of a function's own head: its decorators and its `def`."""
    first = min((line for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno),
                default=code.co_firstlineno + 1)  # fmt: skip
    return iter(range(code.co_firstlineno, first))


def _lines(program: ProgramSpec, walked: Sequence[int]) -> set[Line]:
    """The source lines that the slots belong to, up to the note of a fault."""
    starts = sorted(program.lines)
    notes = {slot for slot, one in zip(slots(program.insns), program.insns, strict=False) if one.symbol == RECORD}
    found = set()
    for slot in dict.fromkeys(walked):
        at = bisect_right(starts, slot)
        if at:
            place = program.lines[starts[at - 1]]
            found.add((place.file, place.line))
        if slot in notes:
            break
    return found


@contextmanager
def _traced(codes: Sequence[types.CodeType]) -> Iterator[set[Line]]:
    """The lines of `codes` that are come to until the block ends. Nothing else may trace meanwhile."""
    seen: set[Line] = set()
    wanted = frozenset(codes)

    def line(frame: types.FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if frame.f_code not in wanted:
            return None
        seen.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        yield seen
    finally:
        sys.settrace(before)
