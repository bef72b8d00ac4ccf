"""Each operation as LLVM instructions over i64 and i32, every one total: no poison and no undefined behaviour.

LLVM leaves shifts by the width or more, division by zero and INT_MIN / -1 undefined; eBPF defines all three (RFC 9669
section 4.1). The instruction table's `value` and `test` are the definition; a test compares every entry with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bpfvm.core.bits import mask, signed

Emit = Callable[[str], str]  # appends "%new = <text>" and gives the new name
Form = Callable[[Emit, str, str, int], str]  # (emit, dst, src, bits) -> name of the result


def _plain(name: str) -> Form:
    return lambda emit, d, s, bits: emit(f"{name} i{bits} {d}, {s}")


def _shift(name: str) -> Form:
    def form(emit: Emit, d: str, s: str, bits: int) -> str:
        count = str(int(s) & (bits - 1)) if _is_number(s) else emit(f"and i{bits} {s}, {bits - 1}")
        return emit(f"{name} i{bits} {d}, {count}")

    return form


def _unsigned(name: str, by_zero: Callable[[str], str]) -> Form:
    def form(emit: Emit, d: str, s: str, bits: int) -> str:
        if _is_number(s):
            return emit(f"{name} i{bits} {d}, {s}")  # the constant 0 is refused before
        zero = emit(f"icmp eq i{bits} {s}, 0")
        divisor = emit(f"select i1 {zero}, i{bits} 1, i{bits} {s}")
        result = emit(f"{name} i{bits} {d}, {divisor}")
        return emit(f"select i1 {zero}, i{bits} {by_zero(d)}, i{bits} {result}")

    return form


def _signed(name: str, by_zero: Callable[[str], str], by_minus_one: Callable[[Emit, str, int], str]) -> Form:
    def form(emit: Emit, d: str, s: str, bits: int) -> str:
        zero = emit(f"icmp eq i{bits} {s}, 0")
        minus = emit(f"icmp eq i{bits} {s}, -1")
        odd = emit(f"or i1 {zero}, {minus}")
        divisor = emit(f"select i1 {odd}, i{bits} 1, i{bits} {s}")
        result = emit(f"{name} i{bits} {d}, {divisor}")
        result = emit(f"select i1 {minus}, i{bits} {by_minus_one(emit, d, bits)}, i{bits} {result}")
        return emit(f"select i1 {zero}, i{bits} {by_zero(d)}, i{bits} {result}")

    return form


def _negated(emit: Emit, d: str, bits: int) -> str:
    return emit(f"sub i{bits} 0, {d}")


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdecimal()


VALUES: Mapping[str, Form] = {
    "mov": lambda emit, d, s, bits: s,
    "add": _plain("add"),
    "sub": _plain("sub"),
    "mul": _plain("mul"),
    "or": _plain("or"),
    "and": _plain("and"),
    "xor": _plain("xor"),
    "div": _unsigned("udiv", lambda d: "0"),
    "mod": _unsigned("urem", lambda d: d),
    "sdiv": _signed("sdiv", lambda d: "0", _negated),
    "smod": _signed("srem", lambda d: d, lambda emit, d, bits: "0"),
    "lsh": _shift("shl"),
    "rsh": _shift("lshr"),
    "arsh": _shift("ashr"),
    "neg": lambda emit, d, s, bits: _negated(emit, d, bits),
}

CONDITIONS: Mapping[str, str] = {
    "jeq": "eq", "jne": "ne", "jgt": "ugt", "jge": "uge", "jlt": "ult", "jle": "ule",
    "jsgt": "sgt", "jsge": "sge", "jslt": "slt", "jsle": "sle",
}  # fmt: skip


def compared(emit: Emit, stem: str, d: str, s: str, bits: int) -> str:
    """The i1 that tells whether a jump is taken."""
    if stem == "jset":
        return emit(f"icmp ne i{bits} {emit(f'and i{bits} {d}, {s}')}, 0")
    return emit(f"icmp {CONDITIONS[stem]} i{bits} {d}, {s}")


def swapped(emit: Emit, word: str, width: int, swap: bool) -> str:
    """The low `width` bits of an i64, in the opposite byte order where `swap`, zero-extended."""
    if width == 64:
        return emit(f"call i64 @llvm.bswap.i64(i64 {word})") if swap else word
    low = emit(f"trunc i64 {word} to i{width}")
    if swap:
        low = emit(f"call i{width} @llvm.bswap.i{width}(i{width} {low})")
    return emit(f"zext i{width} {low} to i64")


def constant(number: int, bits: int) -> str:
    """A number as LLVM writes one of so many bits."""
    return str(signed(number & mask(bits), bits))


DECLARATIONS = (
    *(f"declare i{bits} @llvm.bswap.i{bits}(i{bits})" for bits in (16, 32, 64, 128)),
    *(f"declare i{bits} @llvm.ctlz.i{bits}(i{bits}, i1)" for bits in (16, 32, 64, 128)),
    "declare i64 @llvm.umin.i64(i64, i64)",
    "declare i32 @llvm.fshl.i32(i32, i32, i32)",
)
