"""What the kernel's verifier will know of a value: asked where code is only taken with it, as of a loop's bound."""

from __future__ import annotations

from typing import Protocol

from bpfvm.compiler.ir.types import Value
from bpfvm.core.bits import M64
from bpfvm.lang.types.interval import U64, Interval, of_bits

_DEEP = 8  # operands of operands that are looked at


class Facts(Protocol):
    """One model of the verifier."""

    def range(self, value: Value) -> Interval:
        """Unsigned numbers that the word can be, as far as the verifier is sure to know."""


class Conservative:
    """What every verifier since bounded loops came (5.3) knows: widths of loads, masks, shifts."""

    def range(self, value: Value) -> Interval:
        return _range(value, _DEEP)


def _range(value: Value, depth: int) -> Interval:
    if value.op == "const":
        return Interval(value.imm, value.imm)
    if value.op in ("load8", "load16", "load32", "zext8", "zext16", "zext32"):
        return of_bits(int(value.op.lstrip("adeloxtz")), signed=False)
    if not depth or value.op not in ("and", "lshr", "shl", "mul", "add"):
        return U64
    a, b = (_range(one, depth - 1) for one in value.args)
    if value.op == "and":
        return Interval(0, min(a.hi, b.hi))
    if value.op == "lshr":
        return Interval(a.lo >> b.lo, a.hi >> b.lo) if b.constant is not None and b.lo < 64 else U64
    if value.op in ("shl", "mul"):
        times = b.constant if value.op == "mul" else 1 << b.lo if b.constant is not None and b.lo < 64 else None
        return Interval(a.lo * times, a.hi * times) if times is not None and a.hi * times <= M64 else U64
    return Interval(a.lo + b.lo, a.hi + b.hi) if a.hi + b.hi <= M64 else U64
