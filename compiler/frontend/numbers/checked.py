"""`ints="checked"`: whether an exact integer lies in s64 is tested when the program runs, which ends where it does not.

Where one operand varies the numbers that fit are one interval of it, which is tested before the operation. Where both
do, the exact result is computed in two words: it fits where the upper one is the sign of the lower one. One range for
all, that of `int`, so that ways with different ones can meet.
What only gives its low bits (to a cast, to `& mask`, to `% 2**k`) is not tested.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from bpfvm.compiler.frontend.binding import Binding
from bpfvm.compiler.frontend.numbers.operation import Operation
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import Kinds, Number
from bpfvm.core.bits import M32, M64
from bpfvm.core.span import Span
from bpfvm.lang.faults import OVERFLOW
from bpfvm.lang.types.interval import S64, Interval
from bpfvm.lang.types.operators import BINARY_BY_NODE

_KIND = "OverflowError"
_TOP = 63  # the place of a word's sign


def needed(f: Translation, kinds: Kinds, exact: Interval, node: ast.AST, *operands: Number) -> bool:
    """Whether a result, whose exact value lies in `exact`, is to be tested. Its operands must fit themselves."""
    return (
        f.hook.ints == "checked"
        and not exact.exact
        and exact.constant is None
        and node not in f.spared
        and not any(kind.wraps for kind in kinds)
        and all(one.range.exact for one in operands)
    )


def narrowed(f: Translation, number: Number, fitting: Interval | None, node: ast.AST | Span) -> Number:
    """`number` after the tests that it lies in `fitting`; None says nothing of it."""
    if fitting is None:
        return number
    known = number.range.meet(fitting)
    if known is None:  # always a fault
        f.fault_if("eq", f.number(0), f.number(0), _KIND, OVERFLOW, node)
        return number
    sign = "s" if number.range.lo < 0 else "u"
    bounds = (("lt", known.lo, number.range.lo), ("gt", known.hi, number.range.hi))
    for test, bound in ((test, bound) for test, bound, end in bounds if bound != end):
        f.fault_if(sign + test, f.register(number), f.number(bound), _KIND, OVERFLOW, node)
    f.state.learn(number, known)
    return number.within(known)


def carried(f: Translation, name: str, head: Binding, place: Span) -> None:
    """Before a name goes to the head of a loop, where it is held as s64 whatever it is on other turns."""
    bound = f.state.names.get(name)
    if f.hook.ints == "checked" and isinstance(bound, Number) and isinstance(head, Number) and head.range == S64:
        number = f.state.known(bound)
        if not number.range.within(S64):
            f.state.names[name] = narrowed(f, number, S64, place)


def clipped(f: Translation, kinds: Kinds, range: Interval) -> Interval:
    """What a name is held as at the head of a loop, of which more may come back than a register holds."""
    if f.hook.ints != "checked" or range.exact or any(kind.wraps for kind in kinds):
        return range
    return S64


def reached(f: Translation, kinds: Kinds, reach: Interval) -> bool:
    """Whether a name at the head of a loop can be anything in `reach`, where it has come by sums: what wraps is no sum
    any more."""
    held = reach.exact or f.hook.ints != "checked"
    return held and all(kind.wraps is None or reach.within(kind.wraps) for kind in kinds)


def fitting_power(exponent: int) -> Interval:
    """The bases whose power fits."""
    up = _root(S64.hi, exponent)
    return Interval(-up if exponent % 2 == 0 else -_root(-S64.lo, exponent), up)


def _root(number: int, exponent: int) -> int:
    """The largest integer whose power is at most `number`, which is not negative."""
    low, high = 0, 1 << number.bit_length() // exponent + 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**exponent <= number else (low, middle - 1)
    return low


def fitting(op: Operation) -> tuple[Interval | None, Interval | None] | None:
    """Where one operand is known: which numbers the left and the right one may be, None for any; None where both
    vary."""
    held = S64
    a, b = op.a.constant, op.b.constant
    match op.row.name:
        case "add" if a is not None or b is not None:
            known = a if a is not None else b or 0
            other = Interval(held.lo - known, held.hi - known)
            return (None, other) if a is not None else (other, None)
        case "sub" if a is not None:
            return None, Interval(a - held.hi, a - held.lo)
        case "sub" if b is not None:
            return Interval(held.lo + b, held.hi + b), None
        case "mul" if a is not None or b is not None:
            other = _factors(a if a is not None else b or 0)
            return (None, other) if a is not None else (other, None)
        case "lshift" if b is not None:
            return _factors(1 << b), None
        case "lshift" if a is not None:
            most = (held.hi // a if a > 0 else held.lo // a).bit_length() - 1
            return None, Interval(0, max(most, 0))
    return None


def _factors(known: int) -> Interval:
    """The numbers that, times `known`, fit."""
    first, last = (S64.lo, S64.hi) if known > 0 else (S64.hi, S64.lo)
    return Interval(-(-first // known), last // known)


def tested(f: Translation, op: Operation) -> Register:
    """The word of an operation on two numbers that vary, after the test that its exact value fits."""
    a, b = f.register(op.a), f.register(op.b)
    if op.row.name == "lshift":
        narrowed(f, op.a, S64, op.node)
        word = f.op("shl", a, b)  # the count was tested
        back = f.op("ashr", word, b)
        f.fault_if("ne", back, a, _KIND, OVERFLOW, op.node)
        return word
    word = f.op(op.row.name, a, b)
    upper = _UPPER.get(op.row.name, _bitwise)(f, op, word)
    f.fault_if("ne", upper, f.op("ashr", word, f.number(_TOP)), _KIND, OVERFLOW, op.node)
    return word


def divided(f: Translation, op: Operation, word: Register) -> None:
    """After a floor division: its result fits where its sign is that of both operands' signs, and it is not 0."""
    differ = f.op("xor", f.op("ashr", word, f.number(_TOP)), f.op("xor", _sign(f, op.a), _sign(f, op.b)))
    f.fault_if("ne", f.op("and", differ, word), f.number(0), _KIND, OVERFLOW, op.node)


def _sign(f: Translation, number: Number) -> Register:
    """The upper word of a number: -1 where it is negative, else 0."""
    return f.op("ashr", f.register(number), f.number(_TOP)) if number.range.lo < 0 else f.number(0)


def _bitwise(f: Translation, op: Operation, word: Register) -> Register:
    return f.op(op.row.name, _sign(f, op.a), _sign(f, op.b))


def _below(f: Translation, a: Register, b: Register) -> Register:
    """1 where a < b as unsigned words, else 0: the borrow of a - b."""
    differ = f.op("xor", a, b)
    not_a = f.op("xor", a, f.number(-1))
    least = f.op("and", f.op("xor", differ, f.number(-1)), f.op("sub", a, b))
    return f.op("lshr", f.op("or", f.op("and", not_a, b), least), f.number(_TOP))


def _sum(f: Translation, op: Operation, word: Register) -> Register:
    carry = _below(f, word, f.register(op.a))
    return f.op("add", f.op("add", _sign(f, op.a), _sign(f, op.b)), carry)


def _difference(f: Translation, op: Operation, word: Register) -> Register:
    borrow = _below(f, f.register(op.a), f.register(op.b))
    return f.op("sub", f.op("sub", _sign(f, op.a), _sign(f, op.b)), borrow)


def _product(f: Translation, op: Operation, word: Register) -> Register:
    """Of four products of halves; a negative factor counts 2**64 times the other one too much."""
    a, b = f.register(op.a), f.register(op.b)
    half, low = f.number(32), f.number(M32)
    a0, a1, b0, b1 = f.op("and", a, low), f.op("lshr", a, half), f.op("and", b, low), f.op("lshr", b, half)
    middle = f.op("add", f.op("mul", a1, b0), f.op("lshr", f.op("mul", a0, b0), half))
    other = f.op("add", f.op("mul", a0, b1), f.op("and", middle, low))
    upper = f.op("add", f.op("mul", a1, b1), f.op("add", f.op("lshr", middle, half), f.op("lshr", other, half)))
    for one, factor in ((op.a, b), (op.b, a)):
        if one.range.lo < 0:
            upper = f.op("sub", upper, f.op("and", _sign(f, one), factor))
    return upper


_UPPER: dict[str, Callable[[Translation, Operation, Register], Register]] = {
    "add": _sum, "sub": _difference, "mul": _product,
}  # fmt: skip


def spare(f: Translation, *nodes: ast.expr) -> None:
    """Only the low bits of these expressions are read: what they are made of by operators that need no more is not
    tested."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.BinOp) and _is_ring(node.op):
            f.spared.add(node)
            waiting += [node.left] if isinstance(node.op, ast.LShift) else [node.left, node.right]
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
            f.spared.add(node)
            waiting.append(node.operand)


def _is_ring(op: ast.operator) -> bool:
    row = BINARY_BY_NODE.get(type(op).__name__)
    return row is not None and row.ring


def spare_masked(f: Translation, node: ast.BinOp) -> None:
    """What `x & mask` and `x % 2**k` take the low bits of, where the mask or the modulus stands there as a number."""
    left, right = _literal(node.left), _literal(node.right)
    if isinstance(node.op, ast.BitAnd):
        if right is not None and 0 <= right <= M64:
            spare(f, node.left)
        if left is not None and 0 <= left <= M64:
            spare(f, node.right)
    elif isinstance(node.op, ast.Mod) and right is not None and 0 < right <= M64 + 1 and not right & (right - 1):
        spare(f, node.left)


def _literal(node: ast.expr) -> int | None:
    """The number that an expression of numbers alone is: of literals, `2**k`, `1 << k`, `2**k - 1`."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if not isinstance(node, ast.BinOp):
        return None
    a, b = _literal(node.left), _literal(node.right)
    if a is None or b is None:
        return None
    match node.op:
        case ast.Pow() if a == 2 and 0 <= b <= 64:
            return 1 << b
        case ast.LShift() if 0 <= b <= 64 and 0 <= a <= M64:
            return a << b
        case ast.Sub():
            return a - b
    return None
