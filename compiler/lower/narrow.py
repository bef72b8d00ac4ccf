"""Where fewer bits are wanted than are computed: operations on low halves, and loads that extend the sign."""

from __future__ import annotations

from bpfvm.compiler.ir.function import Function, operands
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Ptr, Value
from bpfvm.core.bits import M32

_RING = ("add", "sub", "mul", "and", "or", "xor", "neg")  # low bits of the result follow from low bits of operands
_CUTS = ("zext8", "zext16", "zext32", "sext8", "sext16", "sext32", "bswap16", "bswap32")
_STORES = ("store8", "store16", "store32", "atomic_add32", "atomic_or32", "atomic_and32", "atomic_xor32")


def low_halves(function: Function) -> set[Value]:
    """Operations to do in 32 bits: of their results nobody reads more, and one reader clears the upper half.

    A 32-bit operation clears it itself (RFC 9669 section 4.1), so that the reader has nothing to do.
    """
    cleared: set[Value] = set()
    whole: set[Value] = set()
    for block in function.blocks:
        for value in block.values:
            for place, arg in enumerate(value.args):
                if not _is_cut(value, place):
                    whole.add(arg)
            if clears(value):
                cleared.add(value.args[0])
        whole.update(operands(block.terminator))
    return {one for one in cleared - whole if _has_half(one)}


def clears(value: Value) -> bool:
    """Whether an operation keeps the low half of its first operand, and nothing else."""
    return value.op == "zext32" or (value.op == "and" and _is_mask(value.args[1]) and value.args[1].imm == M32)


def _is_cut(value: Value, place: int) -> bool:
    """Whether an operation reads no more than the low half of an operand."""
    if value.op in _STORES:
        return place == 1
    return value.op in _CUTS or (value.op == "and" and _is_mask(value.args[1 - place]))


def _is_mask(value: Value) -> bool:
    return value.op == "const" and value.imm <= M32


def _has_half(value: Value) -> bool:
    if isinstance(value.type, Ptr) or any(isinstance(arg.type, Ptr) for arg in value.args):
        return False
    return value.op in _RING or (value.op == "shl" and value.args[1].op == "const" and value.args[1].imm < 32)


def signed_loads(function: Function) -> dict[Value, Value]:
    """Loads whose only reader extends the sign from their width: each with that reader."""
    readers: dict[Value, list[Value | None]] = {}
    for block in function.blocks:
        for value in block.values:
            for arg in value.args:
                readers.setdefault(arg, []).append(value)
        for arg in operands(block.terminator):
            readers.setdefault(arg, []).append(None)
    found = {}
    for value in function.values():
        if value.op in ("load8", "load16", "load32") and len(readers.get(value, ())) == 1:
            (reader,) = readers[value]
            if reader is not None and reader.op == f"sext{IR_OPS[value.op].bits}":
                found[value] = reader
    return found
