"""scalars: random functions on stack objects mean the same before and after; which objects go away, and which stay."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bpfvm.compiler.ir.build import Builder
from bpfvm.compiler.ir.check import check
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.ir.text import parse, to_text
from bpfvm.compiler.ir.types import Value
from bpfvm.compiler.passes.scalars import scalars
from bpfvm.compiler.pipeline import optimise
from tests.unit.compiler.ir_evaluator import evaluate

WIDTHS = (8, 16, 32, 64)
HEAD = 'function f syscall "syscall" on_fault 0\n'


class Random:
    """A function of two objects: runs of loads and stores in branches and loops. tidy: no accesses overlap in part."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.function = Function("f", "syscall", "syscall", 0)
        self.b = Builder(self.function)
        self.tidy = seed % 3 != 0
        ctx = self.b.ctx()
        self.values = [self.b.op("load64", ctx, imm=8), self.b.op("load64", ctx, imm=16)]
        self.objects = [self.b.slot("one", 16), self.b.slot("two", 24)]
        for one in self.objects:
            self.b.zero(one)
        for _ in range(self.random.randint(2, 5)):
            self.random.choice((self.run, self.diamond, self.loop))()
        total = self.values[-1]
        for one in self.objects:
            for at in range(0, self.function.slots[one.imm].size, 8):
                width = self.places(one, at)[0][1] if self.tidy else 64
                read = self.b.op(f"load{width}", one, imm=at)
                total = self.b.op("add", self.b.op("mul", total, self.b.const(31)), read)
        self.b.ret(total)

    def places(self, one: Value, word: int) -> list[tuple[int, int]]:
        """Offsets and widths of the numbers in a word: one split for each word of each object."""
        width = WIDTHS[(one.imm * 5 + word // 8) % 4] if self.tidy else self.random.choice(WIDTHS)
        return [(word + at, width) for at in range(0, 8, width // 8)]

    def run(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            one = self.random.choice(self.objects)
            word = 8 * self.random.randrange(self.function.slots[one.imm].size // 8)
            at, width = self.random.choice(self.places(one, word))
            match self.random.randrange(4):
                case 0:
                    self.values.append(self.b.op(f"load{width}", one, imm=at))
                case 1:
                    self.b.op("store64", one, self.b.const(self.random.getrandbits(64)), imm=at // 8 * 8)
                case _:
                    self.b.op(f"store{width}", one, self.random.choice(self.values[-4:]), imm=at)

    def diamond(self) -> None:
        then, other, after = self.b.new_block(), self.b.new_block(), self.b.new_block()
        self.b.branch("ult", self.values[-1], self.values[0], then, other)
        before = list(self.values)
        for block in (then, other):
            self.b.at(block)
            if self.random.random() < 0.8:
                self.run()
            self.values = list(before)
            self.b.goto(after)
        self.b.at(after)

    def loop(self) -> None:
        head, body, after = self.b.new_block(), self.b.new_block(), self.b.new_block()
        start = self.b.const(0)
        self.b.goto(head, start)
        count = self.b.param(head, start.type)
        self.b.at(head)
        self.b.branch("ult", count, self.b.const(self.random.randint(0, 3)), body, after)
        self.b.at(body)
        before = list(self.values)
        self.values.append(count)
        self.run()
        self.values = before
        self.b.goto(head, self.b.op("add", count, self.b.const(1)))
        self.b.at(after)


def _context(seed: int) -> bytearray:
    words = random.Random(seed)
    numbers = [words.choice((0, 1, 2**63, words.getrandbits(64))) for _ in "ab"]
    return bytearray(8) + b"".join(one.to_bytes(8, "little") for one in numbers)


def test_random_functions_mean_the_same() -> None:
    seen: Counter[str] = Counter()
    for seed in range(150):
        before, after = Random(seed).function, Random(seed).function
        check(before)
        seen["changed"] += scalars(after)
        check(after)
        seen["objects that went"] += len(before.slots) - len(after.slots)
        seen["objects that stayed"] += len(after.slots)
        whole = Random(seed).function
        optimise(whole)
        for place in range(4):
            context = _context(4 * seed + place)
            result = evaluate(before, bytearray(context), {})
            assert result == evaluate(after, bytearray(context), {}) == evaluate(whole, bytearray(context), {}), seed
            seen["evaluations"] += 1
        assert to_text(parse(to_text(after))) == to_text(after)
    print(dict(seen))
    assert seen["changed"] >= 110
    assert seen["objects that went"] >= 110
    assert seen["objects that stayed"] >= 40


@pytest.mark.parametrize(
    ("body", "slots"),
    [
        ("store64 v1 v2 +0|load64 v1 +0", 0),
        ("store32 v1 v2 +0|load32 v1 +0", 0),
        ("store32 v1 v2 +0|load32 v1 +4", 0),
        ("store64 v1 v2 +0|load32 v1 +0", 1),  # a part of what was stored
        ("store32 v1 v2 +2|load32 v1 +0", 1),
        ("store32 v1 v2 +0|load32 v1 +0|helper ktime_get_ns|load64 v1 +8", 0),
        ("store64 v1 v1 +0|load64 v1 +8", 1),  # its address is stored
        ("store8 v1 v2 +3|helper ktime_get_ns", 0),  # nobody reads it
    ],
)
def test_which_objects_stay(body: str, slots: int) -> None:
    lines = []
    for number, one in enumerate(body.split("|"), 3):
        lines.append(f"  v{number}: [0, 18446744073709551615] = {one}")
    made = "  v1: stack* = slot +0\n  v2: [0, 18446744073709551615] = helper ktime_get_ns\n"
    function = parse(f"{HEAD}slot one 16 8\nb0:\n{made}" + "\n".join(lines) + f"\n  return v{2 + len(lines)}\n")
    check(function)
    scalars(function)
    check(function)
    assert len(function.slots) == slots, to_text(function)
