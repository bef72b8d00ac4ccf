"""Random programs on the verifier's edges: numbers, jumps and the stack, without maps and calls."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

ARITHMETIC = ("+=", "-=", "*=", "&=", "|=", "^=", "<<=", ">>=", "s>>=")
JUMPS = ("==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&")
CONSTANTS = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    100,
    255,
    256,
    -1,
    -2,
    -8,
    -128,
    0x7FFFFFFF,
    -0x80000000,
    4096,
)
REGISTERS = (0, 2, 3, 4)
SLOTS = (8, 16, 24)


@dataclass(slots=True)
class Writer:
    """chance: the source of every choice. waiting: labels that are jumped to and not written yet."""

    chance: random.Random
    lines: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    labels: int = 0

    def constant(self) -> int:
        return self.chance.choice((*CONSTANTS, self.chance.randrange(-(1 << 31), 1 << 31)))

    def register(self) -> int:
        return self.chance.choice(REGISTERS)

    def arithmetic(self) -> None:
        width, sign, dst = self.chance.choice("rw"), self.chance.choice(ARITHMETIC), self.register()
        operand = f"{width}{self.register()}"
        if self.chance.random() < 0.5:
            shift = sign.strip("s=") in ("<<", ">>")
            operand = str(self.chance.randrange(64 if width == "r" else 32) if shift else self.constant())
        self.lines.append(f"{width}{dst} {sign} {operand}")

    def other(self) -> None:
        a, b, number = self.register(), self.register(), self.constant()
        self.lines.append(
            self.chance.choice((
                f"r{a} = r{b}", f"w{a} = w{b}", f"r{a} = (s8)r{b}", f"r{a} = (s16)r{b}", f"r{a} = (s32)r{b}",
                f"w{a} = (s8)w{b}", f"w{a} = (s16)w{b}", f"r{a} = -r{a}", f"w{a} = -w{a}", f"r{a} = be16 r{a}",
                f"r{a} = bswap64 r{a}", f"r{a} = be32 r{a}", f"r{a} = le16 r{a}", f"r{a} = {number}",
                f"w{a} = {number}", f"r{a} /= 3", f"r{a} %= r{b}", f"w{a} %= 7", f"w{a} /= w{b}",
            ))
        )  # fmt: skip

    def memory(self) -> None:
        bits, slot, reg = self.chance.choice((8, 16, 32, 64)), -self.chance.choice(SLOTS), self.register()
        if self.chance.random() < 0.5:
            slot += self.chance.randrange(64 // bits) * bits // 8
        choices = [
            f"*(u{bits} *)(r10 {slot}) = r{reg}", f"r{reg} = *(u{bits} *)(r10 {slot})",
            f"*(u{bits} *)(r10 {slot}) = {self.chance.choice((0, 1, -1, 300))}",
        ]  # fmt: skip
        if bits < 64:
            choices.append(f"r{reg} = *(s{bits} *)(r10 {slot})")
        self.lines.append(self.chance.choice(choices))

    def jump(self) -> None:
        width, number = self.chance.choice("rw"), self.constant()
        self.labels += 1
        operand = str(number if width == "r" or number >= 0 else number & 0xFFFFFFFF)
        if self.chance.random() < 0.5:
            operand = f"{width}{self.register()}"
        self.lines.append(f"if {width}{self.register()} {self.chance.choice(JUMPS)} {operand} goto l{self.labels}")
        self.waiting.append(f"l{self.labels}:")

    def one(self) -> None:
        kinds = (self.arithmetic, self.other, self.memory, self.jump)
        self.chance.choices(kinds, (45, 10, 17, 28))[0]()
        while self.waiting and self.chance.random() < 0.25:
            self.lines.append(self.waiting.pop(self.chance.randrange(len(self.waiting))))

    def turns(self, depth: int = 0) -> None:
        """A loop that may_goto ends, now and then with another one inside."""
        self.labels += 1
        again, out = f"again{self.labels}", f"out{self.labels}"
        self.lines += [f"{again}:", f"may_goto {out}"]
        for _ in range(self.chance.randrange(1, 8)):
            self.one()
        if not depth and self.chance.random() < 0.3:
            self.turns(1)
        if self.chance.random() < 0.3:
            self.lines.append(f"if r{self.register()} {self.chance.choice(JUMPS)} {self.constant()} goto {out}")
        self.lines += [f"goto {again}", f"{out}:"]


def program(seed: int, loops: bool = False) -> str:
    """The text of the program that the seed stands for; of type xdp."""
    writer = Writer(random.Random(seed))
    chance = writer.chance
    writer.lines += [
        "r6 = r1", "r0 = *(u32 *)(r6 +12)", "r2 = *(u32 *)(r6 +16)", "r3 = *(u64 *)(r10 -8)",
        f"r4 = {chance.choice((0, 1, -1, 7, 100, -100000))}",
    ]  # fmt: skip
    for _ in range(chance.randrange(4, 30)):
        writer.one()
    if loops:
        for _ in range(chance.choice((1, 1, 2))):
            writer.turns()
    if chance.random() < 0.3:
        writer.lines += ["r5 = r10", f"r5 += r{writer.register()}", "r5 = 0"]
    elif chance.random() < 0.5:
        writer.lines += ["r0 &= 7", "r5 = r10", "r5 += r0", "*(u8 *)(r5 -16) = r2", "r2 = *(u8 *)(r10 -12)", "r5 = 0"]
    writer.lines += writer.waiting
    if chance.random() < 0.5:
        writer.lines += [f"r{one} = r{one}" for one in REGISTERS]
    return "\n".join([*writer.lines, "r0 += r2", "exit"])
