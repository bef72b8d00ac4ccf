"""One binary operation under compilation, and how its result becomes a number."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from bpfvm.compiler.frontend.numbers.kinds import settled
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import Kinds, Number, Value
from bpfvm.lang.types.interval import S64, Interval
from bpfvm.lang.types.operators import Operator


@dataclass(frozen=True, slots=True)
class Operation:
    """`a row b`. kinds: the result's. left, right: the operands' nodes; node: the whole, which CPython would blame."""

    row: Operator
    a: Number
    b: Number
    kinds: Kinds
    left: ast.expr
    right: ast.expr
    node: ast.AST

    @property
    def exact(self) -> Interval:
        """Of the exact result; one value where both operands are known. Shift counts must be bounded before."""
        a, b = self.a.constant, self.b.constant
        if a is not None and b is not None:
            value = self.row.exact(a, b)
            return Interval(value, value)
        return self.row.range(self.a.range, self.b.range)

    def narrowed(self, a: Interval | None = None, b: Interval | None = None) -> Operation:
        """With more known of the operands."""
        return replace(self, a=self.a.within(a), b=self.b.within(b))


def finished(f: Translation, op: Operation, exact: Interval, emit: Callable[[], Register]) -> Value:
    """The result, whose exact value lies in `exact`: a constant, or what `emit` makes."""
    from bpfvm.compiler.frontend.numbers import checked  # it tests operations

    if checked.needed(f, op.kinds, exact, op.node, op.a, op.b):
        return _checked(f, op, exact, emit)
    range = settled(op.kinds, exact, f.hook.ints == "wrap")
    if range.constant is not None:
        return Number(op.kinds, range)
    return Number(op.kinds, range, f.typed(range, emit()))


def _checked(f: Translation, op: Operation, exact: Interval, emit: Callable[[], Register]) -> Number:
    """The result after the tests that it fits."""
    from bpfvm.compiler.frontend.numbers import checked

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
