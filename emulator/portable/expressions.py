"""Each operation as a Python expression over unsigned ints, cut to its width only where it can leave it.

The instruction table's `value` and `test` are the definition; a test compares every entry here with it on edge values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bpfvm.core.bits import mask, signed
from bpfvm.emulator.portable.kinds import Kind, stem_of
from bpfvm.isa.insn import Insn

Form = Callable[[str, str, int], str]  # (dst, src, bits) -> expression; both cut to bits, the result is not


def _sign(text: str, bits: int) -> str:
    """`text`, a number of `bits` bits, read as two's complement."""
    return f"(({text} ^ {1 << (bits - 1)}) - {1 << (bits - 1)})"


def _swap(text: str, width: int) -> str:
    if width == 16:
        return f"(({text} & 255) << 8 | {text} >> 8 & 255)"
    return f"BE({text}{'' if width == 64 else f' & {mask(width)}'}, {width // 8})"


VALUES: Mapping[str, Form] = {
    "mov": lambda d, s, bits: s,
    "add": lambda d, s, bits: f"{d} + {s}",
    "sub": lambda d, s, bits: f"{d} - {s}",
    "mul": lambda d, s, bits: f"{d} * {s}",
    "div": lambda d, s, bits: f"({d} // {s} if {s} else 0)",
    "mod": lambda d, s, bits: f"({d} % {s} if {s} else {d})",
    "sdiv": lambda d, s, bits: f"SDIV({d}, {s}, {bits})",
    "smod": lambda d, s, bits: f"SMOD({d}, {s}, {bits})",
    "or": lambda d, s, bits: f"{d} | {s}",
    "and": lambda d, s, bits: f"{d} & {s}",
    "xor": lambda d, s, bits: f"{d} ^ {s}",
    "lsh": lambda d, s, bits: f"{d} << {_count(s, bits)}",
    "rsh": lambda d, s, bits: f"{d} >> {_count(s, bits)}",
    "arsh": lambda d, s, bits: f"{_sign(d, bits)} >> {_count(s, bits)}",
    "neg": lambda d, s, bits: f"-{d}",
}

TESTS: Mapping[str, Form] = {
    "jeq": lambda d, s, bits: f"{d} == {s}",
    "jne": lambda d, s, bits: f"{d} != {s}",
    "jgt": lambda d, s, bits: f"{d} > {s}",
    "jge": lambda d, s, bits: f"{d} >= {s}",
    "jlt": lambda d, s, bits: f"{d} < {s}",
    "jle": lambda d, s, bits: f"{d} <= {s}",
    "jset": lambda d, s, bits: f"{d} & {s}",
    "jsgt": lambda d, s, bits: f"{_flip(d, bits)} > {_flip(s, bits)}",
    "jsge": lambda d, s, bits: f"{_flip(d, bits)} >= {_flip(s, bits)}",
    "jslt": lambda d, s, bits: f"{_flip(d, bits)} < {_flip(s, bits)}",
    "jsle": lambda d, s, bits: f"{_flip(d, bits)} <= {_flip(s, bits)}",
}
_CUTS_ITSELF = ("mov", "div", "mod", "or", "and", "xor", "rsh")  # what never leaves the width of its operands


def _count(text: str, bits: int) -> str:
    return str(int(text) & (bits - 1)) if text.isdecimal() else f"({text} & {bits - 1})"


def _flip(text: str, bits: int) -> str:
    """A number whose unsigned order is the signed order of `text`."""
    return str(int(text) ^ 1 << (bits - 1)) if text.isdecimal() else f"({text} ^ {1 << (bits - 1)})"


def operand(text: str, kind: Kind, bits: int) -> str:
    """A register's value cut to `bits`; nothing to do where it is known to fit."""
    return text if kind.top <= mask(bits) else f"({text} & {mask(bits)})"


def value(insn: Insn, a: Kind, b: Kind, after: Kind) -> str:
    """The new value of dst. a, b: what is known of dst and src before, after: of the result."""
    op, stem, bits = insn.op, stem_of(insn), insn.op.bits
    dst = operand(f"r{insn.dst}", a, bits)
    if stem in ("le", "be", "bswap"):
        width = op.imm_is or bits
        return _swap(f"r{insn.dst}", width) if stem != "le" else operand(f"r{insn.dst}", a, width)
    if stem == "movs":
        width = op.off_is or bits
        return f"{_sign(operand(f'r{insn.src}', b, width), width)} & {mask(bits)}"
    src = str(insn.imm & mask(bits)) if op.operand == "imm" else operand(f"r{insn.src}", b, bits)
    if stem in ("add", "sub") and op.operand == "imm" and bits == 64 and insn.imm < 0:
        return f"({dst} {'-' if stem == 'add' else '+'} {-insn.imm}) & {mask(bits)}"
    text = VALUES[stem](dst, src, bits)
    if stem in _CUTS_ITSELF or not _leaves(stem, bits, a, b, insn):
        return text
    return f"({text}) & {mask(bits)}"


def _leaves(stem: str, bits: int, a: Kind, b: Kind, insn: Insn) -> bool:
    """Whether a sum, product or shift can be more than its width holds."""
    x = min(a.top, mask(bits))
    y = insn.imm & mask(bits) if insn.op.operand == "imm" else min(b.top, mask(bits))
    if stem == "add":
        return x + y > mask(bits)
    if stem == "mul":
        return x * y > mask(bits)
    if stem == "lsh" and insn.op.operand == "imm":
        return x << (insn.imm & (bits - 1)) > mask(bits)
    return True


def test(insn: Insn, a: Kind, b: Kind) -> str:
    """Whether a jump is taken."""
    bits = insn.op.bits
    src = str(insn.imm & mask(bits)) if insn.op.operand == "imm" else operand(f"r{insn.src}", b, bits)
    return TESTS[stem_of(insn)](operand(f"r{insn.dst}", a, bits), src, bits)


def sdiv(a: int, b: int, bits: int) -> int:
    """Signed division of two unsigned numbers; the caller cuts the result."""
    x, y = signed(a, bits), signed(b, bits)
    return 0 if not y else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def smod(a: int, b: int, bits: int) -> int:
    """The remainder that goes with `sdiv`."""
    x, y = signed(a, bits), signed(b, bits)
    return a if not y else abs(x) % abs(y) * (-1 if x < 0 else 1)


def swapped_bytes(number: int, size: int) -> int:
    """The low `size` bytes of a number that has no more, in the opposite order."""
    return int.from_bytes(number.to_bytes(size, "little"), "big")
