"""The kernel as judge of the instruction table: every arithmetic row and every jump on edge values.

A case is a few instructions in a syscall program: operands are loaded from the context, so that the verifier knows
nothing of them and folds nothing, the row is executed, its result is stored over the first operand. One program holds
all cases of a row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pytest

from bpfvm.core.bits import M32, M64
from bpfvm.core.errors import VerifierReject
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import BY_NAME, OPS, Kind, Op, alu, taken
from bpfvm.kernel import KERNEL
from kernel_tests.handmade import NAME, buffer, run_on, spec, words

EDGES = (
    0, 1, 2, 7, 31, 32, 33, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE,
    M32, 1 << 32, 0x0123_4567_89AB_CDEF, 0x8000_0000_8000_0000, 0x7FFF_FFFF_FFFF_FFFF, 1 << 63, M64 - 1, M64,
)  # fmt: skip
IMMEDIATES = (
    0, 1, 2, 3, 7, 31, 32, 63, 64, 0x7F, 0x80, 0x7FFF, 0x8000, 0x1234_5678, 0x7FFF_FFFF,
    -1, -2, -128, -129, -0x8000, -0x8000_0000,
)  # fmt: skip

BASE = 6  # the register that holds the context
FREE = (0, 1, 2, 3, 4, 5, 7, 8, 9)
STRIDE = 16  # bytes of context that a case has

ALU_ROWS = tuple(op for op in OPS if op.kind is Kind.ALU)
JUMP_ROWS = tuple(op for op in OPS if op.kind is Kind.JUMP)
DIVISIONS, SHIFTS = ("div", "mod", "sdiv", "smod"), ("lsh", "rsh", "arsh")


@dataclass(frozen=True, slots=True)
class Case:
    """One execution of a row: its registers and its operands; dst and src may be one register."""

    op: Op
    dst: int
    src: int
    left: int
    right: int  # a 64-bit number, or the immediate

    @property
    def operand(self) -> int:
        return self.left if self.src == self.dst and "src" in self.op.uses else self.right & M64


def stem(op: Op) -> str:
    """The row's name without its width and form: "sdiv" of sdiv32_k."""
    return op.name.partition("_")[0].rstrip("0123456789")


def refused_immediate(op: Op, imm: int) -> str | None:
    """What the verifier says to this immediate, or None where it takes it."""
    if stem(op) in DIVISIONS and not imm:
        return "div by zero"
    if stem(op) in SHIFTS and not 0 <= imm < op.bits:
        return f"invalid shift {imm}"
    return None


def cases(op: Op) -> Iterator[Case]:
    """Every pair of edges, on registers that change from case to case, and each edge with itself in one register."""
    registers = itertools.cycle(itertools.permutations(FREE, 2))
    if "src" in op.uses:
        for left, right in itertools.product(EDGES, EDGES):
            yield Case(op, *next(registers), left, right)
        for left in EDGES:
            yield Case(op, *(next(registers)[0],) * 2, left, left)
    elif "imm" in op.uses:
        for left, imm in itertools.product(EDGES, IMMEDIATES):
            if refused_immediate(op, imm) is None:
                yield Case(op, next(registers)[0], 0, left, imm)
    else:
        for left in EDGES:
            yield Case(op, next(registers)[0], 0, left, 0)


def execute(op: Op, body: Callable[[Case], Iterable[Insn]]) -> list[tuple[Case, int, int]]:
    """Run all cases of a row. Gives each with what stands in its two words afterwards."""
    every = list(cases(op))
    code, context = [insn("mov64_x", BASE, 1)], []
    for number, case in enumerate(every):
        at = number * STRIDE
        code.append(insn("ldx64", case.dst, BASE, at))
        context += [case.left, case.right & M64]
        if "src" in op.uses and case.src != case.dst:
            code.append(insn("ldx64", case.src, BASE, at + 8))
        code += body(case)
        code.append(insn("stx64", BASE, case.dst, at))
        if "src" in op.uses and case.src != case.dst:
            code.append(insn("stx64", BASE, case.src, at + 8))
    after = words(run_on([*code, insn("mov64_k", 0), insn("exit")], buffer(context)))
    return [(case, after[2 * number], after[2 * number + 1]) for number, case in enumerate(every)]


def operation(case: Case) -> list[Insn]:
    """The row itself with the case's operands."""
    imm = case.right if "imm" in case.op.uses else 0
    return [Insn(case.op, case.dst, case.src if "src" in case.op.uses else 0, 0, imm)]


def decision(case: Case) -> list[Insn]:
    """dst = 1 where the jump is taken, else 0. The other operand is kept, to be looked at afterwards."""
    (jump,) = operation(case)
    over = Insn(jump.op, jump.dst, jump.src, 2, jump.imm)
    return [over, insn("mov64_k", case.dst, imm=0), insn("ja", off=1), insn("mov64_k", case.dst, imm=1)]


def compare(rows: Iterable[Op], body: Callable[[Case], Iterable[Insn]], expected: Callable[[Case], int]) -> int:
    """Number of cases compared. Fails with every case in which the kernel is not of the table's opinion."""
    wrong, compared = [], 0
    for op in rows:
        for case, result, other in execute(op, body):
            compared += 1
            if result != expected(case):
                wrong.append(f"{op.name} {case}: kernel {result:#x}, table {expected(case):#x}")
            elif other != case.right & M64:
                wrong.append(f"{op.name} {case}: the source register became {other:#x}")
    assert not wrong, "\n".join(wrong)
    return compared


def test_arithmetic() -> None:
    compared = compare(ALU_ROWS, operation, lambda case: alu(case.op, case.left, case.operand))
    print(f"{compared} cases of {len(ALU_ROWS)} arithmetic rows compared with the kernel")
    assert len(ALU_ROWS) >= 72
    assert compared >= 30000


def test_jumps() -> None:
    compared = compare(JUMP_ROWS, decision, lambda case: int(taken(case.op, case.left, case.operand)))
    print(f"{compared} cases of {len(JUMP_ROWS)} jumps compared with the kernel")
    assert len(JUMP_ROWS) == 44
    assert compared >= 20000


def test_a_wrong_row_is_found() -> None:
    planted = replace(BY_NAME["sdiv32_x"], value=BY_NAME["div32_x"].value)
    with pytest.raises(AssertionError, match=r"^sdiv32_x .*: kernel 0x\w+, table 0x\w+"):
        compare([planted], operation, lambda case: alu(case.op, case.left, case.operand))


def test_immediates_that_the_verifier_refuses() -> None:
    refused = 0
    for op in ALU_ROWS:
        for imm in IMMEDIATES if "imm" in op.uses else ():
            reason = refused_immediate(op, imm)
            if reason is None:
                continue
            code = (insn("mov64_k", 0, imm=1), Insn(op, 0, imm=imm), insn("exit"))
            with pytest.raises(VerifierReject, match=rf"^{reason}, at instruction 1\b"):
                KERNEL.load(spec("syscall", code), NAME)
            refused += 1
    print(f"{refused} immediates refused as expected")
    assert refused >= 60
