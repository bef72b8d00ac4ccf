"""Instructions of every row with any operands: one at random, or drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import strategies as st

from bpfvm.core.bits import M32, M64, S32_MAX, S32_MIN
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import OPS, Kind, Op

Pick = Callable[[int, int], int]  # a number from the first to the second
EDGES = (0, 1, -1, 0x7F, 0x80, 0x7FFF, -0x8000, S32_MAX, S32_MIN, M32, 1 << 32, 1 << 63, M64)


def make(op: Op, pick: Pick) -> Insn:
    """An instruction of the row, as `decode` gives it: fields that select the row hold its value."""
    low, high = (0, M64 if "high" in op.uses else M32) if op.kind is Kind.IMM64 else (S32_MIN, S32_MAX)
    return Insn(
        op,
        dst=pick(0, 10) if "dst" in op.uses else 0,
        src=pick(0, 10) if "src" in op.uses else op.src_is or 0,
        off=pick(-0x8000, 0x7FFF) if "off" in op.uses else op.off_is or 0,
        imm=pick(low, high) if "imm" in op.uses else op.imm_is or 0,
    )


@st.composite
def insns(draw: st.DrawFn, ops: tuple[Op, ...] = OPS) -> Insn:
    """Any instruction of these rows; edges of each field come often."""

    def pick(low: int, high: int) -> int:
        edges = [edge for edge in (*EDGES, low, high) if low <= edge <= high]
        return draw(st.sampled_from(edges) | st.integers(low, high))

    return make(draw(st.sampled_from(ops)), pick)


def at_random(seed: int, count: int, ops: tuple[Op, ...] = OPS) -> list[Insn]:
    """`count` instructions of each row."""
    random = Random(seed)
    return [make(op, random.randint) for op in ops for _ in range(count)]
