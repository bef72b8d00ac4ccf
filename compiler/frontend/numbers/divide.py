"""Floor division and modulo: Python's, for all signs, from BPF's unsigned division.

BPF divides signed numbers only since -mcpu=v4, and truncates there; Python rounds toward minus infinity and gives the
modulo the divisor's sign. Where the divisor is positive the unsigned division needs fewer instructions on every level.
"""

from __future__ import annotations

from bpfvm.compiler.frontend.numbers.operation import Operation
from bpfvm.compiler.frontend.numbers.ranges import low_bits
from bpfvm.compiler.frontend.numbers.results import finished
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, Kind, Number, Value
from bpfvm.core.bits import M64
from bpfvm.lang.types.interval import S64, Interval
from bpfvm.lang.types.operators import BINARY, Operator


def _words(row: Operator) -> str | None:
    """What CPython says of a zero divisor."""
    try:
        row.exact(1, 0)
    except ZeroDivisionError as error:
        return str(error)
    return None


# CPython's own words, asked of it: they differ between versions.
_ZERO = {row.name: words for row in BINARY if (words := _words(row)) is not None}
_NEGATIVE = "unsigned division with a negative number"


def divide(f: Translation, op: Operation) -> Value:
    """`a // b` or `a % b`."""
    power = _power_of_two(op.b)
    if op.row.name == "mod" and power is not None and Kind.U64 not in (op.b.kinds if len(op.kinds) > 1 else op.kinds):
        # x % 2**k follows from the low bits of any x, so x need not be exact; a u64 x is not negative, whatever it is
        return finished(f, op, low_bits(power) if op.a.constant is None else op.exact, lambda: _low(f, op.a, power))
    if not (f.exact(op.a, op.left) and f.exact(op.b, op.right)):
        return BAD
    if op.b.constant == 0 and op.b.register is None and not f.copies:
        return _raises(f, op)
    signless = _without_signs(f, op) if Kind.U64 in op.kinds else op
    if signless is None:
        return f.disagreement(op.node, op.kinds, op.exact)
    tested = _nonzero(f, signless)
    exact = tested.row.range(tested.a.range, tested.b.range) if 0 in tested.b.range else tested.exact
    return finished(f, tested, exact, lambda: _emit(f, tested))


def _raises(f: Translation, op: Operation) -> Value:
    """A divisor that is written as 0. In a body that is written out several times, for others too, it is a fault."""
    return f.error(
        "E025",
        f"`{f.quoted(op.node)}` raises ZeroDivisionError: {_ZERO[op.row.name]}",
        op.right,
        why="the divisor is known when the program is compiled, and CPython would raise there whenever it came to it",
        help="test the divisor first, or end the program by name: raise ValueError(...)",
    )


def _power_of_two(b: Number) -> int | None:
    value = b.constant
    if value is None or value <= 0 or value & (value - 1) or value > M64 + 1:
        return None
    return value.bit_length() - 1


def _without_signs(f: Translation, op: Operation) -> Operation | None:
    """After the tests by which u64 refuses negative operands; None where only some of the result's kinds refuse."""
    for number in (op.a, op.b):
        if number.range.lo >= 0:
            continue
        if len(op.kinds) > 1:
            return None
        f.fault_if("slt", f.register(number), f.number(0), "ValueError", _NEGATIVE, op.node)
    unsigned = Interval(0, M64)
    return op.narrowed(unsigned, unsigned)


def _nonzero(f: Translation, op: Operation) -> Operation:
    if 0 not in op.b.range:
        return op
    f.fault_if("eq", f.register(op.b), f.number(0), "ZeroDivisionError", _ZERO[op.row.name], op.node)
    lo, hi = op.b.range.lo, op.b.range.hi
    if lo == hi:
        return op
    return op.narrowed(b=Interval(lo + (lo == 0), hi - (hi == 0)))


def _emit(f: Translation, op: Operation) -> Register:
    power = _power_of_two(op.b)
    if power is not None:
        return _by_power(f, op, power)
    modulo = op.row.name == "mod"
    a, b = f.register(op.a), f.register(op.b)
    if op.b.range.lo >= 0:
        if op.a.range.lo >= 0:
            return f.op("umod" if modulo else "udiv", a, b)
        return _positive_divisor(f, a, b, modulo)
    if f.machine.cpu >= 4 and op.a.range.within(S64) and op.b.range.within(S64):
        return _truncated(f, a, b, modulo)
    quotient = _by_magnitudes(f, op, a, b)
    return f.op("sub", a, f.op("mul", quotient, b)) if modulo else quotient


def _by_power(f: Translation, op: Operation, power: int) -> Register:
    if op.row.name == "mod":
        return _low(f, op.a, power)
    a = f.register(op.a)
    if power == 0:
        return a
    if power == 64:
        return f.number(0)
    return f.op("lshr" if op.a.range.lo >= 0 else "ashr", a, f.number(power))


def _low(f: Translation, a: Number, power: int) -> Register:
    return f.register(a) if power == 64 else f.op("and", f.register(a), f.number((1 << power) - 1))


def _positive_divisor(f: Translation, a: Register, b: Register, modulo: bool) -> Register:
    """For a < 0: a // b == ~(~a // b) and a % b == b - 1 - ~a % b, where ~a >= 0. `sign` is -1 there, else 0."""
    sign = f.op("ashr", a, f.number(63))
    folded = f.op("xor", a, sign)
    if not modulo:
        return f.op("xor", f.op("udiv", folded, b), sign)
    rest = f.op("xor", f.op("umod", folded, b), sign)
    return f.op("add", rest, f.op("and", b, sign))


def _truncated(f: Translation, a: Register, b: Register, modulo: bool) -> Register:
    """By the machine's division, toward zero: less one, or plus b, where it is not whole and the signs differ."""
    rest = f.op("smod", a, b)
    differ = f.op("ashr", f.op("xor", a, b), f.number(63))
    partial = f.op("ashr", f.op("or", rest, f.op("neg", rest)), f.number(63))  # -1 unless rest is 0
    wrong = f.op("and", differ, partial)
    if modulo:
        return f.op("add", rest, f.op("and", wrong, b))
    return f.op("add", f.op("sdiv", a, b), wrong)


def _by_magnitudes(f: Translation, op: Operation, a: Register, b: Register) -> Register:
    """|a| // |b|, negated where the signs differ, less one where it is not whole there. s64.min has its magnitude."""
    sign_a, sign_b = _sign(f, op.a, a), _sign(f, op.b, b)
    top, bottom = _magnitude(f, a, sign_a), _magnitude(f, b, sign_b)
    quotient = f.op("udiv", top, bottom)
    rest = f.op("umod", top, bottom)
    differ = f.op("xor", sign_a, sign_b)
    partial = f.op("ashr", f.op("or", rest, f.op("neg", rest)), f.number(63))  # -1 unless rest is 0
    negated = f.op("sub", f.op("xor", quotient, differ), differ)
    return f.op("add", negated, f.op("and", differ, partial))


def _sign(f: Translation, number: Number, register: Register) -> Register:
    """-1 for a negative number, else 0. A number that can reach 2**63 has no sign bit, so its range is asked first."""
    if number.range.lo >= 0:
        return f.number(0)
    if number.range.hi < 0:
        return f.number(-1)
    return f.op("ashr", register, f.number(63))


def _magnitude(f: Translation, register: Register, sign: Register) -> Register:
    return f.op("sub", f.op("xor", register, sign), sign)
