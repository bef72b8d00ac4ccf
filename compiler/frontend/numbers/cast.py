"""Casts: `u32(x)`, `s64(x)`, `be16(x)`, `int(x)`, `bool(x)`. All but bool take a value modulo 2**64."""

from __future__ import annotations

from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import INT, MODULAR, Kinds, Number
from bpfvm.lang.types.scalars import Storage

_WORD = 64


def cast(f: Translation, target: Storage, number: Number) -> Number:
    """`target(number)`: cut to the type, and read as it reads."""
    kinds: Kinds = frozenset({MODULAR[target]}) if target.is_modular else INT
    known = number.constant
    if known is not None:
        value = target.wrap(known)
        return f.constant(value, kinds)
    if not target.is_big and number.range.within(target.range):
        return number.as_kinds(kinds)
    register = f.register(number)
    if target.is_big:
        register = f.op(f"bswap{target.bits}", register)
    elif target.bits < _WORD:
        register = f.op(f"{'sext' if target.is_signed else 'zext'}{target.bits}", register)
    return Number(kinds, target.range, register)
