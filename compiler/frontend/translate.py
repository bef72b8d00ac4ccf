"""From a function object to IR: its text, its parameters, its body."""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bpfvm.compiler.frontend import stmt
from bpfvm.compiler.frontend.expr import value
from bpfvm.compiler.frontend.functions import arguments, result
from bpfvm.compiler.frontend.functions.frame import Frame
from bpfvm.compiler.frontend.names.scope import Scope, Unfit
from bpfvm.compiler.frontend.packets import window
from bpfvm.compiler.frontend.source import parameters
from bpfvm.compiler.frontend.source.depth import room
from bpfvm.compiler.frontend.source.proof import LAMBDA, locate
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.ir.function import Function, Param
from bpfvm.compiler.ir.graph import order
from bpfvm.core.articles import an
from bpfvm.core.diag import CompileError, Diag
from bpfvm.core.errors import Unavailable
from bpfvm.core.span import Span
from bpfvm.lang.contexts.arguments import Arguments, Problem, words
from bpfvm.lang.contexts.arguments import declared as declared_of
from bpfvm.lang.functions.callee import Callee
from bpfvm.lang.functions.capture import Capture
from bpfvm.lang.functions.signature import RESULT_OFFSET, Signature
from bpfvm.lang.hooks import Hook
from bpfvm.lang.maps import Map
from bpfvm.lang.target import DEFAULT, Target
from bpfvm.lang.types.scalars import s32, u32

# What the annotation of a program's result may say, where the hook and not the annotation decides what it is.
_RESULTS = (int, u32, s32, None)


@dataclass(frozen=True, slots=True)
class Translated:
    """A function's IR, and what was found on the way. functions: itself and those that it calls."""

    function: Function
    warnings: tuple[Diag, ...]
    maps: Mapping[str, Map]
    captured: tuple[Capture, ...]
    functions: tuple[types.FunctionType, ...]


def translate(
    callee: Callee, hook: Hook, name: str | None = None, machine: Target = DEFAULT, recorded: bool = False
) -> Translated:  # fmt: skip
    """The IR of a function. recorded: it will be noted which fault ended a run.

    One that compiles without tests of what fits in 64 bits gets none by ints="checked". Raises CompileError with every
    error of the function, in the order of its source.
    """
    with room(callee.function):
        if hook.ints == "checked":
            try:
                return _translate(callee, replace(hook, ints="exact"), name, machine, recorded)
            except CompileError as error:
                if not any(one.code == "E040" for one in error.diags):
                    raise
        return _translate(callee, hook, name, machine, recorded)


def _translate(callee: Callee, hook: Hook, name: str | None, machine: Target, recorded: bool) -> Translated:
    function = callee.function
    located = locate(function)
    scope = Scope.of(function)
    (called, _), *copies = hook.sections(name or _name(function)).items()
    target = Function(
        called,
        hook.type,
        hook.section,
        hook.on_fault,
        result_offset=RESULT_OFFSET if hook.scalars else None,
        faults_alike=not recorded,
        source=located.source.location(located.node),
        copies=dict(copies),
    )
    f = Translation(Frame(function, located.source, scope), hook, target, machine, _body, recorded)
    head = located.head
    _bind(f, callee, head)
    declared = parameters.declared(f, callee, located.node, head) if hook.scalars else None
    given = _arguments(f, callee, located.node, head)
    if not hook.scalars:
        _context(f, callee, located.node, head, given is not None)
    if given is not None:
        arguments.bind(f, given, _named(located.node), located.node)
        target.arguments = words(hook, given)
    if not f.diags:
        _program(f, located.node, declared, head)
    if any(one.severity == "error" for one in f.diags):
        raise CompileError(f.diags)
    f.outlined.number_sites(target)
    reached = set(order(target))  # nothing leads to what stands behind a call that never returns
    target.blocks = [one for one in target.blocks if one in reached]
    return Translated(target, tuple(f.diags), dict(scope.maps), tuple(scope.captured.values()), tuple(f.functions))


def _name(function: types.FunctionType) -> str:
    return "anonymous" if function.__name__ == LAMBDA else function.__name__


def _bind(f: Translation, callee: Callee, head: Span) -> None:
    """The parameters that a method or a partial brings."""
    for name, found in callee.bound.items():
        try:
            f.state.names[name] = f.scope.value(found, name)
        except Unfit as error:
            f.error("E045", f"`{name}` cannot be a constant of a BPF program: {error}", head)


def _arguments(
    f: Translation, callee: Callee, node: ast.FunctionDef | ast.Lambda, head: Span
) -> Arguments | None:  # fmt: skip
    """What the parameters stand for, where they are no context. E014 for those that have no meaning."""
    try:
        found = declared_of(callee, f.hook)
    except Unavailable as error:
        found = Arguments(problems=(Problem("", str(error)),))
    if found is not None:
        arguments.refuse(f, found, node, head)
    return found


def _context(
    f: Translation, callee: Callee, node: ast.FunctionDef | ast.Lambda, head: Span, declares: bool
) -> None:  # fmt: skip
    """Bind the parameter of a program with a context structure. declares: its parameters are arguments instead."""
    function, written = callee.function, node.args
    plain = [one for one in written.args if one.arg not in callee.bound]
    beside = () if declares else plain[1:]
    extra = [*written.posonlyargs, *written.kwonlyargs, *beside, written.vararg, written.kwarg]
    wrong = next((one for one in (*extra, *written.defaults) if one is not None), None)
    if wrong is not None:
        f.error(
            "E014",
            f"a program of type {f.hook.type} takes one parameter, its context, or none",
            wrong,
            help=f"def {_name(function)}(ctx):",
        )
        return
    first = plain[0] if plain and not declares else None
    takes = "a struct as its annotation, or none" if f.hook.type == "syscall" else "no annotation in this version"
    if first is not None and function.__annotations__.get(first.arg, Any) not in (Any, "Any", "typing.Any"):
        f.error(
            "E014",
            f"the context of {an(f.hook.type)} program takes {takes}",
            first.annotation or first,
            help=f"def {_name(function)}({first.arg}):",
        )
    declared = function.__annotations__.get("return")
    if not _is_result(declared):
        returns = node.returns if isinstance(node, ast.FunctionDef) and node.returns is not None else head
        f.error("E014", f"a program of type {f.hook.type} returns an int, not {declared!r}", returns, help="-> int")
    result.bind_context(f, first.arg if first is not None else None)


def _is_result(declared: Any) -> bool:
    if isinstance(declared, str):
        return declared in ("int", "u32", "s32", "None", "int | None")
    return any(declared is one for one in _RESULTS) or (
        isinstance(declared, types.UnionType) and declared == int | None
    )


def _program(f: Translation, node: ast.FunctionDef | ast.Lambda, declared: Signature | None, head: Span) -> None:
    if declared is not None:
        f.frame.returns = declared.result
        f.target.params = tuple(Param(name, scalar.annotation) for name, scalar in declared.params)
        f.target.result = declared.result.annotation
        result.bind_scalars(f, declared, _named(node))
    if f.hook.direct:
        window.ends(f)  # where every way to an access passes; nothing comes of it where there is none
    _body(f, node)
    if f.reachable:
        result.fall_off(f, head)


def _body(f: Translation, node: ast.FunctionDef | ast.Lambda) -> None:
    """The body of the program, or of a function that it calls."""
    if not isinstance(node, ast.Lambda):
        stmt.block(f, node.body)
        return
    given = value(f, node.body)
    if f.reachable:
        result.leave(f, node.body, given, node.body)


def _named(node: ast.AST) -> frozenset[str]:
    return frozenset(one.id for one in ast.walk(node) if isinstance(one, ast.Name))
