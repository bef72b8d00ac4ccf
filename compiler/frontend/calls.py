"""Calls of anything but functions: casts, builtins, methods of numbers, and what CPython computes beforehand.

Every other callable is refused by its name.
"""

from __future__ import annotations

import ast
import builtins
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.helpers import arguments
from bpfvm.compiler.frontend.names import constants, objects
from bpfvm.compiler.frontend.numbers import arith, bits, enums, integers, power
from bpfvm.compiler.frontend.numbers.cast import cast
from bpfvm.compiler.frontend.numbers.compare import ordered, truth
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.pointers import reads
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    BOOLEAN,
    INT,
    Bad,
    Maybe,
    Method,
    Nullable,
    Number,
    Reference,
    Static,
    Tuple,
    Value,
    constant,
)
from bpfvm.core.articles import an
from bpfvm.lang.helpers.atomics import Fetch
from bpfvm.lang.helpers.callables import Call, Comm, Reading
from bpfvm.lang.helpers.current import Current
from bpfvm.lang.helpers.dynptrs import OfMemory
from bpfvm.lang.maps.targets import TailCall
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage, of_ctypes

_CALLABLE = "call what can be: functions, casts (u32), abs, min, max, sum, any, all, divmod, int, bool, len"


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a call, evaluated. nodes: of each of `values` the text that gave it."""

    values: list[Value]
    nodes: list[ast.expr]
    named: Mapping[str, Value] = field(default_factory=dict)


Handler = Callable[[Translation, ast.Call, Arguments], Value]


def handler_of(f: Translation, node: ast.Call, callee: Value) -> Handler | None:
    """What a call of `callee` does, once its arguments are evaluated. None after an error."""
    name = f.quoted(node.func)
    if isinstance(callee, Bad):
        return None
    if isinstance(callee, Method):
        return lambda f, node, given: _with_numbers(
            f, node, given, (0, 0), lambda _: bits.METHODS[callee.name](f, node.func, f.state.known(callee.owner))
        )
    if not isinstance(callee, Static) or not callable(callee.object):
        f.error("E012", f"`{name}` is {callee.described}, which cannot be called", node.func, help=_CALLABLE)
        return None
    target = callee.object
    if isinstance(target, PointerType | Current):
        return reads.handler(target)
    if isinstance(target, Storage):
        return lambda f, node, given: _with_numbers(
            f, node, given, (0, 1), lambda numbers: cast(f, target, numbers[0] if numbers else constant(0))
        )
    if isinstance(target, Call | Reading | Comm):
        return arguments.handler(target)
    if isinstance(target, type) and issubclass(target, enum.Enum):
        return lambda f, node, given: _member(f, node, callee, given)
    if target == int.from_bytes:
        return _from_bytes
    if isinstance(target, Fetch | TailCall | OfMemory):
        return _of_maps(target)
    handler = next((handler for builtin, handler in BUILTINS if builtin is target), None)
    if handler is None and constants.is_foldable(callee):
        return lambda f, node, given: constants.call(f, node, callee, (given.values, given.nodes), given.named)
    if handler is None:
        _refuse(f, node, callee, name)
    return handler


def _of_maps(target: Fetch | TailCall | OfMemory) -> Handler:
    """What asks maps, as calls of methods do."""
    from bpfvm.compiler.frontend.helpers import dynptrs
    from bpfvm.compiler.frontend.maps import fetches, mapped

    if isinstance(target, OfMemory):
        return dynptrs.of_memory

    return (
        mapped.tail_call
        if isinstance(target, TailCall)
        else lambda f, node, given: fetches.call(f, node, target, given)
    )


def _refuse(f: Translation, node: ast.Call, callee: Static, name: str) -> None:
    target = callee.object
    storage = of_ctypes(target)
    if storage is not None:
        f.error(
            "E012",
            f"`{name}` makes an object with operators of its own, which BPF programs do not have",
            node.func,
            help=f"{storage!r}({', '.join(map(f.quoted, node.args))})",
        )
        return
    never = getattr(builtins, getattr(target, "__name__", ""), None) is target and name not in _LATER
    text = f"{callee.described} is not available in " + ("BPF programs" if never else "this version")
    f.error("E062" if never else "E063", text, node.func, help=_INSTEAD.get(name) or f"write its steps, or {_CALLABLE}")


_LATER = ("range", "enumerate", "zip")
_INSTEAD = {
    "reversed": "for i in reversed(range(16)): ...",
    "enumerate": "for i, x in enumerate((4, 5, 6)): ...",
    "zip": "for x, y in zip((1, 2), (3, 4)): ...",
    "list": "a tuple: (a, b)\nor a map: Array(u64, 16)",
    "sorted": "min(a, b), max(a, b)",
    "map": "a generator in a reducer: sum(g(i) for i in range(16))",
    "filter": "a generator in a reducer: sum(i for i in range(16) if i & 1)",
    "open": "pass what is read in as a constant or a map",
    "input": "pass what is read in as a constant or a map",
    "iter": "for i in range(16): ...",
    "next": "for i in range(16): ... break",
    "id": "compare values: a == b",
}


def _with_numbers(
    f: Translation, node: ast.Call, given: Arguments, count: tuple[int, int | None],
    compute: Callable[[list[Number]], Value],
) -> Value:  # fmt: skip
    """Check that there are count[0] to count[1] arguments, all of them numbers, then compute."""
    name, values = f.quoted(node.func), given.values
    if given.named:
        place = node.keywords[0].value
        return f.error("E013", f"`{name}` takes no arguments by name here", place, help=f"{name}({f.quoted(place)})")
    least, most = count
    if len(values) < least or (most is not None and len(values) > most):
        wanted = f"{least}" if least == most else f"at least {least}" if most is None else f"{least} to {most}"
        return f.error(
            "E013",
            f"`{name}` takes {wanted} arguments here, and got {len(values)}",
            node,
            help=f"{name}({', '.join('abc'[: max(least, most or 0)])})",
        )
    numbers = [argument for argument in values if isinstance(argument, Number)]
    if len(numbers) < len(values):
        at = next(place for place, argument in enumerate(values) if not isinstance(argument, Number))
        one = values[at]
        if isinstance(one, Maybe | Nullable):
            return f.may_be_none(given.nodes[at], one)
        text = f"`{name}` takes numbers, and `{f.quoted(given.nodes[at])}` is {values[at].described}"
        return f.error("E022", text, given.nodes[at], help="name a number")
    return compute([f.state.known(number) for number in numbers])


def _int(f: Translation, node: ast.Call, given: Arguments) -> Value:
    if given.values and not isinstance(given.values[0], Number | Maybe):
        return constants.call(f, node, Static(int), (given.values, given.nodes), given.named)
    return _with_numbers(f, node, given, (0, 1), lambda numbers: numbers[0].as_kinds(INT) if numbers else constant(0))


def _from_bytes(f: Translation, node: ast.Call, given: Arguments) -> Value:
    if given.values and isinstance(given.values[0], Reference):
        return integers.from_bytes(f, node, list(zip(given.values, given.nodes, strict=True)), dict(given.named))
    return constants.call(f, node, Static(int.from_bytes), (given.values, given.nodes), given.named)


def _bool(f: Translation, node: ast.Call, given: Arguments) -> Value:
    if len(given.values) == 1 and not given.named:
        return flow.truth_value(f, truth(f, given.values[0], given.nodes[0]), node)
    return _with_numbers(f, node, given, (0, 1), lambda _: constant(0, BOOLEAN))


def _abs(f: Translation, node: ast.Call, given: Arguments) -> Value:
    return _with_numbers(f, node, given, (1, 1), lambda numbers: arith.absolute(f, node, numbers[0]))


def _divmod(f: Translation, node: ast.Call, given: Arguments) -> Value:
    def compute(numbers: list[Number]) -> Value:
        left, right = zip(numbers, given.nodes, strict=True)
        quotient = arith.binary(f, node, ast.FloorDiv(), left, right)
        rest = arith.binary(f, node, ast.Mod(), left, right)
        return BAD if isinstance(quotient, Bad) or isinstance(rest, Bad) else Tuple((quotient, rest))

    return _with_numbers(f, node, given, (2, 2), compute)


def _pow(f: Translation, node: ast.Call, given: Arguments) -> Value:
    if len(given.values) == 3:
        text = "`pow` with a modulus is not available in BPF programs"
        return f.error("E062", text, node, help="multiply in a loop, and take `%` on each turn")

    def compute(numbers: list[Number]) -> Value:
        return power.power(f, node, *zip(numbers, given.nodes, strict=True))

    return _with_numbers(f, node, given, (2, 2), compute)


def _round(f: Translation, node: ast.Call, given: Arguments) -> Value:
    return _with_numbers(f, node, given, (1, 1), lambda numbers: numbers[0].as_kinds(INT))


def _extreme(f: Translation, node: ast.Call, given: Arguments, op: type[ast.cmpop]) -> Value:
    """min and max: the first operand that no later one beats."""
    if len(given.values) == 1 and not given.named and isinstance(given.values[0], Tuple):
        items = given.values[0].items
        given = Arguments(list(items), [given.nodes[0]] * len(items))
        if not items:
            return f.error("E025", f"`{f.quoted(node)}` raises ValueError: there is nothing to choose from", node,
                           help="give it at least one number")  # fmt: skip
        if len(items) == 1 and isinstance(items[0], Number):
            return items[0]

    def compute(numbers: list[Number]) -> Value:
        best: Value = numbers[0]
        for place, number in enumerate(numbers[1:], 1):
            assert isinstance(best, Number)
            if not (f.exact(best, given.nodes[place - 1]) and f.exact(number, given.nodes[place])):
                return BAD
            beats, stays = ordered(f, COMPARISONS[op], f.state.known(number), best)
            ends: list[End] = [*beats, *stays]
            best = flow.join_values(f, ends, [number] * len(beats) + [best] * len(stays), node)
        return best

    return _with_numbers(f, node, given, (2, None), compute)


def _min(f: Translation, node: ast.Call, given: Arguments) -> Value:
    return _extreme(f, node, given, ast.Lt)


def _max(f: Translation, node: ast.Call, given: Arguments) -> Value:
    return _extreme(f, node, given, ast.Gt)


def _member(f: Translation, node: ast.Call, callee: Static, given: Arguments) -> Value:
    """`Kind(x)`."""
    if len(given.values) == 1 and isinstance(given.values[0], Number) and given.values[0].constant is None:
        return enums.member(f, node, callee.object, f.state.known(given.values[0]), given.nodes[0])
    return constants.call(f, node, callee, (given.values, given.nodes), given.named)


def _float(f: Translation, node: ast.Call, given: Arguments) -> Value:
    text = f"`{f.quoted(node)}` makes {an(f.quoted(node.func))}; BPF has no floating point"
    return f.error("E045", text, node, help="use an int, scaled: 1500 for 1.5 thousandths")


def _of_objects(
    least: int, most: int, compute: Callable[[Translation, ast.Call, list[Value], list[ast.expr]], Value]
) -> Handler:
    """A builtin that takes least to most objects of any kind."""

    def handler(f: Translation, node: ast.Call, given: Arguments) -> Value:
        if given.named or not least <= len(given.values) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            text = f"`{f.quoted(node.func)}` takes {wanted} arguments here"
            return f.error("E013", text, node, help=f"{f.quoted(node.func)}({', '.join('abc'[:most])})")
        return compute(f, node, given.values, given.nodes)

    return handler


BUILTINS: tuple[tuple[Any, Handler], ...] = (
    (int, _int),
    (bool, _bool),
    (abs, _abs),
    (divmod, _divmod),
    (pow, _pow),
    (round, _round),
    (min, _min),
    (max, _max),
    (float, _float),
    (complex, _float),
    (len, _of_objects(1, 1, objects.length)),
    (isinstance, _of_objects(2, 2, objects.is_instance)),
    (hasattr, _of_objects(2, 2, objects.has_attribute)),
    (getattr, _of_objects(2, 3, objects.get_attribute)),
    (callable, _of_objects(1, 1, objects.is_callable)),
    (type, _of_objects(1, 1, objects.type_of)),
    (range, _of_objects(1, 3, objects.range_of)),
)
