"""Shifts by any count. BPF masks counts to 6 bits; in Python 64 and more shift all bits out, below 0 is an error."""

from __future__ import annotations

from bpfvm.compiler.frontend.numbers import checked
from bpfvm.compiler.frontend.numbers.operation import Operation
from bpfvm.compiler.frontend.numbers.results import finished
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, Value
from bpfvm.core.bits import M64
from bpfvm.lang.types.interval import Interval

# An exact `1 << n` of a larger count is a number that nobody means; u64 and s64 answer 0 at once instead.
LARGEST_COUNT = 4096
_WIDTH = 64
_COUNTS = Interval(0, _WIDTH - 1)
_NEGATIVE = "negative shift count"


def shift(f: Translation, op: Operation) -> Value:
    """`a << b` or `a >> b`."""
    right = op.row.name == "rshift"
    if not f.exact(op.b, op.right) or (right and not f.exact(op.a, op.left)):
        return BAD
    if op.b.range.hi < 0 and op.b.register is None and not f.copies:
        return _raises(f, op)
    wraps = all(kind.wraps for kind in op.kinds) or f.hook.ints == "wrap"
    checks = f.hook.ints == "checked" and not right and not wraps and op.node not in f.spared
    if not right and not wraps and not checks and op.b.range.hi > LARGEST_COUNT:
        return _unbounded(f, op)
    tested = _not_negative(f, op)
    if checks and tested.b.constant is None:
        tested = tested.narrowed(b=checked.narrowed(f, tested.b, _COUNTS, op.node).range)
    # past the width the count makes no difference: to `>>`, and to a result that wraps
    least = min(tested.b.range.lo, _WIDTH) if right or wraps else tested.b.range.lo
    most = min(tested.b.range.hi, _WIDTH) if right or wraps else tested.b.range.hi
    exact = op.row.range(op.a.range, Interval(least, max(least, most)))
    return finished(f, tested, exact, lambda: _emit(f, tested, right))


def _raises(f: Translation, op: Operation) -> Value:
    """A constant count below 0. In a body that is written out several times, for other counts too, it is a fault."""
    other = "<<" if op.row.name == "rshift" else ">>"
    return f.error(
        "E025",
        f"`{f.quoted(op.node)}` raises ValueError: {_NEGATIVE}",
        op.right,
        why="the count is known when the program is compiled, and CPython would raise there whenever it came to it",
        help=f"shift the other way: {f.operand(op.left)} {other} {-(op.b.constant or 0)}",
    )


def _unbounded(f: Translation, op: Operation) -> Value:
    count = f.quoted(op.right)
    f.error(
        "E040",
        f"the exact value of `{f.quoted(op.node)}` needs a bound for its count, and `{count}` can be {op.b.range.hi}",
        op.right,
        why=f"Python integers do not wrap, so every count gives another value (interval of the count: {op.b.range})",
        help=f"wrap explicitly: u64({f.quoted(op.left)}) << {f.operand(op.right)}\n"
        f"or bound the count: ... if {f.operand(op.right)} <= {_WIDTH - 1} else 0",
    )
    return BAD


def _not_negative(f: Translation, op: Operation) -> Operation:
    if op.b.range.lo >= 0:
        return op
    f.fault_if("slt", f.register(op.b), f.number(0), "ValueError", _NEGATIVE, op.node)
    return op.narrowed(b=Interval(0, M64))


def _emit(f: Translation, op: Operation, right: bool) -> Register:
    a, count = f.register(op.a), op.b
    signed = right and op.a.range.lo < 0
    name = ("ashr" if signed else "lshr") if right else "shl"
    known = count.constant
    if known is not None and signed:
        return f.op(name, a, f.number(min(known, _WIDTH - 1)))
    if known is not None:
        return f.op(name, a, f.number(known)) if known < _WIDTH else f.number(0)
    n = f.register(count)
    if count.range.hi < _WIDTH:
        return f.op(name, a, n)
    inside = _narrow(f, n)
    if signed:
        last = f.number(_WIDTH - 1)
        return f.op(name, a, f.op("xor", f.op("and", f.op("xor", n, last), inside), last))
    return f.op("and", f.op(name, a, f.op("and", n, f.number(_WIDTH - 1))), inside)


def _narrow(f: Translation, count: Register) -> Register:
    """-1 where the count, which is not negative, is below 64, else 0: without a branch."""
    over = f.op("lshr", count, f.number(6))
    return f.op("ashr", f.op("sub", over, f.number(1)), f.number(63))
