"""Calls: casts and the builtins that compute with numbers. Every other callable is refused by its name."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Sequence
from typing import Any

from bpfvm.compiler.frontend import arith, flow, packet
from bpfvm.compiler.frontend.cast import cast
from bpfvm.compiler.frontend.compare import ordered, truth
from bpfvm.compiler.frontend.ranges import COMPARISONS
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, BOOLEAN, INT, Bad, Number, Static, Tuple, Value, View, constant
from bpfvm.lang.types import Storage

Arguments = Sequence[Value]

_CALLABLE = "call what can be: casts (u32), abs, min, max, divmod, int, bool, len(pkt)"


Handler = Callable[[Translation, ast.Call, Arguments], Value]


def handler_of(f: Translation, node: ast.Call, callee: Value) -> Handler | None:
    """What a call of `callee` does, once its arguments are evaluated. None after an error."""
    name = f.quoted(node.func)
    if isinstance(callee, Bad):
        return None
    if not isinstance(callee, Static) or not callable(callee.object):
        f.error("E012", f"`{name}` is {callee.described}, which cannot be called", node.func, help=_CALLABLE)
        return None
    target = callee.object
    if isinstance(target, Storage):
        return lambda f, node, arguments: _with_numbers(
            f, node, arguments, (0, 1), lambda numbers: cast(f, target, numbers[0] if numbers else constant(0))
        )
    handler = next((handler for builtin, handler in _BUILTINS if builtin is target), None)
    if handler is None:
        _refuse(f, node, callee, name)
    return handler


def _refuse(f: Translation, node: ast.Call, callee: Static, name: str) -> None:
    target = callee.object
    never = getattr(builtins, getattr(target, "__name__", ""), None) is target and name not in _LATER
    text = f"{callee.described} is not available in " + ("BPF programs" if never else "this version")
    f.error("E062" if never else "E063", text, node.func, help=f"write its steps in place, or {_CALLABLE}")


_LATER = ("print", "range", "sum", "any", "all", "enumerate", "zip", "isinstance", "hasattr", "getattr", "pow", "len")


def _with_numbers(
    f: Translation, node: ast.Call, arguments: Arguments, count: tuple[int, int | None],
    compute: Callable[[list[Number]], Value],
) -> Value:  # fmt: skip
    """Check that there are count[0] to count[1] arguments, all of them numbers, then compute."""
    name = f.quoted(node.func)
    if node.keywords:
        return f.error(
            "E013",
            f"`{name}` takes no arguments by name here",
            node.keywords[0].value,
            help=f"{name}({f.quoted(node.keywords[0].value)})",
        )
    least, most = count
    if len(arguments) < least or (most is not None and len(arguments) > most):
        wanted = f"{least}" if least == most else f"at least {least}" if most is None else f"{least} to {most}"
        return f.error(
            "E013",
            f"`{name}` takes {wanted} arguments here, and got {len(arguments)}",
            node,
            help=f"{name}({', '.join('abc'[: max(least, 1)])})",
        )
    numbers = [argument for argument in arguments if isinstance(argument, Number)]
    if len(numbers) < len(arguments):
        at = next(place for place, argument in enumerate(arguments) if not isinstance(argument, Number))
        return f.error("E022", f"`{name}` takes numbers, and `{f.quoted(node.args[at])}` is {arguments[at].described}",
                       node.args[at], help="name a number")  # fmt: skip
    return compute([f.state.known(number) for number in numbers])


def _int(f: Translation, node: ast.Call, arguments: Arguments) -> Value:
    return _with_numbers(
        f, node, arguments, (0, 1), lambda numbers: numbers[0].as_kinds(INT) if numbers else constant(0)
    )


def _bool(f: Translation, node: ast.Call, arguments: Arguments) -> Value:
    def compute(numbers: list[Number]) -> Value:
        if not numbers:
            return constant(0, BOOLEAN)
        return flow.truth_value(f, truth(f, numbers[0], node.args[0]), node)

    return _with_numbers(f, node, arguments, (0, 1), compute)


def _abs(f: Translation, node: ast.Call, arguments: Arguments) -> Value:
    return _with_numbers(f, node, arguments, (1, 1), lambda numbers: arith.absolute(f, node, numbers[0]))


def _divmod(f: Translation, node: ast.Call, arguments: Arguments) -> Value:
    def compute(numbers: list[Number]) -> Value:
        left, right = ((number, place) for number, place in zip(numbers, node.args, strict=True))
        quotient = arith.binary(f, node, ast.FloorDiv(), left, right)
        rest = arith.binary(f, node, ast.Mod(), left, right)
        return Tuple((quotient, rest))

    return _with_numbers(f, node, arguments, (2, 2), compute)


def _extreme(f: Translation, node: ast.Call, arguments: Arguments, op: type[ast.cmpop]) -> Value:
    """min and max: the first operand that no later one beats."""

    def compute(numbers: list[Number]) -> Value:
        best: Value = numbers[0]
        for place, number in enumerate(numbers[1:], 1):
            assert isinstance(best, Number)
            if not (f.exact(best, node.args[place - 1]) and f.exact(number, node.args[place])):
                return BAD
            beats, stays = ordered(f, COMPARISONS[op], f.state.known(number), best)
            ends: list[End] = [*beats, *stays]
            best = flow.join_values(f, ends, [number] * len(beats) + [best] * len(stays), node)
        return best

    return _with_numbers(f, node, arguments, (2, None), compute)


def _min(f: Translation, node: ast.Call, arguments: Arguments) -> Value:
    return _extreme(f, node, arguments, ast.Lt)


def _max(f: Translation, node: ast.Call, arguments: Arguments) -> Value:
    return _extreme(f, node, arguments, ast.Gt)


def _len(f: Translation, node: ast.Call, arguments: Arguments) -> Value:
    if len(arguments) == 1 and isinstance(arguments[0], View) and not node.keywords:
        view = arguments[0]
        if view.header.name == "pkt":
            return packet.length(f)
    what = arguments[0].described if arguments else "nothing"
    return f.error("E022", f"`len` gives the packet's length here, len(pkt), and got {what}", node, help="len(pkt)")


_BUILTINS: tuple[tuple[Any, Handler], ...] = (
    (int, _int),
    (bool, _bool),
    (abs, _abs),
    (divmod, _divmod),
    (min, _min),
    (max, _max),
    (len, _len),
)
