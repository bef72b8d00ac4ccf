"""Selection: each operation with each form of operand computes what the table says, by instructions of BPF v3."""

from __future__ import annotations

import itertools

import pytest

from bpfvm.compiler.emit.object import Code, assemble
from bpfvm.compiler.ir.build import Builder
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.ir.ops import CONDITIONS, IR_OPS, holds
from bpfvm.compiler.ir.types import Ptr, Word
from bpfvm.compiler.lower.copies import sequence
from bpfvm.compiler.pipeline import FAULT_RECORD, generate
from bpfvm.core.machine import Input, Location, Result
from bpfvm.emulator import INTERP
from bpfvm.isa.ops import BY_NAME, Kind
from bpfvm.lang.maps import Array
from bpfvm.lang.target import Target
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.scalars import Storage, u8, u16, u32, u64
from bpfvm.obj.model import FaultSite, MapSpec
from tests.unit.compiler.every_op import ARGUMENTS, CELL, every_op
from tests.unit.compiler.test_codegen import FUNCTIONS, Generator

M64 = (1 << 64) - 1
WORDS = (0, 1, 5, 63, 64, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, (1 << 63) - 1, 1 << 63, M64 - 0x7FFF_FFFF,
         M64 - 0x8000_0000, M64)  # fmt: skip
BINARY = [name for name, row in IR_OPS.items() if row.fold is not None and row.args == 2]
EVERYWHERE = {Kind.ALU, Kind.JUMP, Kind.GOTO, Kind.CALL, Kind.EXIT, Kind.LOAD, Kind.STORE, Kind.ATOMIC, Kind.IMM64}


def _run(code: Code, context: bytes, cell: Array | None = None) -> Result:
    spec = assemble([code], {CELL.name: cell} if cell else {}, None)
    with INTERP.load(spec, code.function.name, {}) as loaded:
        result = loaded.run(Input(ctx=context))
    assert result.fault is None, result.fault
    assert result.ctx is not None
    return result


def _word(context: bytes | None, offset: int) -> int:
    assert context is not None
    return int.from_bytes(context[offset : offset + 8], "little")


def test_every_operation_computes_what_its_row_says() -> None:
    function, places = every_op()
    code = generate(function, False, Target(4))
    compared = 0
    for words in itertools.product(WORDS, WORDS):
        context = bytes(8) + b"".join(word.to_bytes(8, "little") for word in words) + bytes(8 * len(places))
        result = _run(code, context, Array(u64, 1))
        for name, offset in places.items():
            row = IR_OPS[name]
            assert row.fold is not None
            assert _word(result.ctx, offset) == row.fold(*words[: row.args]) & M64, (name, words)
            compared += 1
    print(f"{len(places)} operations, {compared} results compared")
    assert compared > 4000
    assert len(places) + ARGUMENTS > 20


@pytest.mark.parametrize("op", BINARY)
def test_constants_on_either_side(op: str) -> None:
    """Nothing folds before selection here: each constant becomes an immediate or a register."""
    function = Function("constants", "syscall", "syscall", 0)
    b = Builder(function)
    ctx = b.ctx()
    x = b.op("load64", ctx, imm=8)
    cases = [*((word, None) for word in WORDS), *((None, word) for word in WORDS), *itertools.product(WORDS, repeat=2)]
    for place, pair in enumerate(cases):
        args = [x if one is None else b.const(one) for one in pair]
        b.op("store64", ctx, b.op(op, *args), imm=16 + 8 * place)
    b.ret(b.const(0))
    code = generate(function, False, Target(max(3, IR_OPS[op].cpu)))
    fold = IR_OPS[op].fold
    assert fold is not None
    for word in WORDS:
        after = _run(code, bytes(8) + word.to_bytes(8, "little") + bytes(8 * len(cases))).ctx
        for place, (left, right) in enumerate(cases):
            want = fold(word if left is None else left, word if right is None else right) & M64
            assert _word(after, 16 + 8 * place) == want, (op, left, right, word)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("narrow", [False, True])
def test_branches_against_constants(condition: str, narrow: bool) -> None:
    """narrow: the type says that the word fits 32 bits, which lets the comparison be one of 32 bits."""
    compared = 0
    for word, mirrored in itertools.product(WORDS, (False, True)):
        function = Function("branch", "syscall", "syscall", 0)
        b = Builder(function)
        ctx = b.ctx()
        x = b.op("load32", ctx, type=Word(Interval(0, 0xFFFF_FFFF)), imm=8) if narrow else b.op("load64", ctx, imm=8)
        pair = (b.const(word), x) if mirrored else (x, b.const(word))
        then, other = b.new_block(), b.new_block()
        b.branch(condition, *pair, then, other)
        for block, answer in ((then, 1), (other, 0)):
            b.at(block)
            b.ret(b.const(answer))
        code = generate(function, record_faults=False)
        for given in WORDS:
            seen = given & 0xFFFF_FFFF if narrow else given
            want = holds(condition, word, seen) if mirrored else holds(condition, seen, word)
            result = _run(code, bytes(8) + given.to_bytes(8, "little"))
            assert result.r0 == want, (condition, word, given, mirrored)
            compared += 1
    assert compared == 2 * len(WORDS) ** 2


@pytest.mark.parametrize("value", [u8, u16, u32, u64])
@pytest.mark.parametrize("constant", [True, False])
def test_update_stores_the_low_bits_of_key_and_value(value: Storage, constant: bool) -> None:
    spec = MapSpec(CELL.name, "array", 4, value.size, 4)
    for key, word in itertools.product((0, 3, 4, (1 << 32) + 2, M64), WORDS):
        function = Function("update", "syscall", "syscall", 0, maps={spec.name: spec})
        b = Builder(function)
        ctx = b.ctx()
        args = [b.const(one) if constant else b.op("load64", ctx, imm=at) for one, at in ((key, 8), (word, 16))]
        b.ret(b.op("update", b.op("map", type=Ptr("map"), named=spec.name), *args))
        made = assemble([generate(function, False)], {spec.name: Array(value, 4)}, None)
        context = bytes(8) + key.to_bytes(8, "little") + word.to_bytes(8, "little")
        with INTERP.load(made, function.name, {}) as loaded:
            result = loaded.run(Input(ctx=context))
            entries = [one for _, one in loaded.read_map(spec.name)]
        index = key & 0xFFFF_FFFF
        stored = [bytes(value.size)] * 4
        if index < 4:
            stored[index] = (word & ((1 << value.bits) - 1)).to_bytes(value.size, "little")
        assert result.fault is None
        assert entries == stored
        assert (result.r0 == 0) is (index < 4)


def test_offsets_past_16_bits_are_added_first() -> None:
    function = Function("far", "syscall", "syscall", 0)
    b = Builder(function)
    ctx = b.ctx()
    base = b.op("add", ctx, b.const(40_000), type=Ptr("ctx"))
    b.op("store64", base, b.const(7), imm=-40_000)
    b.ret(b.op("load64", base, imm=-32_768))
    context = bytes(40_000 - 32_768) + (99).to_bytes(8, "little")
    result = _run(generate(function, record_faults=False), context)
    assert result.r0 == 99
    assert _word(result.ctx, 0) == 7


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("offset", [None, 0])
def test_fault_exits(recorded: bool, offset: int | None) -> None:
    """Two sites: which one ended the program stands in the record; the value is the hook's."""
    sites = [
        FaultSite("IndexError", "one", Location("f.py", 1)),
        FaultSite("ZeroDivisionError", "two", Location("f.py", 2)),
    ]
    function = Function("faults", "syscall", "syscall", 3, fault_sites=sites, result_offset=offset)
    b = Builder(function)
    first, second = b.new_block(), b.new_block()
    b.branch("eq", b.op("load64", b.ctx(), imm=8), b.const(0), first, second)
    for site, block in enumerate((first, second)):
        b.at(block)
        b.fault(site)
    made = assemble([generate(function, recorded)], {}, FAULT_RECORD if recorded else None)
    assert made.programs["faults"].fault_sites == (tuple(sites) if recorded else ())
    assert (FAULT_RECORD.name in made.maps) is recorded
    for word, site in ((0, 1), (5, 2)):
        with INTERP.load(made, "faults", {}) as loaded:
            result = loaded.run(Input(ctx=bytes([9] * 8) + word.to_bytes(8, "little")))
            if recorded:
                assert loaded.read_map(FAULT_RECORD.name) == [(bytes(4), site.to_bytes(4, "little"))]
        assert result.r0 == (3 if offset is None else 0)
        if offset is not None:
            assert _word(result.ctx, offset) == 3


KERNELS = {1: (4, 10), 2: (4, 14), 3: (5, 10), 4: (6, 6)}  # the first that take all of a level


@pytest.mark.parametrize("cpu", KERNELS)
def test_instructions_are_those_of_the_target(cpu: int) -> None:
    """What computes and jumps is of the level; atomics came with 5.12, calls of kernel functions with 5.13 and may_goto
    with 6.9, asked for by name."""
    seen = set()
    for seed in range(FUNCTIONS // 3):
        seen |= {one.op.name for one in generate(Generator(seed, cpu, True).make(), False, Target(cpu)).insns}
    seen |= {one.op.name for one in generate(every_op(cpu)[0], True, Target(cpu)).insns}
    for name in seen - {"may_goto", "call_kfunc"}:
        since = tuple(map(int, BY_NAME[name].since.split(".")))
        computes = BY_NAME[name].kind in (Kind.ALU, Kind.JUMP)
        assert since <= (KERNELS[cpu] if computes else (5, 12)), name
        assert BY_NAME[name].kind in EVERYWHERE, name
    print(f"{len(seen)} rows of the instruction table in use")
    assert len(seen) > 50


def test_immediates_are_ones_that_the_kernel_takes() -> None:
    """No shift by the width or more, no division by 0."""
    seen = 0
    for seed in range(FUNCTIONS // 3):
        for one in generate(Generator(seed).make(), False).insns:
            seen += 1
            if one.op.name.endswith("_k"):
                assert -(1 << 31) <= one.imm < 1 << 31
            if one.op.name.startswith(("lsh", "rsh", "arsh")) and one.op.operand == "imm":
                assert 0 <= one.imm < one.op.bits
            if one.op.name.startswith(("div", "mod")) and one.op.operand == "imm":
                assert one.imm
    assert seen > 1000


def test_parallel_copies_in_sequence() -> None:
    """Every way to give three registers, out of four, new values from one another; the fourth is only read."""
    compared = 0
    for sources in itertools.product(range(4), repeat=3):
        for width in range(1, 4):
            moves = list(zip(range(width), sources, strict=False))
            fresh = itertools.count(10)
            registers = {place: f"value {place}" for place in range(4)}
            want = registers | {dst: registers[src] for dst, src in moves}
            for dst, src in sequence(moves, fresh.__next__):
                registers[dst] = registers[src]
            assert {place: registers[place] for place in range(4)} == want, moves
            compared += 1
    assert compared == 192


@pytest.mark.parametrize("number", [0, 7, M64, 1 << 40])
def test_the_context_takes_no_immediates(number: int) -> None:
    """Kernels before 6.4 refuse them: "BPF_ST stores into R1 ctx is not allowed"."""
    site = FaultSite("IndexError", "one", Location("f.py", 1))
    function = Function("context", "syscall", "syscall", number, fault_sites=[site], result_offset=0)
    b = Builder(function)
    ctx, there, missing = b.ctx(), b.new_block(), b.new_block()
    b.branch("eq", b.op("load64", ctx, imm=8), b.const(0), missing, there)
    b.at(missing)
    b.fault(0)
    b.at(there)
    b.op("store64", ctx, b.const(number), imm=0)
    b.ret(b.const(0))
    code = generate(function, record_faults=False)
    assert not any(one.op.kind is Kind.STORE and one.op.operand == "imm" for one in code.insns)
    for word in (0, 1):
        assert _word(_run(code, bytes(8) + word.to_bytes(8, "little")).ctx, 0) == number
