"""Calls of functions marked `@bpf.func` and `@bpf.global_func`: compiled once for all calls of a program.

Numbers are passed in registers, each with its annotation for what is known of it in the function; structs and arrays
by their addresses. What else is passed (a map, an object, the context) is part of the function, which is then compiled
once for each. A fault in it sets a word of its caller's stack, the status, and returns; the caller looks at the word
and ends by the same fault.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bpfvm.compiler.frontend.control import flow, sections, status
from bpfvm.compiler.frontend.control.flow import aligned_to
from bpfvm.compiler.frontend.functions.frame import Frame
from bpfvm.compiler.frontend.functions.outlined import Key, Subprogram
from bpfvm.compiler.frontend.names.scope import Scope
from bpfvm.compiler.frontend.packets import window
from bpfvm.compiler.frontend.source.proof import Located, locate
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    BOOLEAN,
    INT,
    MODULAR,
    NOTHING,
    Bad,
    ContextValue,
    MapValue,
    Nothing,
    Number,
    Pointer,
    Reference,
    Static,
    Value,
    View,
)
from bpfvm.compiler.ir.function import FaultExit, Function, Param, substitute
from bpfvm.compiler.ir.graph import order
from bpfvm.compiler.ir.ops import MOST_ARGUMENTS
from bpfvm.compiler.ir.types import Ptr, Type, Word
from bpfvm.core.diag import CompileError
from bpfvm.core.errors import UsageError
from bpfvm.core.span import Span
from bpfvm.lang.functions.signature import Scalar, evaluated, scalar_of
from bpfvm.lang.functions.subprogram import Placement
from bpfvm.lang.types.interval import U64
from bpfvm.lang.types.layout import align_of
from bpfvm.lang.types.scalars import s64, u64

_CALLERS = frozenset({-1})  # the objects of callers: any of them may be another, and none is one made here
_BESIDE = {Placement.FUNC: ", structs and arrays", Placement.GLOBAL: "; the verifier knows nothing of addresses there"}


def call(
    f: Translation, node: ast.Call, function: types.FunctionType, placement: Placement, bound: Mapping[str, Value]
) -> Value:  # fmt: skip
    """The value of a call. BAD after an error."""
    declared = _declared(f, node, function, bound)
    if declared is None or not _passable(f, node, function, placement, declared, bound):
        return BAD
    key = _key(function, declared, bound)
    if key not in f.outlined.made:
        f.outlined.made[key] = _translated(f, node, function, placement, declared, bound)
    one = f.outlined.made[key]
    return BAD if one is None else _called(f, node, one, bound)


def _declared(
    f: Translation, node: ast.Call, function: types.FunctionType, bound: Mapping[str, Value]
) -> Mapping[str, Scalar] | None:  # fmt: skip
    """What the annotations say of the parameters that are numbers, and of the result under "return"."""
    try:
        hints = evaluated(function)
    except UsageError as error:
        f.error("E014", str(error), node)
        return None
    wanted = {name for name, value in bound.items() if isinstance(value, Number)}
    declared = {}
    for name in (*bound, "return"):
        hint = hints.get(name)
        scalar = scalar_of(hint)
        if scalar is not None:
            declared[name] = scalar
        elif name in wanted or (name == "return" and hint is not None):
            what = "the result" if name == "return" else f"parameter `{name}`"
            f.error(
                "E014",
                f"{what} of the subprogram `{function.__name__}` needs the type of a number",
                node,
                why="it is compiled once for all calls, and knows of its arguments what their annotations say",
                help=f"def {function.__name__}(…, {name}: u32):" if name != "return" else "-> u64",
            )
            return None
    return declared


def _passable(
    f: Translation, node: ast.Call, function: types.FunctionType, placement: Placement, declared: Mapping[str, Scalar],
    bound: Mapping[str, Value],
) -> bool:  # fmt: skip
    """Whether every argument is what its parameter says; annotations convert nothing, as in CPython."""
    for name, value in bound.items():
        if isinstance(value, Number):
            if not _fits(f, node, f"`{name}` of `{function.__name__}`", declared[name], f.state.known(value)):
                return False
        elif (isinstance(value, Reference) and placement is Placement.FUNC) or (
            isinstance(value, Pointer) and not (value.trusted and placement is Placement.GLOBAL)
        ):
            continue
        elif isinstance(value, MapValue) and value.register is not None:
            f.error(
                "E022",
                f"`{function.__name__}` is a subprogram, and cannot take a map that was found in another as `{name}`",
                node,
                why="it is compiled once, for a map that is known",
                help="@bpf.inline",
            )
            return False
        elif not isinstance(value, MapValue | Static | ContextValue | View | Nothing):
            f.error(
                "E022",
                f"`{function.__name__}` is a subprogram, and cannot take {value.described} as `{name}`",
                node,
                why=f"it takes numbers, maps and constants{_BESIDE[placement]}",
                help="@bpf.inline",
            )
            return False
    return True


def _fits(f: Translation, node: ast.AST | Span, what: str, declared: Scalar, value: Number) -> bool:
    kind = declared.annotation
    name = kind.__name__
    if declared.modular is not None and value.kinds != {MODULAR[declared.modular]}:
        f.error(
            "E049",
            f"{what} is declared {name}, and is {value.described} here",
            node,
            why=f"Python converts nothing here, so its arithmetic would not wrap as {name} does",
            help=f"{name}(...)",
        )
    elif kind is bool and value.kinds != BOOLEAN:
        f.error("E021", f"{what} is declared bool, and is {value.described} here", node, help="bool(...)")
    elif not value.range.within(declared.range):
        f.error(
            "E021",
            f"{what} is declared {name}, and lies in {f.shown(value.range)} here",
            node,
            why="Python converts nothing here, so CPython would keep the full value",
            help=f"{name}(...)",
        )
    else:
        return True
    return False


def _key(function: types.FunctionType, declared: Mapping[str, Scalar], bound: Mapping[str, Value]) -> Key:
    """Equal for calls that one copy serves."""
    parts: list[object] = [function]
    for value in bound.values():
        if isinstance(value, Number):
            parts.append(value.kinds)
        elif isinstance(value, Pointer):
            parts.append((value.place, value.trusted))
        elif isinstance(value, Reference):
            parts.append((value.type, value.space, _align(value), value.fixed, _home(value)))
        else:
            parts.append(id(value.object) if isinstance(value, Static) else value)
    return tuple(parts)


def _home(value: Reference) -> MapValue | None:
    """The map that it stands in, where that can be known in the function: its register is the caller's."""
    return value.home if value.home is not None and value.home.register is None else None


def _align(value: Reference) -> int:
    """What the function may know of the address: no more than its type says, so that one copy serves most calls."""
    return min(aligned_to(value), align_of(value.type))


def _translated(
    f: Translation, node: ast.Call, function: types.FunctionType, placement: Placement, declared: Mapping[str, Scalar],
    bound: Mapping[str, Value],
) -> Subprogram | None:  # fmt: skip
    try:
        located = locate(function)
    except CompileError as error:
        for one in error.diags:
            f.error(one.code, one.message, node, why=one.why, help=one.help)
        return None
    passed = tuple(name for name, value in bound.items() if isinstance(value, Number | Reference | Pointer))
    target = Function(
        named(f, function),
        f.target.type,
        f.target.section,
        0,
        callees=f.target.callees,
        is_subprogram=True,
        is_global=placement is Placement.GLOBAL,
        source=located.source.location(located.node),
    )
    child = f.inner(Frame(function, located.source, Scope.of(function, f.scope)), target)
    for name, given in bound.items():
        child.state.names[name] = given
        if isinstance(given, Number):
            range = declared[name].range
            child.state.names[name] = Number(given.kinds, range, _parameter(child, Word(range)))
        elif isinstance(given, Pointer):
            child.state.names[name] = replace(given, number=Number(INT, U64, _parameter(child, Word(U64))))
        elif isinstance(given, Reference):
            base = _parameter(child, Ptr(given.space))
            child.state.names[name] = replace(
                given, base=base, offset=0, align=_align(given), objects=_CALLERS, varies=False, home=_home(given)
            )
    child.body(located.node)
    if child.reachable:
        child.frame.leaving.append((child.end(), NOTHING))
    value = _returned(child, located, declared.get("return"))
    f.outlined.diags.update(child.found)
    f.functions.update(child.functions)
    if isinstance(value, Bad) or any(one.severity == "error" for one in child.found.values()):
        return None
    return _finished(f, node, child, bound, passed, value, declared)


def named(f: Translation, function: types.FunctionType) -> str:
    """A name of its own in the program."""
    taken = {*f.outlined.names, f.frames[0].function.__name__, f.target.name}
    base = name = "".join(one if one.isalnum() or one == "_" else "_" for one in function.__name__)
    count = 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    f.outlined.names.add(name)
    return name


def _returned(child: Translation, located: Located, declared: Scalar | None) -> Value | None:
    """Join what all `return` statements give, in r0. None where there is none."""
    head, name = located.head, child.frame.function.__name__
    ends: Sequence[End] = [end for end, _ in child.frame.leaving]
    values = [one for _, one in child.frame.leaving]
    if not ends:
        return None
    numbers = [one for one in values if isinstance(one, Number)]
    if any(isinstance(one, Bad) for one in values):
        return BAD
    if len(numbers) < len(values) and (numbers or declared is not None):
        other = next(one for one in values if not isinstance(one, Number))
        return child.error(
            "E024",
            f"the subprogram `{name}` returns a number, and {other.described} on some path",
            head,
            why="it has one register for its result",
            help="return a number on every path",
        )
    if not numbers:
        wrong = next((one for one in values if not isinstance(one, Nothing)), None)
        if wrong is not None:
            return child.error(
                "E024",
                f"the subprogram `{name}` returns {wrong.described}, and can return numbers only",
                head,
                help="@bpf.inline",
            )
        flow.enter(child, ends)
        with child.at(located.node):
            child.ret(child.number(0))
        return NOTHING
    joined = flow.join_values(child, ends, values, ast.Name(name))
    assert isinstance(joined, Number), "numbers meet in a number"
    joined = child.state.known(joined)
    if not joined.range.exact:
        return child.error(
            "E040",
            f"what `{name}` returns may not fit in 64 bits: it lies in {child.shown(joined.range)}",
            head,
            help="wrap it explicitly: return u64(...)",
        )
    if declared is not None and not _fits(child, head, f"the result of `{name}`", declared, joined):
        return BAD
    with child.at(located.node):
        child.ret(child.register(joined))
    return joined


def _finished(
    f: Translation, node: ast.Call, child: Translation, bound: Mapping[str, Value], passed: tuple[str, ...],
    value: Value | None, declared: Mapping[str, Scalar],
) -> Subprogram | None:  # fmt: skip
    """With its hidden parameters, where what it does needs them."""
    function = child.target
    function.blocks = order(function)
    uses_context = [one for one in function.values() if one.op == "ctx"]
    function.has_status = any(isinstance(block.terminator, FaultExit) for block in function.blocks)
    if uses_context and function.is_global:
        f.error(
            "E063",
            f"the global function `{function.name}` uses the packet or the context",
            node,
            why="it is verified by itself, with numbers for arguments",
            help="pass it the numbers, or use @bpf.func",
        )
        return None
    hidden = bool(uses_context) + function.has_status
    if len(passed) + hidden > MOST_ARGUMENTS:
        reasons = ["its context"] * bool(uses_context) + ["the address of its status"] * function.has_status
        taken = f"{len(passed)} {'numbers' if all(name in declared for name in passed) else 'values'}" + "".join(
            f" and {one}" for one in reasons
        )
        f.error(
            "E013",
            f"the subprogram `{function.name}` would take {taken}; a call passes {MOST_ARGUMENTS} words",
            node,
            why="a function that can end by a fault is given a place to say so" if hidden else "",
            help="@bpf.inline has no such limit",
        )
        return None
    if uses_context:
        substitute(function, dict.fromkeys(uses_context, _parameter(child, Ptr("ctx"))))
    if function.has_status:
        _parameter(child, Ptr("stack"))
    shown = [_param(name, bound[name], declared) for name in passed]
    shown += [Param("ctx")] * bool(uses_context) + [Param("status")] * function.has_status
    function.params = tuple(shown)
    function.result = declared["return"].annotation if "return" in declared else _type_of(value)
    size = sum(len(block.values) + 1 for block in function.blocks) + child.work
    return Subprogram(function, passed, value, bool(uses_context), size, child.moves > 0)


def _param(name: str, value: Value, declared: Mapping[str, Scalar]) -> Param:
    if isinstance(value, Reference):
        return Param(name, pointer_to=value.type.__name__)
    if isinstance(value, Pointer):
        return Param(name, value.kind)
    return Param(name, declared[name].annotation)


def _type_of(value: Value | None) -> Any:
    if not isinstance(value, Number):
        return int
    return bool if value.kinds == BOOLEAN else s64 if value.range.lo < 0 else u64


def _word(f: Translation, value: Value) -> Register:
    if isinstance(value, Reference):
        return f.pointer(value)
    if isinstance(value, Pointer):
        return f.register(value.number)
    assert isinstance(value, Number), "nothing else is passed"
    return f.register(f.state.known(value))


def _called(f: Translation, node: ast.Call, one: Subprogram, bound: Mapping[str, Value]) -> Value:
    """Pass the arguments, call, look at the status."""
    if not sections.may_call(f, node, one.function):
        return BAD
    before = f.end()
    with f.at(node):
        arguments = [_word(f, bound[name]) for name in one.passed]
        word = status.call(f, one.function, arguments, needs_context=one.needs_context)
        f.work += one.size
        if one.moves_packet:
            window.moved(f)
        if one.value is None:
            status.fault(f)
    if one.value is None:
        f.never(before)
        return BAD
    if not isinstance(one.value, Number):
        return one.value
    return Number(one.value.kinds, one.value.range, f.typed(one.value.range, word))


def _parameter(f: Translation, type: Type) -> Register:
    """A parameter more of the subprogram that is translated."""
    return f.builder.param(f.target.blocks[0], type)
