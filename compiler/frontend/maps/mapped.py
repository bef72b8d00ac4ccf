"""Maps of what is no data: tail calls, redirects of packets, cgroups, ids of stacks."""

from __future__ import annotations

import ast
from typing import TypeAlias

from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.control import held
from bpfvm.compiler.frontend.maps import elements
from bpfvm.compiler.frontend.packets import window
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    INT,
    NOTHING,
    Callee,
    ContextValue,
    MapValue,
    Maybe,
    Nullable,
    Number,
    Static,
    Value,
    constant,
)
from bpfvm.lang.maps.targets import LARGEST_ERROR, M32, ProgArray
from bpfvm.lang.types.interval import Interval

INDEX = Interval(0, M32)
_USER, _SKIP = 256, 0xFF  # BPF_F_USER_STACK, BPF_F_SKIP_FIELD_MASK
_ACTIONS = Interval(0, 3)  # XDP_ABORTED to XDP_TX
_REDIRECTED = Interval(0, 4)  # one of these, or XDP_REDIRECT

Values: TypeAlias = list[Value]
Nodes: TypeAlias = list[ast.expr]


def number(f: Translation, value: Value, node: ast.expr, what: str, wanted: Interval) -> Register | None:
    """A number that fits. None after an error."""
    if isinstance(value, Maybe | Nullable):
        f.may_be_none(node, value)
        return None
    if not isinstance(value, Number):
        f.error("E022", f"{what} is a number, and `{f.quoted(node)}` is {value.described}", node, help="give a number")
        return None
    known = f.state.known(value)
    if not f.exact(known, node):
        return None
    if not known.range.within(wanted):
        f.error("E021", f"`{f.quoted(node)}` {f.lies(known.range)}, and {what} is one from {wanted.lo} to {wanted.hi}",
                node, help=f"assert {f.operand(node)} <= {wanted.hi}")  # fmt: skip
        return None
    return f.register(known)


def call(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`progs.call(ctx, i)`: comes back where no program stands there."""
    if not isinstance(values[0], ContextValue):
        return f.error("E022", f"`{f.quoted(node.func)}` takes the context first, and `{f.quoted(nodes[0])}` is "
                       f"{values[0].described}", nodes[0], help=f"{owner.name}.call(ctx, i)")  # fmt: skip
    index = number(f, values[1], nodes[1], "the index of a program", INDEX)
    if index is None:
        return BAD
    for one in f.state.held:
        held.left(f, one, "is still held where the program goes on in another one", node)
    f.stored("")
    f.builder.helper("tail_call", f.builder.ctx(), elements.declare(f, owner, node, "tail_call"), index)
    window.stored(f)  # verifiers of 6.12 know no address of the packet any more where none stood there
    return NOTHING


def slot(f: Translation, owner: MapValue, index: Value, node: ast.Subscript) -> Value:
    """`progs[i]`, before it is called: `progs[i](ctx)`."""

    def called(f: Translation, node_of: ast.Call, given: Arguments) -> Value:
        if len(given.values) != 1 or given.named:
            return f.error("E013", f"`{f.quoted(node)}` takes the context", node_of, help=f"{f.quoted(node)}(ctx)")
        return call(f, owner, node_of, [given.values[0], index], [given.nodes[0], node.slice])

    return Callee(f.quoted(node), called)


def tail_call(f: Translation, node: ast.Call, given: Arguments) -> Value:
    """`bpf.tail_call(progs, i)`."""
    owner = given.values[0] if given.values else None
    if len(given.values) != 2 or given.named or not isinstance(owner, MapValue):
        return f.error("E013", f"`{f.quoted(node.func)}` takes a ProgArray and an index", node,
                       help=f"{f.quoted(node.func)}(progs, i)")  # fmt: skip
    if not isinstance(owner.declared, ProgArray):
        return f.error("E022", f"`{owner.name}` is {type(owner.declared).__name__}, in which no programs stand",
                       given.nodes[0], help=f"progs = ProgArray({owner.declared.max_entries or 8})")  # fmt: skip
    return call(f, owner, node, [ContextValue(), given.values[1]], given.nodes)


def redirect(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`devs.redirect(i, action)`."""
    index = number(f, values[0], nodes[0], "the index of a target", INDEX)
    given, source = (values[1], nodes[1]) if len(values) > 1 else (constant(0), nodes[0])
    action = number(f, given, source, "the action without a target", _ACTIONS)
    if index is None or action is None:
        return BAD
    f.stored("")
    declared = elements.declare(f, owner, node, "redirect_map")
    return result(f, f.builder.helper("redirect_map", declared, index, action), _REDIRECTED)


def current(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`groups.current(i)`."""
    index = number(f, values[0], nodes[0], "the index of a cgroup", INDEX)
    if index is None:
        return BAD
    declared = elements.declare(f, owner, node, "current_task_under_cgroup")
    found = f.builder.helper("current_task_under_cgroup", declared, index)
    return result(f, found, Interval(-LARGEST_ERROR, 1))


def stack_id(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`stacks.id(user=True, skip=2)`."""
    flags = 0
    for place, (value, source) in enumerate(zip(values, nodes, strict=True)):
        known = f.state.known(value).constant if isinstance(value, Number) else None
        if known is None or isinstance(value, Static) or not 0 <= known <= _SKIP:
            text = f"`{f.quoted(source)}` is {'a bool' if not place else 'a number up to 255'} that is known"
            return f.error("E022", text, source, help=f"{owner.name}.id(user=True, skip=1)")
        flags |= known if place else _USER * bool(known)
    f.stored("")
    declared = elements.declare(f, owner, node, "get_stackid")
    found = f.builder.helper("get_stackid", f.builder.ctx(), declared, f.number(flags))
    return result(f, found, Interval(-LARGEST_ERROR, owner.declared.max_entries - 1))


def result(f: Translation, register: Register, range: Interval) -> Number:
    return Number(INT, range, f.typed(range, register))
