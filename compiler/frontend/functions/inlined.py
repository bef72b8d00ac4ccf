"""Calls of the user's functions: each is written out in place, as often as it is called, unless it is marked.

Its parameters are the values of the arguments, as in CPython: annotations convert nothing. What it raises is a fault
at its own line. Its names are its own; what it knows of the arguments is what the caller knows.
"""

from __future__ import annotations

import ast
import inspect
import random
import types
from collections.abc import Mapping
from typing import Any

from bpfvm.compiler.frontend.functions import subprograms
from bpfvm.compiler.frontend.functions.frame import Frame, entered, left
from bpfvm.compiler.frontend.functions.written import written_out
from bpfvm.compiler.frontend.names import bindings
from bpfvm.compiler.frontend.names.scope import Scope
from bpfvm.compiler.frontend.source.proof import locate
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, Bad, Static, Tuple, Value
from bpfvm.core.diag import CompileError
from bpfvm.lang.functions.callee import brought
from bpfvm.lang.functions.subprogram import Placement, placement_of

MOST_CALLS = 2000  # that are written out, in one program

Arguments = tuple[list[Value], dict[str, Value]]


def is_function(callee: Value) -> bool:
    """Whether it is something that `call` takes: a function, a method of an object, a functools.partial of one."""
    return isinstance(callee, Static) and _plain(callee.object) is not None


def _plain(target: Any) -> types.FunctionType | None:
    while (step := brought(target)) is not None:
        target = step[0]
    return target if isinstance(target, types.FunctionType) else None


def call(f: Translation, node: ast.Call, callee: Value, given: Arguments) -> Value:
    """The value of a call. BAD after an error."""
    assert isinstance(callee, Static), "is_function has said so"
    function = _plain(callee.object)
    assert function is not None, "is_function has said so"
    name = f.quoted(node.func)
    if any(isinstance(one, Bad) for one in (*given[0], *given[1].values())):
        return BAD
    unfolded = _unfolded(f, node, callee.object, given)
    if unfolded is None or not _allowed(f, node, function, name):
        return BAD
    bound = _bound(f, node, function, unfolded)
    if bound is None:
        return BAD
    placement = placement_of(function)
    if placement is Placement.INLINE:
        return _written(f, node, function, bound)
    return subprograms.call(f, node, function, placement, bound)


def _unfolded(f: Translation, node: ast.Call, target: Any, given: Arguments) -> Arguments | None:
    """With the arguments that methods and partials bring themselves."""
    values, named = given
    while (step := brought(target)) is not None:
        target, own, keywords = step
        before = [bindings.captured(f, one, _shown(one), node) for one in own]
        beside = {
            key: bindings.captured(f, one, _shown(one), node) for key, one in keywords.items() if key not in named
        }
        if any(isinstance(one, Bad) for one in (*before, *beside.values())):
            return None
        values, named = [*before, *values], beside | named
    return values, named


def _shown(found: object) -> str:
    return repr(found) if isinstance(found, int | str | bytes) else f"the {type(found).__name__}"


def _allowed(f: Translation, node: ast.Call, function: types.FunctionType, name: str) -> bool:
    around = [*f.callers, *(frame.function for frame in f.frames)]
    if function in around:
        chain = " -> ".join(one.__name__ for one in (*around, function))
        f.error(
            "E061",
            f"`{name}` is called while it runs",
            node,
            why=f"the calls are {chain}, and each would need stack of its own: a BPF program has 512 bytes",
            help="write a loop",
        )
        return False
    if function.__module__ == random.__name__:
        f.error("E063", f"`{name}` is Python's own chance, of which BPF programs have no code", node,
                help="from bpfvm import rand; rand() is a random number of 32 bits: rand() % 10")  # fmt: skip
        return False
    f.calls += 1
    if f.calls <= MOST_CALLS:
        return True
    f.error(
        "E064",
        f"more than {MOST_CALLS} calls would be written out in this program",
        next((frame.call for frame in f.frames if frame.call is not None), None) or node,
        why="every call becomes a copy of the function, and of what it calls",
        help="call it in a loop, or from fewer places",
    )
    return False


def _bound(
    f: Translation, node: ast.Call, function: types.FunctionType, given: Arguments
) -> Mapping[str, Value] | None:  # fmt: skip
    """Parameters by name. None after an error."""
    name, values, named = f.quoted(node.func), *given
    if function.__code__.co_flags & inspect.CO_VARKEYWORDS:
        f.error(
            "E062",
            f"`{name}` takes `**kwargs`, which BPF programs do not have",
            node.func,
            help="give each parameter a name of its own",
        )
        return None
    signature = inspect.signature(function, follow_wrapped=False)
    try:
        bound: dict[str, Any] = dict(signature.bind(*values, **named).arguments)
    except TypeError as error:
        f.error("E013", f"`{name}`: {error}", node, why="CPython would raise TypeError here",
                help=f"def {function.__name__}{signature}")  # fmt: skip
        return None
    for one in signature.parameters.values():
        if one.kind is one.VAR_POSITIONAL:
            bound[one.name] = Tuple(bound.get(one.name, ()))
        elif one.name not in bound:
            bound[one.name] = bindings.captured(f, one.default, f"{one.name}={one.default!r}", node)
    return None if any(isinstance(one, Bad) for one in bound.values()) else bound


def _written(f: Translation, node: ast.Call, function: types.FunctionType, bound: Mapping[str, Value]) -> Value:
    """The function's body in place of its call."""
    try:
        located = locate(function)
    except CompileError as error:
        for one in error.diags:
            f.error(one.code, one.message, node, why=one.why, help=one.help)
        return BAD
    scope = Scope.of(function, f.scope)
    frame = Frame(function, located.source, scope, f.span(node))
    before = f.end()
    f.state = entered(f.state)
    f.state.names.update(bound)
    f.functions[function] = None
    return written_out(f, node, frame, located.node, before, lambda end: End(end.block, left(end.state)))
