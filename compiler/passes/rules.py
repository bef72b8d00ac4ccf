"""Rewrite rules: one law each, as its text says it. A rule gives an equal value that exists already, or a constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Ptr, Value, Word
from bpfvm.core.bits import M64
from bpfvm.lang.types.interval import of_bits

Rewrite: TypeAlias = "Callable[[Value], Value | int | None]"


@dataclass(frozen=True, slots=True)
class Rule:
    """text: the law. apply: the equal value, the word it always is, or None where the law does not fit. ops: those that
    it can fit, all where there are none."""

    text: str
    apply: Rewrite
    ops: tuple[str, ...] = ()


def number(value: Value) -> int | None:
    """The word of a constant."""
    return value.imm if value.op == "const" else None


def _fold(value: Value) -> int | None:
    row = IR_OPS[value.op]
    words = [number(arg) for arg in value.args]
    if row.fold is None or not words or None in words:
        return None
    return row.fold(*words) & M64


def _second(op: str, word: int) -> Rewrite:
    """x op word => x"""
    return lambda value: value.args[0] if value.op == op and number(value.args[1]) == word else None


def _either(op: str, word: int) -> Rewrite:
    """x op word => x and word op x => x, for an operation that commutes."""

    def rewrite(value: Value) -> Value | None:
        if value.op != op:
            return None
        a, b = value.args
        return a if number(b) == word else b if number(a) == word else None

    return rewrite


def _absorbs(op: str, word: int) -> Rewrite:
    return lambda value: word if value.op == op and word in map(number, value.args) else None


def _same(op: str, result: int | None) -> Rewrite:
    def rewrite(value: Value) -> Value | int | None:
        if value.op != op or value.args[0] is not value.args[1] or isinstance(value.args[0].type, Ptr):
            return None
        return value.args[0] if result is None else result

    return rewrite


def _narrow(value: Value) -> Value | None:
    if not value.op.startswith(("zext", "sext")):
        return None
    kind = value.args[0].type
    range = of_bits(IR_OPS[value.op].bits, value.op.startswith("sext"))
    return value.args[0] if isinstance(kind, Word) and kind.range.within(range) else None


def _law(text: str, op: str, of: Callable[..., Rewrite], operand: int | None) -> Rule:
    return Rule(text, of(op, operand), (op,))


_EXTENSIONS = tuple(f"{sign}ext{bits}" for sign in "zs" for bits in (8, 16, 32))

RULES: tuple[Rule, ...] = (
    Rule("op of constants => constant", _fold),
    _law("x + 0 => x", "add", _either, 0),
    _law("x - 0 => x", "sub", _second, 0),
    _law("x * 1 => x", "mul", _either, 1),
    _law("x * 0 => 0", "mul", _absorbs, 0),
    _law("x & 0 => 0", "and", _absorbs, 0),
    _law("x & -1 => x", "and", _either, M64),
    _law("x | 0 => x", "or", _either, 0),
    _law("x | -1 => -1", "or", _absorbs, M64),
    _law("x ^ 0 => x", "xor", _either, 0),
    _law("x << 0 => x", "shl", _second, 0),
    _law("x >> 0 => x (unsigned)", "lshr", _second, 0),
    _law("x >> 0 => x (signed)", "ashr", _second, 0),
    _law("x / 1 => x", "udiv", _second, 1),
    _law("x - x => 0", "sub", _same, 0),
    _law("x ^ x => 0", "xor", _same, 0),
    _law("x & x => x", "and", _same, None),
    _law("x | x => x", "or", _same, None),
    Rule("an extension of a value in its range => the value", _narrow, _EXTENSIONS),
)
