"""How the result of an operation becomes a number: as it is, cut to its kind, or tested."""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.compiler.frontend.numbers import checked
from bpfvm.compiler.frontend.numbers.kinds import settled
from bpfvm.compiler.frontend.numbers.operation import Operation
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import Number, Value
from bpfvm.lang.types.interval import S64, Interval


def finished(f: Translation, op: Operation, exact: Interval, emit: Callable[[], Register]) -> Value:
    """The result, whose exact value lies in `exact`: a constant, or what `emit` makes."""
    if checked.needed(f, op.kinds, exact, op.node, op.a, op.b):
        return _checked(f, op, exact, emit)
    range = settled(op.kinds, exact, f.hook.ints == "wrap")
    if range.constant is not None:
        return Number(op.kinds, range)
    return Number(op.kinds, range, f.typed(range, emit()))


def _checked(f: Translation, op: Operation, exact: Interval, emit: Callable[[], Register]) -> Number:
    """The result after the tests that it fits."""
    if op.row.name == "floordiv":
        word = emit()
        checked.divided(f, op, word)
        return Number(op.kinds, exact.meet(S64) or S64, word)
    fitting = checked.fitting(op)
    if fitting is None:
        return Number(op.kinds, exact.meet(S64) or S64, checked.tested(f, op))
    a, b = (checked.narrowed(f, one, fits, op.node) for one, fits in zip((op.a, op.b), fitting, strict=True))
    range = op.narrowed(a.range, b.range).exact.meet(S64) or S64
    if range.constant is not None:
        return Number(op.kinds, range)
    name = "shl" if op.row.name == "lshift" else op.row.name
    return Number(op.kinds, range, f.typed(range, f.op(name, f.register(a), f.register(b))))
