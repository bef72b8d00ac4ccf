"""Numbers and registers that are worth trying: edges of every width, registers that machines treat apart."""

from __future__ import annotations

import random

from bpfvm.core.bits import M32, M64, signed
from bpfvm.isa.ops import Kind, Op

DIVISIONS, SHIFTS = ("div", "mod", "sdiv", "smod"), ("lsh", "rsh", "arsh")

EDGES = (
    0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF,
    0x8000_0000, 0x8000_0001, 0xFFFF_FFFE, M32, 1 << 32, (1 << 32) + 1, 0x0123_4567_89AB_CDEF, 0x8081_8283_8485_8687,
    0x8000_0000_8000_0000, 0x7FFF_FFFF_FFFF_FFFF, 1 << 63, (1 << 63) + 1, 0xFFFF_FFFF_0000_0000,
    0xFFFF_FFFF_8000_0000, M64 - 1, M64,
)  # fmt: skip

# x86-64 JITs keep r0, r3 and r4 in rax, rdx and rcx, which multiplication, division, shifts and compare-and-exchange
# use for themselves.
_WEIGHTS = {0: 3, 3: 3, 4: 3}


def number(rng: random.Random) -> int:
    """64 bits: an edge, something near one, a small number, or any."""
    choice = rng.random()
    if choice < 0.5:
        return rng.choice(EDGES)
    if choice < 0.65:
        return (rng.choice(EDGES) + rng.randint(-2, 2)) & M64
    if choice < 0.75:
        return rng.randrange(70)
    if choice < 0.85:
        return (rng.choice(EDGES) & M32) | (rng.choice(EDGES) & M32) << 32
    return rng.getrandbits(64)


def immediate(rng: random.Random) -> int:
    """Signed 32 bits."""
    return signed(number(rng), 32)


def stem(op: Op) -> str:
    """The row's name without its width and form: "sdiv" of sdiv32_k."""
    return op.name.partition("_")[0].rstrip("0123456789")


def fits(op: Op, imm: int) -> bool:
    """Whether the kernel's verifier takes the immediate: no division by 0, no shift by the width or more."""
    if op.kind is not Kind.ALU or op.operand == "src":
        return True
    if stem(op) in SHIFTS:
        return 0 <= imm < op.bits
    return stem(op) not in DIVISIONS or imm != 0


def operand(rng: random.Random, op: Op) -> int:
    """An immediate that fits `op`."""
    if op.kind is Kind.ALU and stem(op) in SHIFTS:
        return rng.choice((0, 1, op.bits - 1, op.bits // 2, rng.randrange(op.bits)))
    imm = immediate(rng)
    return imm if fits(op, imm) else 1


def memory(rng: random.Random, size: int) -> bytes:
    """`size` bytes of 64-bit numbers; now and then one stands there again, so that comparisons meet equals."""
    words: list[int] = []
    for _ in range((size + 7) // 8):
        words.append(rng.choice(words) if words and rng.random() < 0.2 else number(rng))
    return b"".join(word.to_bytes(8, "little") for word in words)[:size]


def register(rng: random.Random, among: list[int]) -> int:
    """One of the registers, the special ones more often."""
    return rng.choices(among, [_WEIGHTS.get(one, 1) for one in among])[0]
