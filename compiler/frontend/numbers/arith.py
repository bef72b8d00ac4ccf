"""Arithmetic on numbers, by the operator table: rule R1 gives the kind and the range, rule R2 says what must be exact.

Every function takes operands that are already evaluated, in Python's order, and emits what CPython would do next:
first the tests for the exceptions that the operator can raise, then the operation.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TypeAlias

from bpfvm.compiler.frontend.control.heads import drifts
from bpfvm.compiler.frontend.numbers import checked
from bpfvm.compiler.frontend.numbers.divide import divide
from bpfvm.compiler.frontend.numbers.kinds import Mixed, result_kinds, settled, unary_kinds
from bpfvm.compiler.frontend.numbers.operation import Operation
from bpfvm.compiler.frontend.numbers.power import power
from bpfvm.compiler.frontend.numbers.results import finished
from bpfvm.compiler.frontend.numbers.shift import shift
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, Bad, Kind, Maybe, Nullable, Number, Reference, Static, Value
from bpfvm.core.articles import an
from bpfvm.lang.types.interval import S64, Interval, abs_, add
from bpfvm.lang.types.operators import BINARY_BY_NODE, UNARY_BY_NODE

Operand: TypeAlias = tuple[Value, ast.expr]


def binary(f: Translation, node: ast.AST, op: ast.operator, left: Operand, right: Operand) -> Value:
    """`left op right`. node: the whole expression, or the statement of an augmented assignment."""
    (a, a_node), (b, b_node) = left, right
    if isinstance(a, Bad) or isinstance(b, Bad):
        return BAD
    made = _of_user(f, node, op, left, right)
    if made is not None:
        return made
    if isinstance(op, ast.Div):
        return _float(f, node, left, right)
    row = BINARY_BY_NODE.get(type(op).__name__)
    symbol = row.symbol if row else "**" if isinstance(op, ast.Pow) else "@"
    if not isinstance(a, Number):
        return _no_number(f, symbol, left)
    if not isinstance(b, Number):
        return _no_number(f, symbol, right)
    a, b = f.state.known(a), f.state.known(b)
    if isinstance(op, ast.Pow):
        return power(f, node, (a, a_node), (b, b_node))
    if row is None:
        return f.error("E062", "`@` is not available in BPF programs", node, help="numbers take `*`")
    try:
        kinds = result_kinds(row.name, a.kinds, b.kinds)
    except Mixed as mixed:
        return _mixed(f, node, symbol, mixed, left, right)
    operation = Operation(row, a, b, kinds, a_node, b_node, node)
    if Kind.FLAG in kinds and not _flags_fit(f, operation):
        return BAD
    if row.name in ("floordiv", "mod"):
        return divide(f, operation)
    if row.name in ("lshift", "rshift"):
        return shift(f, operation)
    return _ring(f, operation)


def _no_number(f: Translation, symbol: str, operand: Operand) -> Bad:
    value, place = operand
    if isinstance(value, Maybe | Nullable):
        return f.may_be_none(place, value)
    is_format = symbol == "%" and isinstance(value, Static) and isinstance(value.object, str | bytes)
    return f.error(
        "E022",
        f"`{symbol}` takes numbers, and `{f.quoted(place)}` is {value.described}",
        place,
        help='print takes values and f-strings: print(f"... {x:x}")' if is_format else "use a number, or a field of it",
    )


def augmented(f: Translation, node: ast.AugAssign, left: Operand, right: Operand) -> Value:
    """`left op= right`: what the target is bound to."""
    from bpfvm.compiler.frontend.memory import fields

    method = fields.user_method(left[0], f"__i{_special(node.op)}__")
    if method is not None:
        return fields.operator(f, node, method, [left[0], right[0]])
    return binary(f, node, node.op, left, right)


def _of_user(f: Translation, node: ast.AST, op: ast.operator, left: Operand, right: Operand) -> Value | None:
    """What a class of the user's defines for an operator; None where it does not."""
    from bpfvm.compiler.frontend.memory import fields

    if not (isinstance(left[0], Reference) or isinstance(right[0], Reference)):
        return None
    assert isinstance(node, ast.expr | ast.AugAssign), "an operator stands in one of these"
    for name, (owner, _), (other, _) in ((_special(op), left, right), (f"r{_special(op)}", right, left)):
        method = fields.user_method(owner, f"__{name}__")
        if method is not None:
            return fields.operator(f, node, method, [owner, other])
    return None


def _special(op: ast.operator) -> str:
    """The name of an operator's special method, without its underscores."""
    row = BINARY_BY_NODE.get(type(op).__name__)
    return row.name if row else {ast.Pow: "pow", ast.Div: "truediv"}.get(type(op), "matmul")


def _ring(f: Translation, op: Operation) -> Value:
    def emit() -> Register:
        return f.op(op.row.name, f.register(op.a), f.register(op.b))

    result = finished(f, op, op.exact, emit)
    if op.row.name in ("add", "sub") and isinstance(result, Number) and op.exact.within(result.range):
        return replace(result, drift=_drift(f, op))  # nothing has wrapped
    return result


def _drift(f: Translation, op: Operation) -> dict[int, Interval]:
    """How far the sum is from the numbers at the heads of loops."""
    moved = {base: op.row.range(by, op.b.range) for base, by in drifts(f, op.a).items()}
    if op.row.name == "add":
        moved |= {base: add(op.a.range, by) for base, by in drifts(f, op.b).items()}
    return moved


def _float(f: Translation, node: ast.AST, left: Operand, right: Operand) -> Value:
    a, b = f.operand(left[1]), f.operand(right[1])
    return f.error(
        "E042",
        "`/` makes a float; BPF has no floating point",
        node,
        why="Python divides to a float here even where the result is whole",
        help=f.source.rewritten(node, _written(node, a, "//", b)),
    )


def _written(node: ast.AST, left: str, symbol: str, right: str) -> str:
    return f"{left} {symbol}{'=' if isinstance(node, ast.AugAssign) else ''} {right}"


def _mixed(f: Translation, node: ast.AST, symbol: str, mixed: Mixed, left: Operand, right: Operand) -> Value:
    a, b = f.operand(left[1]), f.operand(right[1])
    one, other = mixed.left, mixed.right
    if one.wraps:
        why = f"{an(one.value)} wraps at other numbers than {an(other.value)}, and nothing says which of them is meant"
        fix = _written(node, a, symbol, f"{one.value}({f.quoted(right[1])})")
    else:
        why = f"CPython asks the {one.value} first and gives a plain int here, which does not wrap"
        fix = f"int({f.quoted(left[1])}) {symbol} {b}"
    text = f"`{symbol}` has {an(one.value)} on its left and {an(other.value)} on its right"
    return f.error("E041", text, node, why=why, help=fix)


def _flags_fit(f: Translation, op: Operation) -> bool:
    """An IntFlag's own `& | ^` give what int's give, for numbers that are not negative."""
    for number, place in ((op.a, op.left), (op.b, op.right)):
        if number.range.lo < 0:
            f.error(
                "E063",
                f"`{op.row.symbol}` of a flag and a maybe negative number is not available in this version",
                place,
                why=f"`{f.quoted(place)}` lies in {f.shown(number.range)}, where IntFlag has its own way",
                help=f"int({f.quoted(op.right)})",
            )
            return False
    return True


def unary(f: Translation, node: ast.UnaryOp, op: ast.unaryop, value: Value) -> Value:
    """`-x`, `+x`, `~x`."""
    if isinstance(value, Bad):
        return BAD
    row = UNARY_BY_NODE[type(op).__name__]
    if isinstance(value, Maybe | Nullable):
        return f.may_be_none(node.operand, value)
    if not isinstance(value, Number):
        return f.error("E022", f"`{row.symbol}` takes a number, and `{f.quoted(node.operand)}` is {value.described}",
                       node.operand, help="use a number, or a field of it")  # fmt: skip
    number = f.state.known(value)
    if row.name == "invert" and not _invertible(f, node, number):
        return BAD
    known = number.constant
    exact = row.range(number.range) if known is None else Interval(row.exact(known), row.exact(known))
    kinds = unary_kinds(number.kinds)
    if checked.needed(f, kinds, exact, node, number):
        number = checked.narrowed(f, number, row.range(S64), node)
        exact = row.range(number.range)
    range = settled(kinds, exact, f.hook.ints == "wrap")
    if range.constant is not None:
        return Number(kinds, range)
    register = f.register(number)
    if row.name != "pos":
        register = f.op("neg", register) if row.name == "neg" else f.op("xor", register, f.number(-1))
    return Number(kinds, range, f.typed(range, register))


def _invertible(f: Translation, node: ast.UnaryOp, number: Number) -> bool:
    if Kind.FLAG in number.kinds:
        f.error(
            "E063",
            "`~` of a flag is not available in this version",
            node,
            why="IntFlag inverts within its members",
            help=f"~int({f.quoted(node.operand)})",
        )
        return False
    if Kind.BOOL in number.kinds:
        f.warn(
            "W110",
            "`~` of a truth value gives -1 or -2, which are both true",
            node,
            help=f"not {f.quoted(node.operand)}",
        )
    return True


def absolute(f: Translation, node: ast.Call, number: Number) -> Value:
    """`abs(x)`; of s64.min it is s64.min, as the class has it."""
    if not f.exact(number, node.args[0]):
        return BAD
    kinds = unary_kinds(number.kinds)
    exact = abs_(number.range)
    if checked.needed(f, kinds, exact, node, number):
        number = checked.narrowed(f, number, Interval(-S64.hi, S64.hi), node)
        exact = abs_(number.range)
    range = settled(kinds, exact, f.hook.ints == "wrap")
    if range.constant is not None:
        return Number(kinds, range)
    register = f.register(number)
    if number.range.lo < 0:
        sign = f.op("ashr", register, f.number(63))
        register = f.op("sub", f.op("xor", register, sign), sign)
    return Number(kinds, range, f.typed(range, register))
