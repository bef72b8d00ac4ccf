"""Timers in values of maps: `v.timer.start(tick, after=n)`, `v.timer.cancel()`.

What a timer calls is a function of its own: it runs when the program has ended, so it shares no names with it, has no
context, and a fault in it ends it alone.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Sequence
from functools import partial

from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.functions.frame import Frame
from bpfvm.compiler.frontend.functions.outlined import Key, Subprogram
from bpfvm.compiler.frontend.functions.subprograms import named
from bpfvm.compiler.frontend.helpers import arguments
from bpfvm.compiler.frontend.maps import elements, entries
from bpfvm.compiler.frontend.memory import kept
from bpfvm.compiler.frontend.names.scope import Scope
from bpfvm.compiler.frontend.source.proof import Located, locate
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    NOTHING,
    Bad,
    Callee,
    MapValue,
    Nothing,
    Number,
    Reference,
    Static,
    Value,
)
from bpfvm.compiler.ir.function import Function, Param
from bpfvm.compiler.ir.graph import order
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.diag import CompileError
from bpfvm.core.span import Span
from bpfvm.lang.helpers.callables import value_type
from bpfvm.lang.maps.timers import CLOCK_MONOTONIC, Timer
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.helpers.callbacks import CALLBACKS

# Who cannot use maps with timers ("tracing progs cannot use bpf_timer yet" on 6.18)
_TRACING = frozenset(("kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable"))
_FIELDS = frozenset(vars(Timer)["__members__"])
_PASSED = CALLBACKS["for_each_map_elem"].names  # a timer's callback gets the same
_CALLBACK = f"def tick({', '.join(_PASSED)}): ..."


def method(f: Translation, owner: Reference, node: ast.Attribute) -> Value:
    """`timer.start`, `timer.cancel`."""
    match node.attr:
        case "start":
            return Callee(f.quoted(node), partial(_start, owner=owner))
        case "cancel":
            return Callee(f.quoted(node), partial(_cancel, owner=owner))
    if node.attr in _FIELDS and kept.is_refused(f, owner, node):
        return BAD
    return f.error("E037", f"a timer has no `{node.attr}`", f.last_name(node),
                   help="timer.start(tick, after=1_000_000)\ntimer.cancel()")  # fmt: skip


def _start(f: Translation, node: ast.Call, given: Arguments, *, owner: Reference) -> Value:
    """`timer.start(callback, after)`."""
    values = dict(zip(("callback", "after"), zip(given.values, given.nodes, strict=True), strict=False))
    values |= {one.arg: (given.named[one.arg], one.value) for one in node.keywords if one.arg is not None}
    if len(given.values) + len(given.named) != 2 or set(values) != {"callback", "after"}:
        return f.error("E013", f"`{f.quoted(node.func)}` takes a function and the time until it is called", node,
                       help=f"{f.quoted(node.func)}(tick, after=1_000_000)  # nanoseconds")  # fmt: skip
    home = _home(f, node, owner, "timer_init")
    after = _after(f, *values["after"])
    callback = _callback(f, *values["callback"], home) if home is not None else None
    if home is None or after is None or callback is None:
        return BAD
    with f.at(node):
        f.stored("")
        address, builder = f.pointer(owner), f.builder
        wait = f.register(after)
        builder.helper("timer_init", address, elements.declare(f, home, node), f.number(CLOCK_MONOTONIC))
        f.target.callees[callback.name] = callback
        builder.helper("timer_set_callback", address, builder.op("function", named=callback.name))
        started = builder.helper("timer_start", address, wait, f.number(0))
        f.fault_if("ne", started, f.number(0), "MapError", "the timer is not started", node)
    return NOTHING


def _cancel(f: Translation, node: ast.Call, given: Arguments, *, owner: Reference) -> Value:
    """`timer.cancel()`."""
    if given.values or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes no arguments", node, help=f"{f.quoted(node.func)}()")
    if _home(f, node, owner, "timer_cancel") is None:
        return BAD
    with f.at(node):
        f.stored("")
        result = f.builder.helper("timer_cancel", f.pointer(owner))
        was, other = f.split("eq", result, f.number(1))
        return flow.truth_value(f, ([was], [other]), node)


def _home(f: Translation, node: ast.Call, owner: Reference, helper: str) -> MapValue | None:
    """The map in whose value a timer stands. None after an error."""
    timer = f.quoted(node.func.value) if isinstance(node.func, ast.Attribute) else f.quoted(node.func)
    if f.hook.type in _TRACING:
        f.error("E011", f"programs of type {f.hook.type} cannot use timers", node,
                why="the kernel's verifier refuses maps with bpf_timer there",
                help="@bpf.fentry, @bpf.tp_btf, or a program of the network")  # fmt: skip
        return None
    if not arguments.may_call(f, node.func, HELPERS[helper], f"`{f.quoted(node.func)}`"):
        return None
    if owner.space != "map_value":
        f.error("E020", f"`{timer}` is no part of a map, and a timer fires in a map's value", node,
                why="it is a copy, or was made here",
                help="v = m[k]\nv.timer.start(tick, after=1_000_000)")  # fmt: skip
    elif owner.home is None:
        f.error("E020", f"it is not known in which map `{timer}` stands", node,
                why="global data holds no timers, and on several ways it may be in several maps",
                help="look it up where it is used: m[k].timer.start(tick, after=1_000_000)")  # fmt: skip
    elif owner.home.register is not None:
        f.error("E063", f"`{timer}` stands in a map that was found in another one", node,
                help="a timer in a map that is declared")  # fmt: skip
    else:
        return owner.home
    return None


def _after(f: Translation, value: Value, node: ast.expr) -> Number | None:
    """The nanoseconds until it fires. None after an error."""
    if isinstance(value, Bad):
        return None
    if not isinstance(value, Number):
        f.error("E020", f"`{f.quoted(node)}` is {value.described}, and `after` is a number of nanoseconds", node,
                help="after=1_000_000")  # fmt: skip
        return None
    value = f.state.known(value)
    if not f.exact(value, node):
        return None
    if value.range.lo < 0:
        f.error("E021", f"`{f.quoted(node)}` may be below 0, and nothing fires in the past", node,
                why=f"its value {f.lies(value.range)}", help=f"max({f.quoted(node)}, 0)")  # fmt: skip
        return None
    return value


def _callback(f: Translation, value: Value, node: ast.expr, home: MapValue) -> Function | None:
    """The function that runs later, made once for each map. None after an error."""
    if isinstance(value, Bad):
        return None
    function = value.object if isinstance(value, Static) else None
    if not isinstance(function, types.FunctionType):
        f.error("E020", f"`{f.quoted(node)}` is {value.described}, and a timer calls a function of the module", node,
                why="it runs when the program has ended, and sees none of its names", help=_CALLBACK)  # fmt: skip
        return None
    code = function.__code__
    if code.co_argcount != len(_PASSED) or code.co_kwonlyargcount or function.__defaults__ or code.co_flags & 0xC:
        f.error("E013", f"a timer calls `{f.quoted(node)}` with {', '.join(_PASSED)}", node, help=_CALLBACK)
        return None
    try:
        located = locate(function)
    except CompileError as error:
        for one in error.diags:
            f.error(one.code, one.message, node, why=one.why, help=one.help)
        return None
    key: Key = ("timer", function, home)
    if key not in f.outlined.later:
        f.outlined.later[key] = _translated(f, function, located, home, key)
    return f.outlined.later[key]


def _translated(
    f: Translation, function: types.FunctionType, located: Located, home: MapValue, key: Key
) -> Function | None:  # fmt: skip
    """A function of its own. Nothing of it is rolled back, its errors neither."""
    target = Function(
        named(f, function), f.target.type, f.target.section, 0, callees=f.target.callees, is_subprogram=True,
        is_later=True, source=located.source.location(located.node), result=int,
    )  # fmt: skip
    f.outlined.later[key] = target  # which may start the timer again
    child = f.inner(Frame(function, located.source, Scope.of(function, f.scope)), target)
    child.callers = ()  # none of them runs by then
    _bind(child, located.node, function, home)
    child.body(located.node)
    if child.reachable:
        child.frame.leaving.append((child.end(), NOTHING))
    with child.at(located.node):
        _ended(child, located.head)
    target.blocks = order(target)
    if any(one.op == "ctx" for one in target.values()):
        child.error("E063", f"`{function.__name__}` uses the packet or the context, and a timer calls it", located.head,
                    why="when it runs, the program has ended, and its context is gone",
                    help="store what it needs in the value of the map")  # fmt: skip
    f.outlined.diags.update(child.found)
    f.functions.update(child.functions)
    size = sum(len(block.values) + 1 for block in target.blocks) + child.work
    f.outlined.made[key] = Subprogram(target, (), NOTHING, False, size)
    return None if any(one.severity == "error" for one in child.found.values()) else target


def _bind(child: Translation, node: ast.AST, function: types.FunctionType, home: MapValue) -> None:
    """The parameters: the map, a copy of the key, the value."""
    first = child.target.blocks[0]
    _, key, value = (child.builder.param(first, Ptr(one)) for one in ("map", "map_value", "map_value"))
    child.target.params = tuple(Param(one, pointer_to="an address") for one in _PASSED)
    names = function.__code__.co_varnames
    child.state.names[names[0]] = home
    child.state.names[names[1]] = entries.key(child, home, key, node)
    child.state.names[names[2]] = Reference(value_type(home.declared), "map_value", value, shared=True, home=home)


def _ended(child: Translation, head: Span) -> None:
    """Every `return` gives 0. E024 for one of anything else."""
    ends: Sequence[End] = [end for end, _ in child.frame.leaving]
    for _, given in child.frame.leaving:
        if not isinstance(given, Nothing | Bad) and not (isinstance(given, Number) and given.constant == 0):
            what = (
                f"`{child.frame.function.__name__}` returns {given.described}, and what a timer calls returns nothing"
            )
            child.error("E024", what, head, help="return")
    if ends:
        flow.enter(child, ends)
        child.ret(child.number(0))


__all__ = ["method"]
