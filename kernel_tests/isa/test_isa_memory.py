"""The kernel as judge of the memory rows: loads, stores and atomic operations of every width on edge values.

A case works on one 8-byte cell of the stack, filled from the context so that its contents are unknown to the verifier;
the cell and the registers that the row may write go back into the context, where they are compared with the table.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bpfvm.core.bits import M64, mask, signed
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import OPS, Kind, Op
from bpfvm.kernel.maps.elements import BYTE_ORDER
from kernel_tests.handmade import buffer, run_on, words

BASE, CELL, VALUE, COMPARED = 6, -8, 3, 0  # context register, stack offset, the row's operand, cmpxchg's r0
STRIDE = 24  # bytes of context: cell, operand, r0; before the run and after it
POINTER = 4  # the register that holds the cell's address

PATTERNS = (
    0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, 1 << 63,
    0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210, 0x8081_8283_8485_8687, M64 - 1, M64,
)  # fmt: skip
IMMEDIATES = (0, 1, -1, 0x7F, 0x80, 0x1234_5678, 0x7FFF_FFFF, -0x8000_0000, -2)

KINDS = (Kind.LOAD, Kind.LOAD_SX, Kind.STORE, Kind.ATOMIC, Kind.LOAD_ACQUIRE, Kind.STORE_RELEASE)
ROWS = tuple(op for op in OPS if op.kind in KINDS)


@dataclass(frozen=True, slots=True)
class Case:
    """One execution: the bytes `at` in the cell, and what cell, operand and r0 hold before it."""

    op: Op
    at: int
    cell: int
    operand: int
    compared: int

    @property
    def state(self) -> tuple[int, int, int]:
        return self.cell, self.operand, self.compared


def cases(op: Op) -> Iterator[Case]:
    """Every pattern in the cell at every place the access can have, with operands that fit the row."""
    places = range(0, 8, op.bits // 8)  # the verifier takes no misaligned access to the stack
    operands: Sequence[int] = (0xDEAD_BEEF_DEAD_BEEF,)
    if op.kind in (Kind.ATOMIC, Kind.STORE_RELEASE):
        operands = PATTERNS
    elif op.kind is Kind.STORE:
        operands = PATTERNS if op.operand == "src" else tuple(imm & M64 for imm in IMMEDIATES)
    for at, cell, operand in itertools.product(places, PATTERNS, operands):
        yield Case(op, at, cell, operand, 0x1111_1111_1111_1111)
        if op.name.startswith("atomic_cmpxchg"):  # r0 equal to memory, and equal in its low half only
            part = memory(cell, at, op.bits)
            yield Case(op, at, cell, operand, part)
            yield Case(op, at, cell, operand, part ^ 1 << 40)


def memory(cell: int, at: int, bits: int) -> int:
    """The number of `bits` bits that stands `at` bytes into the cell."""
    return int.from_bytes(cell.to_bytes(8, BYTE_ORDER)[at : at + bits // 8], BYTE_ORDER)


def stored(case: Case, value: int) -> int:
    """The cell after `value` was stored at the case's place."""
    size = case.op.bits // 8
    data = bytearray(case.cell.to_bytes(8, BYTE_ORDER))
    data[case.at : case.at + size] = (value & mask(case.op.bits)).to_bytes(size, BYTE_ORDER)
    return int.from_bytes(data, BYTE_ORDER)


def expected(case: Case) -> tuple[int, int, int]:
    """Cell, operand register and r0 after the row, by the table."""
    op, old = case.op, memory(case.cell, case.at, case.op.bits)
    match op.kind:
        case Kind.LOAD | Kind.LOAD_ACQUIRE:
            return case.cell, old, case.compared
        case Kind.LOAD_SX:
            return case.cell, signed(old, op.bits) & M64, case.compared
        case Kind.STORE | Kind.STORE_RELEASE:
            return stored(case, case.operand), case.operand, case.compared
    assert op.value is not None, op.name
    value = op.value(old, case.operand & mask(op.bits), op.bits)
    if op.name.startswith("atomic_cmpxchg"):
        equal = case.compared & mask(op.bits) == old
        return stored(case, value) if equal else case.cell, case.operand, old
    return stored(case, value), old if op.fetches else case.operand, case.compared


def access(case: Case) -> Insn:
    """The row on the case's bytes of the stack, by r10 or by a copy of it in turn."""
    op = case.op
    base, off = (10, CELL + case.at) if case.cell & 1 else (POINTER, case.at)
    if op.kind in (Kind.LOAD, Kind.LOAD_SX, Kind.LOAD_ACQUIRE):
        return Insn(op, VALUE, base, off)
    if op.operand == "imm":
        return Insn(op, base, 0, off, signed(case.operand, 32))
    return Insn(op, base, VALUE, off)


def execute(every: Sequence[Case]) -> list[tuple[int, int, int]]:
    """The three words of each case after one run."""
    code = [insn("mov64_x", BASE, 1), insn("mov64_x", POINTER, 10), insn("add64_k", POINTER, imm=CELL)]
    context: list[int] = []
    for number, case in enumerate(every):
        at = number * STRIDE
        context += case.state
        code += [
            insn("ldx64", VALUE, BASE, at),
            insn("stx64", 10, VALUE, CELL),
            insn("ldx64", VALUE, BASE, at + 8),
            insn("ldx64", COMPARED, BASE, at + 16),
            access(case),
            insn("stx64", BASE, VALUE, at + 8),
            insn("stx64", BASE, COMPARED, at + 16),
            insn("ldx64", VALUE, 10, CELL),
            insn("stx64", BASE, VALUE, at),
        ]
    after = words(run_on([*code, insn("mov64_k", 0), insn("exit")], buffer(context)))
    return [(after[at], after[at + 1], after[at + 2]) for at in range(0, len(after), 3)]


def disagreements(every: Iterable[Case]) -> list[str]:
    """One line for each case in which the kernel is not of the table's opinion."""
    lines = []
    pending = list(every)
    while pending:
        # a load or store reaches 32767 bytes into the context
        part, pending = pending[: 0x7FFF // STRIDE], pending[0x7FFF // STRIDE :]
        for case, found in zip(part, execute(part), strict=True):
            if found != expected(case):
                shown = [" ".join(f"{number:#x}" for number in words) for words in (found, expected(case))]
                lines.append(f"{case.op.name} {case}: kernel {shown[0]}, table {shown[1]}")
    return lines


def test_memory() -> None:
    compared, wrong = 0, []
    for op in ROWS:
        every = list(cases(op))
        compared += len(every)
        wrong += disagreements(every)
    print(f"{compared} cases of {len(ROWS)} memory rows compared with the kernel")
    assert not wrong, "\n".join(wrong)
    assert len(ROWS) == 43
    assert compared >= 15000


def test_context_memory() -> None:
    """Plain loads and stores of every width on the context itself, which unlike the stack is not the verifier's own."""
    rows = [op for op in ROWS if op.kind in (Kind.LOAD, Kind.STORE)]
    compared = 0
    for op, pattern in itertools.product(rows, PATTERNS):
        size = op.bits // 8
        code = [insn("ldx64", VALUE, 1, 8)]
        for at in range(16, 32, size):
            if op.kind is Kind.LOAD:
                code += [Insn(op, 2, 1, at), insn("stx64", 1, 2, 32 + (at - 16) // size * 8)]
            elif op.operand == "src":
                code.append(Insn(op, 1, VALUE, at))
            else:
                code.append(Insn(op, 1, 0, at, signed(pattern, 32)))
        after = words(
            run_on([*code, insn("mov64_k", 0), insn("exit")], buffer([0, pattern, pattern, pattern, *[0] * 16]))
        )
        assert after == after_context(op, pattern), f"{op.name} {pattern:#x}"
        compared += 16 // size
    print(f"{compared} accesses to the context compared with the kernel")
    assert compared >= 1000


def after_context(op: Op, pattern: int) -> list[int]:
    """The context of test_context_memory after the run."""
    count = 128 // op.bits
    if op.kind is Kind.LOAD:
        parts = [memory(pattern, at, op.bits) for at in range(0, 8, op.bits // 8)] * 2
        return [0, pattern, pattern, pattern, *parts, *[0] * (16 - count)]
    value = pattern if op.operand == "src" else signed(pattern, 32)
    data = (value & mask(op.bits)).to_bytes(op.bits // 8, BYTE_ORDER) * (64 // op.bits)
    word = int.from_bytes(data, BYTE_ORDER)
    return [0, pattern, word, word, *[0] * 16]
