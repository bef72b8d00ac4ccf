"""Whether the compiler was right to refuse a value that "may not fit" (E040): an input for which it does not.

The function is run in CPython with the refused expression watched: a witness is a plain integer outside of what 64 bits
hold, or one that needs a sign and another that needs the 64th bit. Where no input shows that, the refusal is counted as
what the compiler cannot prove.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence
from typing import Any

from bpfvm.core.diag import Diag
from bpfvm.fuzz.python.numbers import inside
from bpfvm.lang.functions.signature import Scalar
from bpfvm.lang.types.interval import U64, Interval
from bpfvm.lang.types.scalars import Storage

TRIES = 300
_SEEN, _COUNT = "_seen", "_count"


class Found(Exception):
    """A value that does not fit was seen."""


class _Table:
    """An array of the module, without a machine."""

    def __init__(self, type: Storage, count: int) -> None:
        self.type, self.items = type, [type(0)] * count

    def __getitem__(self, at: int) -> Any:
        if not 0 <= at < len(self.items):
            raise IndexError(at)
        return self.items[at]

    def __setitem__(self, at: int, value: int) -> None:
        self[at]
        self.items[at] = self.type.unpack(self.type.pack(value))


class _Watch:
    """The values of one expression so far."""

    def __init__(self) -> None:
        self.values = Interval(0, 0)

    def seen(self, value: Any) -> Any:
        """`value`. Found where 64 bits do not hold all that was seen."""
        if type(value) is int:
            self.values = self.values.union(Interval(value, value))
            if not self.values.exact:
                raise Found
        return value

    def count(self, value: Any) -> Any:
        """The count of a shift, whose value does not fit for one past the width."""
        if int(value) >= U64.hi.bit_length():
            raise Found
        return value


def witness(text: str, diag: Diag, seed: str) -> tuple[Any, ...] | None:
    """Arguments for which the refused value does not fit, None where none was found."""
    span = diag.span
    if span is None:
        return None
    tree = ast.parse(text)
    wrapped = _Wrap(
        (span.line, span.col, span.end_line, span.end_col), _COUNT if "its count" in diag.message else _SEEN
    )
    tree = wrapped.visit(tree)
    if not wrapped.done:
        return None
    watch, rng = _Watch(), random.Random(seed)
    function, types = _made(ast.fix_missing_locations(tree), watch)
    for _ in range(TRIES):
        given = tuple(_argument(rng, one) for one in types)
        try:
            function(*given)
        except Found:
            return given
        except Exception:  # a fault of the program, as far as this is concerned
            continue
    return None


def _argument(rng: random.Random, annotation: type) -> Any:
    scalar = Scalar(annotation)
    return scalar.value(scalar.word(inside(rng, scalar.range)))


class _Wrap(ast.NodeTransformer):
    """Puts the expression at a place into a call."""

    def __init__(self, place: tuple[int, int, int, int], call: str) -> None:
        self.place, self.call, self.done = place, call, False

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.AugAssign) and self._is_here(node.target):
            self.done = True
            look = ast.Expr(ast.Call(ast.Name(self.call, ast.Load()), [_load(node.target)], []))
            return [ast.copy_location(look, node), node]
        if isinstance(node, ast.expr) and self._is_here(node) and not isinstance(getattr(node, "ctx", None), ast.Store):
            self.done = True
            return ast.copy_location(ast.Call(ast.Name(self.call, ast.Load()), [node], []), node)
        return self.generic_visit(node)

    def _is_here(self, node: ast.expr) -> bool:
        return (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset) == self.place and not self.done


def _load(target: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(target), mode="eval").body


def _made(tree: ast.Module, watch: _Watch) -> tuple[Any, Sequence[type]]:
    """The program's function and the types of its parameters, with plain Python in place of machines."""
    taken: list[Any] = []
    names: dict[str, Any] = {"Array": _Table, "bpf": _Decorators(taken), _SEEN: watch.seen, _COUNT: watch.count}
    for one in tree.body:
        if isinstance(one, ast.ImportFrom):
            one.names = [name for name in one.names if name.name not in names] or [ast.alias("Outcome")]
    exec(compile(tree, "fuzz/witness.py", "exec", dont_inherit=True), names)
    (function,) = taken
    types = [one for name, one in function.__annotations__.items() if name != "return"]
    return function, types


class _Decorators:
    """`bpf`, which keeps the functions."""

    def __init__(self, taken: list[Any]) -> None:
        self._taken = taken

    def function(self, function: Any = None, **_: Any) -> Any:
        """`@bpf.function`."""
        if function is None:
            return self.function
        self._taken.append(function)
        return function

    def func(self, function: Any) -> Any:
        """`@bpf.func` and its kin: plain functions."""
        return function

    global_func = inline = func

    def xdp(self, function: Any = None, **_: Any) -> Any:
        """`@bpf.xdp`: its packet is not made here, so that it ends at once."""
        return self.function(function)


def kind(text: str, diag: Diag) -> str:
    """What a refusal is about, to count it by: the class of the expression, and what holds its value."""
    span = diag.span
    if "after some turns" in diag.message:
        return "a name that a loop carries on"
    if "its count" in diag.message:
        return "the count of a shift"
    for node in ast.walk(ast.parse(text)) if span is not None else ():
        if isinstance(node, ast.expr) and span is not None and (
            (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
            == (span.line, span.col, span.end_line, span.end_col)
        ):  # fmt: skip
            inner = f" {type(node.op).__name__}" if isinstance(node, ast.BinOp | ast.UnaryOp) else ""
            return f"{type(node).__name__}{inner}"
    return "no expression"
