"""Methods and attributes of integers: `x.bit_length()`, `x.bit_count()` without a branch, and those that give `x`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, INT, Number, Value
from bpfvm.core.bits import mask
from bpfvm.lang.types.interval import Interval, abs_

_WORD = 64


def bit_length(f: Translation, node: ast.expr, number: Number) -> Value:
    """Bits of |x|: half of what is left is looked at in each step, as binary search does it.

    A step of s bits: t = 1 where any of the bits from s on is set; they are shifted down by t * s, and t * s is added.
    """
    if not f.exact(number, node):
        return BAD
    known = abs_(number.range)
    result = Interval(known.lo.bit_length(), known.hi.bit_length())
    if result.constant is not None:
        return f.constant(result.lo)
    left, total = _magnitude(f, number), f.number(0)
    for step in range((known.hi.bit_length() - 1).bit_length() - 1, -1, -1):
        size = 1 << step
        above = f.op("lshr", left, f.number(size))
        some = f.op("lshr", f.op("neg", above), f.number(63))  # above < 2**63, so its negation is negative unless 0
        moved = f.op("shl", some, f.number(step))
        left = f.op("lshr", left, moved)
        total = f.op("add", total, moved)
    return Number(INT, result, f.typed(result, f.op("add", total, left)))


def bit_count(f: Translation, node: ast.expr, number: Number) -> Value:
    """Set bits of |x|: sums of neighbours in fields of 2, 4 and 8 bits, then of all bytes by one multiplication."""
    if not f.exact(number, node):
        return BAD
    known = abs_(number.range)
    if known.constant is not None:
        return f.constant(known.lo.bit_count())
    x = _magnitude(f, number)
    halves = f.op("and", f.op("lshr", x, f.number(1)), _every(f, 2))
    x = f.op("sub", x, halves)
    x = f.op("add", f.op("and", x, _every(f, 4)), f.op("and", f.op("lshr", x, f.number(2)), _every(f, 4)))
    x = f.op("and", f.op("add", x, f.op("lshr", x, f.number(4))), _every(f, 8))
    x = f.op("mul", x, f.number(mask(_WORD) // 0xFF))
    result = Interval(0, known.hi.bit_length())
    return Number(INT, result, f.typed(result, f.op("lshr", x, f.number(_WORD - 8))))


def _every(f: Translation, bits: int) -> Register:
    """The low half of every field of so many bits."""
    return f.number(mask(_WORD) // mask(bits) * mask(bits // 2))


def _magnitude(f: Translation, number: Number) -> Register:
    """|x| as an unsigned word; that of -2**63 too."""
    register = f.register(number)
    if number.range.lo >= 0:
        return register
    sign = f.op("ashr", register, f.number(63))
    return f.op("sub", f.op("xor", register, sign), sign)


def _itself(f: Translation, node: ast.expr, number: Number) -> Value:
    return number.as_kinds(INT)


METHODS: Mapping[str, Callable[[Translation, ast.expr, Number], Value]] = {
    "bit_length": bit_length,
    "bit_count": bit_count,
    "conjugate": _itself,
    "__index__": _itself,
    "__int__": _itself,
}

# What does not depend on the value, and None for the value itself
ATTRIBUTES: Mapping[str, int | None] = {"real": None, "numerator": None, "imag": 0, "denominator": 1}
