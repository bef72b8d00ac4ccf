"""What CPython computes while a program is compiled: operators, items and pure calls of objects that are known.

`socket.htons(5)`, `len(NAMES)`, `"eth" + "0"`, `Kind(3)`, `table["ssh"]`. The result is a constant of the program.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import operator
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bpfvm.compiler.frontend.names import bindings, purity
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Kind, Nothing, Number, Range, Reference, Static, Tuple, Value
from bpfvm.lang.types.scalars import s64, u64

Named = Mapping[str, Value]

OPERATORS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Mult: operator.mul, ast.Mod: operator.mod, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.Sub: operator.sub,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip

_LONGEST = 1 << 20  # items of what is repeated


class NotConstant(Exception):
    """A value that is known only when the program runs."""


def object_of(value: Value) -> Any:
    """The Python object that a value is. Raises NotConstant."""
    match value:
        case Number(constant=int(known)):
            return _integer(value, known)
        case Nothing():
            return None
        case Tuple():
            return tuple(object_of(one) for one in value.items)
        case Range():
            return range(object_of(value.start), object_of(value.stop), value.step)
        case Static():
            return value.object
    raise NotConstant


_CLASSES: Mapping[Kind, Callable[[int], int]] = {Kind.INT: int, Kind.BOOL: bool, Kind.U64: u64, Kind.S64: s64}


def _integer(value: Number, known: int) -> int:
    if value.member is not None:
        return value.member  # type: ignore[return-value]
    if len(value.kinds) != 1 or (make := _CLASSES.get(next(iter(value.kinds)))) is None:
        raise NotConstant
    return make(known)


def computed(f: Translation, node: ast.expr, compute: Callable[[], Any]) -> Value:
    """What `compute` gives as a constant of the program; E025 where it raises."""
    try:
        result = compute()
    except Exception as error:  # whatever the object's own code raises
        return f.error(
            "E025",
            f"`{f.quoted(node)}` raises {type(error).__name__}: {error}",
            node,
            why="its operands are known, so it is computed when the program is compiled, and CPython would raise there",
            help="give it operands that it takes",
        )
    return bindings.captured(f, result, f.quoted(node), node)


def operation(f: Translation, node: ast.expr, op: ast.AST, left: Value, right: Value) -> Value | None:
    """`left op right` of objects that are no numbers. None where they are not known, or have no such operator."""
    compute = OPERATORS.get(type(op))
    if compute is None or not (isinstance(left, Static) or isinstance(right, Static)):
        return None
    try:
        a, b = object_of(left), object_of(right)
    except NotConstant:
        return None
    if isinstance(op, ast.Mult) and _repeated(a, b) > _LONGEST:
        return f.error(
            "E025",
            f"`{f.quoted(node)}` has more than {_LONGEST} items",
            node,
            why="it is computed when the program is compiled",
            help="make it outside of the program, or shorter",
        )
    return computed(f, node, lambda: compute(a, b))


def _repeated(a: Any, b: Any) -> int:
    """How many items a text, bytes or a tuple has that is repeated; 0 for other products."""
    for many, times in ((a, b), (b, a)):
        if isinstance(many, str | bytes | bytearray | tuple | list) and isinstance(times, int):
            return len(many) * max(0, int(times))
    return 0


def item(f: Translation, node: ast.Subscript, owner: Value, index: Value) -> Value:
    """`owner[index]` of a tuple, or of an object that is known."""
    if isinstance(owner, Tuple) and isinstance(index, Number) and index.constant is not None:
        if -len(owner.items) <= index.constant < len(owner.items):
            return f.state.seen(owner.items[index.constant])
        return f.error(
            "E025",
            f"`{f.quoted(node)}` raises IndexError: the tuple has {len(owner.items)} items",
            node,
            why="the index is known when the program is compiled",
            help=f"{f.operand(node.value)}[{len(owner.items) - 1}]" if owner.items else "use a tuple with items",
        )
    try:
        found, at = object_of(owner), object_of(index)
    except NotConstant:
        return _unknown_item(f, node, owner)
    return computed(f, node, lambda: found[at])


def _unknown_item(f: Translation, node: ast.Subscript, owner: Value) -> Value:
    if not isinstance(owner, Tuple | Range | Static):
        text = f"{owner.described} has no items"
        return f.error("E022", text, node.value, help="only a map has: hits = Array(u64, 256)")
    return f.error(
        "E022",
        f"the index of {owner.described} must be a constant, and `{f.quoted(node.slice)}` is not",
        node.slice,
        why="its items are known one by one when the program is compiled, and stand nowhere in memory",
        help=f"keep them in a map: {_as_map(f, node.value, owner)}\nor match the index: match i: case 0: ...",
    )


def _as_map(f: Translation, node: ast.expr, owner: Value) -> str:
    """How a map is declared that holds what a dict does."""
    found = owner.object if isinstance(owner, Static) else None
    if not isinstance(found, dict) or not found:
        return "table = Array(u64, 64)"
    key, value = (_stored(list(some)) for some in (found, found.values()))
    return f"table = Hash({key}, {value}, contents={f.quoted(node)})"


def _stored(some: Sequence[Any]) -> str:
    """The type that holds all of some constants, for most of what they are."""
    if all(isinstance(one, str | bytes) for one in some):
        return f"char[{max(len(one) for one in some)}]"
    return "s64" if any(isinstance(one, int) and one < 0 for one in some) else "u64"


# What programs have for modules whose functions give another result each time
_RUNNING = {
    "time": "when the program runs, ktime() is the time, in ns since the start\n",
    "random": "when the program runs, rand() is a random number of 32 bits: rand() % 10\n",
}


def is_foldable(callee: Value) -> bool:
    """Whether a call is computed by CPython, given that all its arguments are known."""
    if not isinstance(callee, Static) or not callable(callee.object):
        return False
    target = callee.object
    if isinstance(target, type):
        return _is_value_class(target)
    if not purity.may_call(target):
        return False
    if isinstance(target, types.FunctionType):
        return _is_of_the_library(target)
    if isinstance(target, types.MethodType):
        return isinstance(target.__func__, types.FunctionType) and _is_of_the_library(target.__func__)
    return isinstance(target, types.BuiltinFunctionType | types.MethodWrapperType)


def _is_value_class(target: type) -> bool:
    if issubclass(target, enum.Enum) or target in (str, bytes, int, frozenset, tuple, float, complex):
        return True
    parameters = getattr(target, "__dataclass_params__", None)
    frozen = dataclasses.is_dataclass(target) and parameters is not None and parameters.frozen
    named_tuple = issubclass(target, tuple) and hasattr(target, "_fields")
    return frozen or named_tuple or purity.module_of(target) in purity.PURE - {"builtins"}


def _is_of_the_library(target: types.FunctionType) -> bool:
    """Whether a function written in Python stands in a module of the standard library."""
    module = sys.modules.get(purity.module_of(target))
    own = module is not None and vars(module) is target.__globals__
    return own and purity.module_of(target).partition(".")[0] in sys.stdlib_module_names


def _in_place_of(f: Translation, target: Any, value: Value, place: ast.expr) -> str:
    """What to write for a call with something that is not known."""
    if target is bytes and isinstance(value, Reference):
        return f"a copy: {f.operand(place)}.copy()"
    if getattr(target, "__name__", "") == "format" and isinstance(getattr(target, "__self__", None), str):
        return f'print takes values and f-strings: print(f"... {{{f.quoted(place)}}}")'
    return "compute it with operators, or call it with a constant"


def call(
    f: Translation, node: ast.Call, callee: Static, given: tuple[Sequence[Value], Sequence[ast.expr]], named: Named
) -> Value:
    """A call that `is_foldable`. E022 where an argument is not known, W112 where the function may give another result
    another time."""
    arguments, nodes = given
    values: list[Any] = []
    places = (*nodes, *(one.value for one in node.keywords))
    for value, place in zip((*arguments, *named.values()), places, strict=False):
        try:
            values.append(object_of(value))
        except NotConstant:
            return f.error(
                "E022",
                f"{callee.described} takes constants here, and `{f.quoted(place)}` is known only when the program runs",
                place,
                why="CPython calls it when the program is compiled; BPF programs have no code for it",
                help=_in_place_of(f, callee.object, value, place),
            )
    target, count = callee.object, len(arguments)
    if purity.is_endless(target, values):
        return f.error("E045", f"`{f.quoted(node)}` does not fit in 64 bits by far", node, help="a smaller argument")
    if not purity.is_pure(target):
        f.warn(
            "W112",
            f"`{f.quoted(node)}` is called once, when the program is compiled",
            node,
            why=f"{callee.described} may give another result another time; the program holds the first",
            help=_RUNNING.get(purity.module_of(target), "")
            + "if that is meant, bind it to a global name: VALUE = "
            + f.quoted(node),
        )
    return computed(f, node, lambda: target(*values[:count], **dict(zip(named, values[count:], strict=True))))
