"""One binary operation under compilation."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from bpfvm.compiler.frontend.types import Kinds, Number
from bpfvm.lang.types.interval import Interval
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
