"""Soundness of scalars: a number that lies in a register's state lies in the result's, by the table's rows."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.bits import M32, M64, S32_MAX, S32_MIN, S64_MAX, S64_MIN, signed
from bpfvm.isa.ops import BY_NAME, Op, alu, taken
from bpfvm.verifier.domain import scalar, tnum
from bpfvm.verifier.domain.compare import OPPOSITE, outcome, refine
from bpfvm.verifier.domain.regs import Reg, unknown

EDGES = (0, 1, 2, 7, 31, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, S32_MAX, 1 << 31, M32, 1 << 32, S64_MAX,
         1 << 63, M64 - 1, M64)  # fmt: skip
numbers = st.sampled_from(EDGES) | st.integers(0, M64)
ARITHMETIC = ("add", "sub", "mul", "div", "sdiv", "or", "and", "lsh", "rsh", "mod", "smod", "xor", "arsh")
JUMPS = ("jeq", "jne", "jgt", "jge", "jlt", "jle", "jsgt", "jsge", "jslt", "jsle", "jset")


def holds(reg: Reg, value: int) -> bool:
    """Whether the register's state allows the number, in each of its five views."""
    low = value & M32
    return (
        tnum.contains((reg.v, reg.m), value) and reg.umin <= value <= reg.umax
        and reg.smin <= signed(value, 64) <= reg.smax and reg.umin32 <= low <= reg.umax32
        and reg.smin32 <= signed(low, 32) <= reg.smax32
    )  # fmt: skip


@st.composite
def states(draw: st.DrawFn) -> tuple[Reg, int]:
    """A register's state, and a number in it: what is known is taken from the number and from another one."""
    value, other = draw(numbers), draw(numbers)
    reg = unknown()
    if draw(st.booleans()):
        mask = draw(numbers)
        reg.v, reg.m = value & ~mask, mask
    if draw(st.booleans()):
        reg.umin, reg.umax = min(value, other), max(value, other)
    if draw(st.booleans()):
        ends = sorted((signed(value, 64), signed(other, 64)))
        reg.smin, reg.smax = ends[0], ends[1]
    if draw(st.booleans()):
        reg.umin32, reg.umax32 = sorted((value & M32, other & M32))
    if draw(st.booleans()):
        reg.smin32, reg.smax32 = sorted((signed(value, 32), signed(other, 32)))
    scalar.sync(reg)
    return reg, value


@given(states())
def test_deduction_keeps_every_number(state: tuple[Reg, int]) -> None:
    reg, value = state
    assert holds(reg, value)


@given(states(), states(), st.sampled_from(ARITHMETIC), st.sampled_from((32, 64)))
def test_arithmetic(left: tuple[Reg, int], right: tuple[Reg, int], name: str, bits: int) -> None:
    result = left[0].copy()
    scalar.compute(name, bits, result, right[0])
    op = BY_NAME[f"{name}{bits}_x"]
    assert holds(result, alu(op, left[1], right[1]))


@given(states(), st.sampled_from(("neg32", "neg64")))
def test_negation(state: tuple[Reg, int], name: str) -> None:
    op = BY_NAME[name]
    result = state[0].copy()
    scalar.compute("neg", op.bits, result, state[0])
    assert holds(result, alu(op, state[1], 0))


@given(states(), st.sampled_from((1, 2, 4)))
def test_loads_of_fewer_bytes(state: tuple[Reg, int], size: int) -> None:
    reg = state[0].copy()
    scalar.truncate(reg, size)
    assert holds(reg, state[1] & (1 << 8 * size) - 1)


@given(states(), st.sampled_from(("movs8_64", "movs16_64", "movs32_64", "movs8_32", "movs16_32")))
def test_sign_extension(state: tuple[Reg, int], name: str) -> None:
    op = BY_NAME[name]
    reg = state[0].copy()
    scalar.sign_extend(reg, (op.off_is or 0) // 8, op.bits)
    if op.bits == 32:
        scalar.extend32(reg)
    scalar.sync(reg)
    assert holds(reg, alu(op, 0, state[1]))


@given(states(), st.sampled_from(("le", "be", "bswap")), st.sampled_from((16, 32, 64)))
def test_byte_order(state: tuple[Reg, int], name: str, width: int) -> None:
    reg = state[0].copy()
    scalar.swap(reg, name, width)
    assert holds(reg, alu(BY_NAME[f"{name}{width}"], state[1], 0))


@given(states(), states(), st.sampled_from(JUMPS), st.sampled_from((32, 64)))
def test_jumps(left: tuple[Reg, int], right: tuple[Reg, int], name: str, bits: int) -> None:
    """The way that is taken is not ruled out, and what it tells holds for both numbers."""
    goes = taken(BY_NAME[f"{name}{bits}_x"], left[1], right[1])
    assert outcome(name, left[0], right[0], bits) in (None, goes)
    a, b = left[0].copy(), right[0].copy()
    refine(name if goes else OPPOSITE[name], a, b, bits)
    assert holds(a, left[1])
    assert holds(b, right[1])


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_constants_stay_constant(name: str, bits: int) -> None:
    """What is computed of two known numbers is known, but for division, of which kernels before 7.0 know nothing."""
    chance = random.Random(1)
    op: Op = BY_NAME[f"{name}{bits}_x"]
    for _ in range(200):
        a, b = chance.choice(EDGES), chance.choice(EDGES) % (bits if name in ("lsh", "rsh", "arsh") else 1 << 64)
        left, right = Reg("scalar"), Reg("scalar")
        left.known(a)
        right.known(b)
        scalar.compute(name, bits, left, right)
        if name in ("div", "mod", "sdiv", "smod"):
            assert (left.smin, left.smax) == (S64_MIN, S64_MAX)
        else:
            assert (left.v, left.m) == (alu(op, a, b), 0), (a, b)


def test_a_wrong_operation_is_found() -> None:
    """A planted error: addition that forgets to carry into what it does not know."""
    left, right = unknown(), unknown()
    left.v, left.m = 0, 1
    right.known(1)
    left.v, left.m = left.v | right.v, left.m & ~right.v
    left.smin = left.umin = left.smin32 = left.umin32 = S32_MIN
    assert not holds(left, 2)
