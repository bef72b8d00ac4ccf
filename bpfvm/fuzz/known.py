"""Differences whose cause is known to be the kernel, so that they hide no others: met by fuzzing, shown by hand.

`kernel_tests/fuzz/test_fuzz.py` holds the smallest program of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.emulator import Emulator, code
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.helpers.control import MOST_LOOPS
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.machine import Tier
from bpfvm.emulator.system import System
from bpfvm.fuzz.case import PROGRAM, Case
from bpfvm.fuzz.edit import Step, closed, inserted, opened
from bpfvm.fuzz.trace import BUDGET
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import BY_NAME, Kind
from bpfvm.tables.helpers import BY_NAME as HELPERS

Differs = Callable[[Case], bool]  # whether the machines of a run differ on a case


def _unread_exchange(case: Case, differs: Differs) -> bool:
    """A 32-bit compare-and-exchange that nothing straight behind it reads r0 of as 64 bits.

    Its success leaves rax as it was on x86-64, so the verifier puts a zero-extension behind it, but only where it saw
    all of r0 being read. Linux 6.18 does not see that on a path which it cuts short because the code ahead was checked
    on another one: r0 then keeps its upper half, which RFC 9669 section 5.3 and the verifier itself say is 0.
    """
    try:
        steps = opened(case.program.insns)
    except LoadError:
        return False
    joined = {step.target for step in steps}
    return any(
        one.insn.op.name == "atomic_cmpxchg32"
        and (at in joined or after.insn.op.name not in ("stx64", "mov64_x") or after.insn.src != 0)
        for at, (one, after) in enumerate(pairwise(steps), 1)
    )


def _remembered_stack(case: Case, differs: Differs) -> bool:
    """A fetching operation on a stack slot that held a constant, of which the verifier makes too much.

    It takes the constant for what is fetched, and forgets that what it then knows of jumps rests on it: a path with
    another constant in the slot counts as checked, and jumps that were only ever seen to go one way lose the other one
    (Linux 6.18). So the same program is tried with slots of which the verifier knows nothing: there are two exclusive
    ors in front of each fetching operation, which leave memory as it was.
    """
    if not any(one.op.fetches for one in case.program.insns):
        return False
    try:
        return not differs(case.with_insns(closed(_forgetful(opened(case.program.insns)))))
    except LoadError:
        return False


def _forgetful(steps: list[Step]) -> list[Step]:
    for at in reversed([number for number, step in enumerate(steps) if step.insn.op.fetches]):
        one = steps[at].insn
        row = BY_NAME[f"atomic_xor{one.op.bits}"]
        first = at + 2
        steps = inserted(steps, at, [replace(one, op=row, imm=row.imm_is or 0)] * 2)
        steps = [Step(step.insn, at if step.target == first else step.target) for step in steps]
    return steps


def _spilled_sign(case: Case, differs: Differs) -> bool:
    """A load with its sign of a number that was spilled, of which the verifier makes too much.

    It takes what is loaded for equal to what was spilled, so what a comparison tells of one is believed of the other,
    and jumps lose one of their ways (Linux 6.18). So the same program is tried with loads without a sign, which is
    extended behind them.
    """
    try:
        steps = opened(case.program.insns)
        signed_loads = [at for at, step in enumerate(steps) if step.insn.op.kind is Kind.LOAD_SX]
        return bool(signed_loads) and not differs(case.with_insns(closed(_extended(steps, signed_loads))))
    except LoadError:
        return False


def _extended(steps: list[Step], loads: list[int]) -> list[Step]:
    for at in reversed(loads):
        one = steps[at].insn
        row = BY_NAME[f"movs{one.op.bits}_64"]
        steps = inserted(steps, at + 1, [Insn(row, one.dst, one.dst, row.off_is or 0)])
        steps[at] = Step(replace(one, op=BY_NAME[f"ldx{one.op.bits}"]))
    return steps


def _long_loop(case: Case, differs: Differs) -> bool:
    """A bpf_loop of more rounds than BPF_MAX_LOOPS.

    The verifier writes a loop in place of the call where it knows the function and that there are no flags. That loop
    looks at 64 bits of a count of which the helper takes 32, and its error has 32 bits in place of 64 (Linux 6.18).
    """
    counts: list[object] = []
    try:
        with closing(_Counting(counts).load(case.spec, PROGRAM, case.maps)) as loaded:
            for given in case.inputs:
                loaded.run(given)
    except BpfvmError:
        return False
    return any(isinstance(count, int) and count > MOST_LOOPS for count in counts)


class _Counting(Emulator):
    """The reference tier, which notes what r1 holds at each call of bpf_loop."""

    def __init__(self, counts: list[object]) -> None:
        super().__init__("interp", BUDGET)
        self._counts = counts

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        """Part of Emulator."""
        interpreter = Interpreter(system, table, self.budget)

        def watch(step: code.Step, executed: int) -> None:
            if step.op.name == "call" and step.operand == HELPERS["loop"].id:
                self._counts.append(interpreter.registers[1])

        interpreter.watch = watch
        return interpreter


KNOWN: Mapping[str, Callable[[Case, Differs], bool]] = {
    "kernel: r0 keeps its upper half after atomic_cmpxchg32 on a path that the verifier cut short": _unread_exchange,
    "kernel: a loop in place of bpf_loop counts and fails in its own way": _long_loop,
    "kernel: a jump on a number loaded with its sign from a spill has lost one of its ways": _spilled_sign,
    "kernel: a jump on what an atomic operation fetched from the stack has lost one of its ways": _remembered_stack,
}


def known(case: Case, differs: Differs) -> str | None:
    """Why the kernel may be wrong about the case, or None. differs: tells of changed cases whether machines differ."""
    return next((reason for reason, applies in KNOWN.items() if applies(case, differs)), None)
