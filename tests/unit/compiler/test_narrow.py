"""Fewer bits than a register: 32-bit operations where only a low half is wanted, loads that extend the sign, the signed
division of v4. Each only where it is right, and less than what it replaces."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from bpfvm import s8, s16, s32, s64, u32
from bpfvm.compiler import compile_program
from bpfvm.compiler.emit.object import assemble
from bpfvm.compiler.ir.build import Builder
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.ir.types import Ptr
from bpfvm.compiler.lower.narrow import low_halves, signed_loads
from bpfvm.compiler.pipeline import generate
from bpfvm.core.machine import Input
from bpfvm.emulator import INTERP
from bpfvm.lang import hooks
from bpfvm.lang.target import Target
from tests.unit.compiler.ir_evaluator import evaluate

EDGES = (0, 1, 5, 31, 32, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
RING = ("add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr", "udiv", "umod")


def _names(function: Callable[..., Any], cpu: int) -> list[str]:
    spec = compile_program(function, hooks.function(), machine=Target(cpu)).spec
    (program,) = spec.programs.values()
    return [one.op.name for one in program.insns]


def hashed(a: u32, b: u32) -> u32:
    return u32(u32(a * 31 + b) ^ 0x9E3779B9)


def divided(a: s64, b: s64) -> s64:
    return a // b


def rest(a: s64, b: s64) -> s64:
    return a % b


def extended(a: s8, b: s16, c: s32) -> s64:
    return s64(a) * 3 + b * 5 + c * 7


def test_low_halves_are_computed_in_32_bits() -> None:
    names = {cpu: _names(hashed, cpu) for cpu in (2, 3, 4)}
    assert "add32_x" in names[3]
    assert not {"mov32_x", "lsh64_k", "rsh64_k"} & set(names[3])
    assert not any(one.endswith(("32_x", "32_k")) for one in names[2])
    assert len(names[3]) < len(names[2])


@pytest.mark.parametrize(("function", "op"), [(divided, "sdiv64_x"), (rest, "smod64_x")])
def test_signed_division_is_used_where_it_pays(function: Callable[..., Any], op: str) -> None:
    names = {cpu: _names(function, cpu) for cpu in (3, 4)}
    assert op in names[4]
    assert op not in names[3]
    assert len(names[4]) < len(names[3]) - 4


def test_loads_extend_the_sign() -> None:
    names = {cpu: _names(extended, cpu) for cpu in (3, 4)}
    assert {"ldsx8", "ldsx16", "ldsx32"} <= set(names[4])
    assert not any(one.startswith(("movs", "arsh")) for one in names[4])
    assert len(names[4]) == len(names[3]) - 6  # two shifts less each


def _function(op: str, constant: int | None, reads_whole: bool = False) -> Function:
    """The low half of an operation on two words, or on one and a constant."""
    function = Function("f", "syscall", "syscall", 0)
    b = Builder(function)
    ctx = b.ctx()
    x = b.op("load64", ctx, imm=8)
    y = b.const(constant) if constant is not None else b.op("load64", ctx, imm=16)
    made = b.op(op, x, y)
    result = b.op("zext32", made)
    b.ret(b.op("xor", result, made) if reads_whole else result)
    return function


@pytest.mark.parametrize("op", RING)
def test_low_halves_are_right(op: str) -> None:
    """Also of operations whose low half is not that of their low halves, which stay as they are."""
    taken = compared = 0
    for constant in (None, 0, 3, 31, 32, 63, 0x8000_0000, 0xFFFF_FFFF, (1 << 64) - 1):
        function = _function(op, constant)
        taken += bool(low_halves(function))
        assert not low_halves(_function(op, constant, reads_whole=True))
        with INTERP.load(assemble([generate(function, False, Target(3))], {}, None), "f", {}) as loaded:
            for x, y in itertools.product(EDGES, EDGES if constant is None else (0,)):
                context = bytearray(8) + x.to_bytes(8, "little") + y.to_bytes(8, "little")
                assert loaded.run(Input(ctx=bytes(context))).r0 == evaluate(_function(op, constant), context, {}), (
                    x,
                    y,
                )
                compared += 1
    assert compared == 144 + 8 * 12
    assert taken == {"shl": 3, "lshr": 0, "ashr": 0, "udiv": 0, "umod": 0}.get(op, 9)


def test_a_load_that_others_read_stays() -> None:
    for twice in (False, True):
        function = Function("f", "syscall", "syscall", 0)
        b = Builder(function)
        loaded = b.op("load8", b.ctx(), imm=8)
        made = b.op("sext8", loaded)
        b.ret(b.op("add", made, loaded) if twice else made)
        assert bool(signed_loads(function)) is not twice


def test_parts_of_stack_objects_are_addressed_from_r10() -> None:
    """Without a register for their addresses, which are made where a call wants one."""
    function = Function("f", "syscall", "syscall", 0)
    b = Builder(function)
    part = b.op("add", b.slot("pair", 32), b.const(12), type=Ptr("stack"))
    inner = b.op("add", part, b.const(4), type=Ptr("stack"))
    b.op("store32", inner, b.const(5), imm=4)
    b.op("store32", part, b.const(0), imm=0)
    b.ret(b.op("add", b.op("load32", inner, imm=4), b.op("load32", part, imm=8)))
    insns = generate(function, False).insns
    assert [(one.op.name, one.dst, one.off) for one in insns if one.op.name.startswith("st")] == [
        ("st32", 10, -32 + 12 + 4 + 4), ("st32", 10, -32 + 12),
    ]  # fmt: skip
    assert not any(one.op.name == "add64_k" for one in insns)
    with INTERP.load(assemble([generate(function, False)], {}, None), "f", {}) as loaded:
        assert loaded.run(Input(ctx=bytes(8))).r0 == 10
