"""Random IR functions mean the same before and after every pass, and as machine code in the reference tier."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bpfvm.compiler.emit.object import assemble
from bpfvm.compiler.ir.build import WORD, Builder
from bpfvm.compiler.ir.check import check
from bpfvm.compiler.ir.function import Function, edges
from bpfvm.compiler.ir.ops import CONDITIONS, IR_OPS
from bpfvm.compiler.ir.text import parse, to_text
from bpfvm.compiler.ir.types import Ptr, Value
from bpfvm.compiler.passes.simplify import unheard
from bpfvm.compiler.pipeline import PASSES, generate
from bpfvm.core.machine import Input
from bpfvm.emulator import INTERP
from bpfvm.lang.maps import Array
from bpfvm.lang.target import Target
from bpfvm.lang.types.scalars import u64
from bpfvm.obj.model import MapSpec
from tests.unit.compiler.ir_evaluator import evaluate

FUNCTIONS = 300
ARGUMENTS = 6
CONTEXT = 8 * (ARGUMENTS + 1)
EDGES = [0, 1, 2, 63, 64, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
MAP = MapSpec("counts", "array", 4, 8, 4)
ARITHMETIC = {
    cpu: [name for name, row in IR_OPS.items() if row.pure and row.fold is not None and row.cpu <= cpu]
    for cpu in (1, 2, 3, 4)
}


class Generator:
    """One random function: many values alive at once, diamonds, loops, stack objects, calls in between.

    cpu: the level of lang.target whose operations it has. subprograms: whether it calls some.
    """

    def __init__(self, seed: int, cpu: int = 3, subprograms: bool = False) -> None:
        self.random, self.cpu, self.subprograms = random.Random(seed), cpu, subprograms
        self.function = Function(f"f{seed}", "syscall", "syscall", 0, maps={MAP.name: MAP})
        self.builder = Builder(self.function)

    def make(self) -> Function:
        b = self.builder
        ctx = b.ctx()
        values = [b.op("load64", ctx, imm=8 * (i + 1)) for i in range(ARGUMENTS)]
        for _ in range(self.random.randint(1, 5)):
            values = self.piece(values, ctx)
        total = values[0]
        for value in values[1:]:
            total = b.op(self.random.choice(["add", "xor", "sub"]), total, value)
        b.op("store64", ctx, total, imm=0)
        b.ret(b.const(self.random.choice(EDGES)))
        return self.function

    def piece(self, values: list[Value], ctx: Value) -> list[Value]:
        choice = self.random.randrange(7)
        if choice == 0:
            return self.diamond(values)
        if choice == 1:
            return self.count(values)
        if choice == 2:
            return self.loop(values)
        if choice == 3:
            return self.kept(values)
        if choice == 4 and self.subprograms:
            return self.called(values)
        return self.straight(values)

    def straight(self, values: list[Value]) -> list[Value]:
        values = list(values)
        for _ in range(self.random.randint(1, 10)):
            op = self.random.choice(ARITHMETIC[self.cpu])
            args = [self.operand(values) for _ in range(IR_OPS[op].args or 0)]
            values.append(self.builder.op(op, *args))
        return values[-self.random.randint(4, 14) :]

    def operand(self, values: list[Value]) -> Value:
        if self.random.random() < 0.25:
            return self.builder.const(self.random.choice([*EDGES, self.random.getrandbits(64)]))
        return self.random.choice(values)

    def diamond(self, values: list[Value]) -> list[Value]:
        """A branch whose arms permute and compute; what comes out are block parameters."""
        b, width = self.builder, len(values)
        arms, after = [b.new_block(), b.new_block()], b.new_block()
        b.branch(self.random.choice(list(CONDITIONS)), self.operand(values), self.operand(values), arms[0], arms[1])
        params = [b.param(after, values[0].type) for _ in range(width)]
        for arm in arms:
            b.at(arm)
            inside = self.straight(values) if self.random.random() < 0.5 else values
            b.goto(after, *[self.operand(inside) for _ in range(width)])
        b.at(after)
        return params

    def loop(self, values: list[Value]) -> list[Value]:
        """A few turns in which values change and change places."""
        b, width = self.builder, len(values)
        head, body, after = b.new_block(), b.new_block(), b.new_block()
        b.goto(head, b.const(self.random.randint(0, 5)), *values)
        left, *params = [b.param(head, values[0].type) for _ in range(width + 1)]
        b.at(head)
        b.branch("ne", left, b.const(0), body, after)
        b.at(body)
        inside = self.straight(params) if self.random.random() < 0.7 else params
        less = b.op("sub", left, b.const(1))
        turned = [less, *(self.operand([*inside, *params]) for _ in range(width))]
        if self.random.random() < 0.3:
            b.may_goto(head, after, *turned)
        else:
            b.goto(head, *turned)
        b.at(after)
        return params

    def kept(self, values: list[Value]) -> list[Value]:
        """Values stored in a stack object and loaded again, at other widths."""
        b = self.builder
        place = b.slot(f"s{len(self.function.slots)}", 8 * self.random.randint(1, 2))
        b.zero(place)
        for _ in range(self.random.randint(1, 4)):
            size = self.random.choice((1, 2, 4, 8))
            at = self.random.randrange(0, self.function.slots[place.imm].size, size)
            b.op(f"store{8 * size}", place, self.operand(values), imm=at)
        size = self.random.choice((1, 2, 4, 8))
        return [*values[1:], b.op(f"load{8 * size}", place, imm=self.random.choice((0, 8 - size)))]

    def called(self, values: list[Value]) -> list[Value]:
        """A call of a subprogram of its own, of some arguments, one of them perhaps a stack object."""
        b = self.builder
        inner = Function(f"{self.function.name}_{len(self.function.callees)}", "syscall", "syscall", 0,
                         callees=self.function.callees, is_subprogram=True)  # fmt: skip
        arguments = [self.operand(values) for _ in range(self.random.randint(0, 4))]
        place = b.slot(f"s{len(self.function.slots)}", 8)
        b.op("store64", place, self.operand(values))
        self.builder = Builder(inner)
        params = [self.builder.param(self.builder.block, WORD) for _ in arguments]
        pointer = self.builder.param(self.builder.block, Ptr("stack"))
        known = [*params, self.builder.op("load64", pointer)]
        results = self.diamond(self.straight(known)) if self.random.random() < 0.5 else self.straight(known)
        self.builder.op("store64", pointer, results[0])
        self.builder.ret(results[-1])
        self.builder = b
        made = b.call(inner, *arguments, place)
        return [*values[2:], made, b.op("load64", place)]

    def count(self, values: list[Value]) -> list[Value]:
        """A lookup with its null test, and an atomic operation on what it finds."""
        b = self.builder
        key = self.operand(values)
        found = b.op("lookup", b.op("map", type=Ptr("map"), named=MAP.name), key, type=Ptr("map_value", nullable=True))
        there, after = b.new_block(), b.new_block()
        b.branch("ne", found, b.const(0), there, after)
        b.at(there)
        op = self.random.choice(
            ["atomic_add64", "atomic_xor64", "atomic_or64", "atomic_and64", "atomic_add32", "store16"]
        )
        b.op(op, found, self.operand(values), imm=0)
        b.goto(after)
        b.at(after)
        return values


def contexts(seed: int) -> list[bytearray]:
    chooser = random.Random(seed)
    return [
        bytearray(8) + b"".join(chooser.choice([*EDGES, 3]).to_bytes(8, "little") for _ in range(ARGUMENTS))
        for _ in range(4)
    ]


def meaning(function: Function, seed: int) -> list[object]:
    seen: list[object] = []
    for context in contexts(seed):
        maps = {MAP.name: {i: bytearray(8) for i in range(MAP.max_entries)}}
        seen.append((evaluate(function, context, maps), bytes(context), [bytes(v) for v in maps[MAP.name].values()]))
    return seen


def executed(function: Function, seed: int, cpu: int = 3) -> list[object]:
    spec = assemble([generate(function, False, Target(cpu))], {MAP.name: Array(u64, MAP.max_entries)}, None)
    seen: list[object] = []
    for context in contexts(seed):
        with INTERP.load(spec, function.name, {MAP.name: []}) as loaded:
            result = loaded.run(Input(ctx=bytes(context)))
            assert result.fault is None, result.fault
            seen.append((result.r0, result.ctx, [value for _, value in loaded.read_map(MAP.name)]))
    return seen


def test_passes_and_code_keep_the_meaning() -> None:
    compared = spilled = 0
    seen: Counter[str] = Counter()
    for seed in range(FUNCTIONS):
        cpu = 1 + seed % 4
        function = Generator(seed, cpu, subprograms=True).make()
        seen["loops"] += any(
            target.id <= block.id for block in function.blocks for target, _ in edges(block.terminator)
        )
        seen["subprograms"] += bool(function.callees)
        seen["stack objects"] += bool(function.slots)
        check(function)
        want = meaning(function, seed)
        for one in PASSES:
            for part in (function, *function.callees.values()):
                one.run(part, unheard)
                check(part)
            assert meaning(function, seed) == want, f"{one.name} changes function {seed}"
        assert executed(function, seed, cpu) == want, f"code of function {seed} differs"
        compared += len(want)
        spilled += generate(function, record_faults=False).stack > 8
    print(f"{FUNCTIONS} functions, {compared} runs compared, {spilled} with values on the stack, {dict(seen)}")
    assert min(seen.values()) >= 60
    assert compared >= 1000
    assert spilled >= 30


def test_code_of_what_no_pass_has_touched() -> None:
    for seed in range(40):
        function = Generator(seed, subprograms=True).make()
        assert executed(function, seed) == meaning(function, seed)


@pytest.mark.parametrize("seed", range(20))
def test_text_round_trip(seed: int) -> None:
    text = to_text(Generator(seed, subprograms=True).make())
    again = parse(text)
    check(again)
    assert to_text(again) == text
