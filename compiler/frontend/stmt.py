"""Statements. One handler for each class of node; the rest is refused by name."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bpfvm.compiler.frontend.control import flow, held, iterate, match, sections
from bpfvm.compiler.frontend.expr import branch, value
from bpfvm.compiler.frontend.functions import closures, result
from bpfvm.compiler.frontend.helpers.messages import spoken
from bpfvm.compiler.frontend.memory import overwritten, targets
from bpfvm.compiler.frontend.names import annotate, bindings
from bpfvm.compiler.frontend.numbers import arith, checked
from bpfvm.compiler.frontend.source.subset import refuse
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Bad, Static, Tuple, Value


def block(f: Translation, body: Sequence[ast.stmt]) -> None:
    """Statements one after the other, as far as control can reach."""
    for node in body:
        if not f.reachable:
            return
        handler = STATEMENTS.get(type(node))
        if handler is None:
            refuse(f, node)
            bindings.spoil(f, node)
            continue
        with f.at(node):
            handler(f, node)


def _assign(f: Translation, node: ast.Assign) -> None:
    assigned = value(f, node.value)
    f.comes(assigned, node.value)
    for target in node.targets:
        store(f, target, assigned, node.value)


def store(f: Translation, target: ast.expr, assigned: Value, source: ast.expr) -> None:
    """`target = assigned`; source: the node that the value came from, for messages."""
    match target:
        case ast.Name():
            bindings.bind(f, target, assigned)
        case ast.Starred():
            store(f, target.value, assigned, source)
        case ast.Tuple() | ast.List():
            _unpack(f, target, assigned, source)
        case ast.Subscript():
            targets.store_item(f, target, assigned, source)
        case ast.Attribute():
            targets.store_attribute(f, target, assigned, source)
        case _:
            refuse(f, target)


def _unpack(f: Translation, target: ast.Tuple | ast.List, assigned: Value, source: ast.expr) -> None:
    known = iterate.unpacked(f, assigned, source)
    if known is not None:
        assigned = known
    if isinstance(assigned, Bad):
        items: Sequence[Value] = [assigned] * len(target.elts)
    elif not isinstance(assigned, Tuple):
        f.error(
            "E022",
            f"`{f.quoted(source)}` is {assigned.described}, which cannot be unpacked",
            source,
            help=f"tuples, constants and arrays of up to {iterate.UNPACKED} elements can: a, b = b, a",
        )
        items = [Bad()] * len(target.elts)
    elif not _fits(assigned, target):
        f.error(
            "E013",
            f"{len(target.elts)} names are to take {len(assigned.items)} values",
            target,
            why="CPython would raise ValueError here",
            help="give each value a name",
        )
        items = [Bad()] * len(target.elts)
    else:
        items = _gathered(assigned, target)
    nodes = source.elts if isinstance(source, ast.Tuple) and len(source.elts) == len(items) else [source] * len(items)
    waiting = overwritten.in_turn(f, items, nodes)
    for one, item, place in zip(target.elts, waiting, nodes, strict=True):
        store(f, one, item, place)


def _fits(assigned: Tuple, target: ast.Tuple | ast.List) -> bool:
    """Whether there is a value for each name; one behind `*` takes any number."""
    stars = sum(isinstance(one, ast.Starred) for one in target.elts)
    return len(assigned.items) >= len(target.elts) - 1 if stars else len(assigned.items) == len(target.elts)


def _gathered(assigned: Tuple, target: ast.Tuple | ast.List) -> Sequence[Value]:
    """The values for the names; what the name behind `*` takes is a list in CPython, a tuple here."""
    at = next((place for place, one in enumerate(target.elts) if isinstance(one, ast.Starred)), None)
    if at is None:
        return assigned.items
    behind = len(assigned.items) - (len(target.elts) - at - 1)
    return [*assigned.items[:at], Tuple(assigned.items[at:behind]), *assigned.items[behind:]]


def _annotated(f: Translation, node: ast.AnnAssign) -> None:
    if node.value is None:
        return  # `x: u32` says nothing at run time
    assigned = value(f, node.value)
    if isinstance(node.target, ast.Name):
        annotate.check(f, node.annotation, assigned, node.value, node.target.id)
    store(f, node.target, assigned, node.value)


def _augmented(f: Translation, node: ast.AugAssign) -> None:
    if isinstance(node.target, ast.Subscript | ast.Attribute):
        targets.update(f, node, node.target)
    elif isinstance(node.target, ast.Name):
        old = bindings.read(f, ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target))
        operand = value(f, node.value)
        bindings.bind(f, node.target, arith.augmented(f, node, (old, node.target), (operand, node.value)))


def _if(f: Translation, node: ast.If) -> None:
    ends: list[End] = []
    for body, way in zip((node.body, node.orelse), branch(f, node.test), strict=True):
        if way:
            flow.enter(f, way)
            block(f, body)
            if f.reachable:
                ends.append(f.end())
    flow.enter(f, ends)


def _while(f: Translation, node: ast.While) -> None:
    iterate.while_loop(f, node, lambda body: block(f, body))


def _for(f: Translation, node: ast.For) -> None:
    iterate.for_loop(f, node, lambda item: store(f, node.target, item, node.iter), lambda body: block(f, body))


def _break(f: Translation, node: ast.Break) -> None:
    held.leave_turn(f)
    f.loops[-1].breaks.append(f.end())
    f.leave()


def _continue(f: Translation, node: ast.Continue) -> None:
    held.leave_turn(f)
    f.loops[-1].continues.append(f.end())
    f.leave()


def _with(f: Translation, node: ast.With) -> None:
    sections.with_statement(f, node, lambda body: block(f, body))


def _match(f: Translation, node: ast.Match) -> None:
    match.match(f, node, lambda body: block(f, body))


def _assert(f: Translation, node: ast.Assert) -> None:
    if not __debug__:  # python -O leaves them out of the function as well
        return
    holds, fails = branch(f, node.test)
    flow.enter(f, fails)
    if f.reachable:
        text = spoken(f, node.msg) or f.quoted(node.test)
        if f.reachable:
            f.fault("AssertionError", text, node)
    flow.enter(f, holds)


def _raise(f: Translation, node: ast.Raise) -> None:
    """`raise X` and `raise X("text")`: a fault of the exception's name."""
    call = node.exc if isinstance(node.exc, ast.Call) else None
    made = value(f, call.func if call is not None else node.exc) if node.exc is not None else None
    if isinstance(made, Bad):
        f.leave()
        return
    kind = made.object if isinstance(made, Static) else None
    hidden = node.cause is None or (isinstance(node.cause, ast.Constant) and node.cause.value is None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)) or not hidden:
        what = "`raise` of anything but a class of exception" if hidden else "`raise ... from ...`"
        f.error("E062", f"{what} is not available in BPF programs", f.head(node), help='raise ValueError("too long")')
        f.leave()
        return
    texts = [spoken(f, one) for one in call.args] if call is not None else []
    for named in call.keywords if call is not None else ():
        value(f, named.value)
    if f.reachable:
        f.fault(kind.__name__, texts[0] if texts else "", node)


def _return(f: Translation, node: ast.Return) -> None:
    if f.hook.ints == "checked" and node.value is not None and result.is_cut(f):
        checked.spare(f, node.value)
    given = value(f, node.value) if node.value is not None else None
    result.leave(f, node, given, node.value)


def _expression(f: Translation, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        f.discarded = node.value
        value(f, node.value)


def _delete(f: Translation, node: ast.Delete) -> None:
    """`del m[k]`."""
    for target in node.targets:
        targets.delete(f, node, target)


def _pass(f: Translation, node: ast.Pass) -> None:
    """Nothing happens."""


def _function(f: Translation, node: ast.FunctionDef) -> None:
    """`def` inside of a function: its name stands for it."""
    closures.define(f, node)


def _declaration(f: Translation, node: ast.Global | ast.Nonlocal) -> None:
    """`global x` alone changes nothing; an assignment to x is the error, with this line beside it. Names of a function
    around that is part of the program are bound as others are."""
    if isinstance(node, ast.Nonlocal) and all(closures.is_around(f, name) for name in node.names):
        return
    f.frame.declared_global.update(dict.fromkeys(node.names, node))


STATEMENTS: Mapping[type[ast.stmt], Callable[[Translation, Any], None]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.With: _with,
    ast.Match: _match,
    ast.Assert: _assert,
    ast.Raise: _raise,
    ast.While: _while,
    ast.For: _for,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Return: _return,
    ast.Expr: _expression,
    ast.Delete: _delete,
    ast.Pass: _pass,
    ast.FunctionDef: _function,
    ast.Global: _declaration,
    ast.Nonlocal: _declaration,
}
