"""Maps of sockets: `socks.redirect(k)` of sk_skb and sk_msg programs, `socks.select(k)` of sk_reuseport programs.

`socks[k]` and `socks.get(k)` give a socket that is released once on every way, as a record of a ring is submitted; a
fault releases it. `socks[k] = ops` stores the socket of the context.
"""

from __future__ import annotations

import ast
from functools import partial

from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.control import held
from bpfvm.compiler.frontend.maps import elements, keys, mapped
from bpfvm.compiler.frontend.maps.mapped import Nodes, Values
from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    NOTHING,
    Bad,
    Callee,
    ContextValue,
    MapValue,
    Nullable,
    Number,
    Reference,
    Static,
    Value,
)
from bpfvm.compiler.ir.types import Ptr
from bpfvm.lang.contexts.sockets import WHOLE
from bpfvm.lang.maps import Sockets, SockMap
from bpfvm.lang.maps.sockets import INGRESS, VERBS
from bpfvm.lang.maps.targets import LARGEST_ERROR
from bpfvm.lang.types.interval import Interval
from bpfvm.tables.helpers import allowed
from bpfvm.tables.maps import may_change_sockets

_SOCKET = Ptr("socket", nullable=True)
_VERDICT = Interval(0, 1)  # SK_DROP, SK_PASS


def redirect(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`socks.redirect(k, ingress=True)`."""
    verb = VERBS.get(f.hook.type)
    if verb is None:
        return _elsewhere(f, node, "sk_skb and sk_msg programs")
    assert isinstance(owner.declared, Sockets), "its row says so"
    given = f.state.known(values[1]).constant if len(values) > 1 and isinstance(values[1], Number) else 0
    if given not in (0, 1) or (len(values) > 1 and isinstance(values[1], Static | MapValue)):
        return f.error("E022", f"`{f.quoted(nodes[1])}` is True or False, known at compile time", nodes[1],
                       help=f"{owner.name}.redirect(k, ingress=True)")  # fmt: skip
    find = _word if isinstance(owner.declared, SockMap) else _place
    word = find(f, owner, values, nodes)
    if word is None:
        return BAD
    f.stored("")
    flags = f.number(INGRESS if given else 0)
    declared = elements.declare(f, owner, node)
    helper = f"{verb}_{owner.declared.redirects}"
    return mapped.result(f, f.builder.helper(helper, f.builder.ctx(), declared, word, flags), _VERDICT)


def select(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`socks.select(k)`."""
    if f.hook.type != "sk_reuseport":
        return _elsewhere(f, node, "sk_reuseport programs")
    place = _place(f, owner, values, nodes)
    if place is None:
        return BAD
    f.stored("")
    declared = elements.declare(f, owner, node)
    found = f.builder.helper("sk_select_reuseport", f.builder.ctx(), declared, place, f.number(0))
    return mapped.result(f, found, Interval(-LARGEST_ERROR, 0))


# What stands under a key


def item(f: Translation, owner: MapValue, index: Value, node: ast.Subscript) -> Value:
    """`socks[k]`."""
    found = _looked_up(f, owner, index, node.slice, node)
    if found is None:
        return BAD
    f.fault_if("eq", found, f.number(0), "KeyError", f"{owner.name} has no such key", node)
    one = Reference(WHOLE, "socket", found, fixed=True)
    _take(f, owner, node, Nullable(one), is_sure=True)
    return one


def get(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`socks.get(k)`."""
    found = _looked_up(f, owner, values[0], nodes[0], node)
    if found is None:
        return BAD
    one = Nullable(Reference(WHOLE, "socket", found, fixed=True))
    _take(f, owner, node, one, is_sure=False)
    f.absent[one.origin] = node
    return one


def contains(f: Translation, owner: MapValue, left: Operand, node: ast.expr) -> Branches:
    """`k in socks`: what is found is given back at once."""
    found = _looked_up(f, owner, left[0], left[1], node)
    if found is None:
        return compare.unknown(f)
    there, none = f.split("ne", found, f.number(0))
    f.resume(there)
    f.builder.helper("sk_release", found)
    return [f.end()], [none]


def set_item(
    f: Translation, owner: MapValue, index: Value, target: ast.Subscript, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    """`socks[k] = ops`."""
    assert isinstance(owner.declared, Sockets), "asked of those alone"
    if not isinstance(assigned, ContextValue) or assigned.inside:
        _no_context(f, owner, target, assigned, source)
        return
    if allowed(owner.declared.stores, f.hook.type, f.hook.attach_type) is False:
        _elsewhere(f, target, "sock_ops programs to store to", help="store it in user space, or in a sock_ops program")
        return
    place = _place(f, owner, [index], [target.slice])
    if place is None:
        return
    f.stored("")
    declared = elements.declare(f, owner, target)
    stored = f.builder.helper(owner.declared.stores, f.builder.ctx(), declared, place, f.number(0))
    elements.full(f, "ne", stored, owner, target)


def _no_context(f: Translation, owner: MapValue, target: ast.Subscript, assigned: Value, source: ast.expr) -> None:
    """E063 of a socket that was found, E022 of anything else that is stored in place of a context."""
    found = assigned.at if isinstance(assigned, Nullable) else assigned
    is_socket = isinstance(found, Reference) and found.space == "socket"
    if is_socket and f.hook.type != "sock_ops":
        f.error(
            "E063",
            f"`{f.quoted(source)}` is a socket, which cannot be stored in `{owner.name}` in this version",
            source,
            why="what is stored is the socket of the context, in a sock_ops program, when it has connected or listens",
            help=f"there: {f.quoted(target)} = ops, or in user space, by its descriptor: {f.quoted(target)} = sock",
        )
    elif not isinstance(assigned, Bad):
        f.error(
            "E022",
            f"`{owner.name}` takes the context of a sock_ops program, and `{f.quoted(source)}` is {assigned.described}",
            source,
            why="the kernel stores the socket that such a program is told of" if is_socket else "",
            help=f"{f.quoted(target)} = ops",
        )


def delete(f: Translation, owner: MapValue, index: Value, target: ast.Subscript) -> None:
    """`del socks[k]`."""
    if not may_change_sockets("map_delete_elem", f.hook.type, f.hook.attach_type):
        _elsewhere(f, target, "programs that may delete sockets", help="delete it in user space")
        return
    place = _place(f, owner, [index], [target.slice])
    if place is None:
        return
    f.stored("")
    result = f.builder.helper("map_delete_elem", elements.declare(f, owner, target), place)
    f.fault_if("ne", result, f.number(0), "KeyError", f"{owner.name} has no such key", target)


def _looked_up(f: Translation, owner: MapValue, index: Value, source: ast.expr, node: ast.expr) -> Register | None:
    """The address of a socket, 0 where there is none. None after an error."""
    if allowed("sk_release", f.hook.type, f.hook.attach_type) is False:
        _elsewhere(
            f,
            node,
            "programs that may release a socket",
            why="what is looked up there must be released, and the kernel has no bpf_sk_release for others",
            help=f"{owner.name}.redirect(k), {owner.name}.select(k); docs/helpers.md says who may call what",
        )
        return None
    place = _place(f, owner, [index], [source])
    if place is None:
        return None
    return f.builder.helper("map_lookup_elem", elements.declare(f, owner, node), place, type=_SOCKET)


def _take(f: Translation, owner: MapValue, node: ast.expr, one: Nullable, *, is_sure: bool) -> None:
    """The program holds a socket: for certain, or where there is one."""
    found = one.at.base
    f.records[found] = held.take(
        f, f"the socket of `{owner.name}`", node, lambda f: _released(f, one, is_sure), help="s.release()"
    )


def _released(f: Translation, one: Nullable, is_sure: bool) -> None:
    """Release it at the end of the program, where there is one."""
    known = f.state.facts.get(one.origin)
    if not is_sure and known is not None and known.constant == 0:
        return
    if is_sure or known is not None:
        f.builder.helper("sk_release", one.at.base)
        return
    there, onward = f.builder.new_block(), f.builder.new_block()
    f.builder.branch("ne", one.at.base, f.number(0), there, onward)
    f.builder.at(there)
    f.builder.helper("sk_release", one.at.base)
    f.builder.goto(onward)
    f.builder.at(onward)


def method(f: Translation, owner: Reference, node: ast.Attribute) -> Value | None:
    """`s.release` of a socket that was looked up. None for anything else."""
    if node.attr != "release" or owner.base not in f.records:
        return None
    return Callee(f.quoted(node), partial(_ended, owner=owner))


def _ended(f: Translation, node: ast.Call, given: Arguments, *, owner: Reference) -> Value:
    if given.values or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes no arguments", node, help="s.release()")
    held.drop(f, f.records[owner.base])
    f.builder.helper("sk_release", owner.base)
    return NOTHING


def gone(f: Translation, node: ast.expr) -> Bad:
    """E036."""
    return f.error("E036", f"the socket `{f.quoted(node)}` was released before", node,
                   why="it may be closed, and another one be there, from then on",
                   help="release it last, once on every way")  # fmt: skip


def _word(f: Translation, owner: MapValue, values: Values, nodes: Nodes) -> Register | None:
    """An index. None after an error."""
    return mapped.number(f, values[0], nodes[0], "the index of a socket", mapped.INDEX)


def _place(f: Translation, owner: MapValue, values: Values, nodes: Nodes) -> Register | None:
    """Where a key lies. None after an error."""
    found = keys.key(f, owner, values[0], nodes[0])
    return keys.address(f, owner, found, nodes[0]) if found is not None else None


def _elsewhere(f: Translation, node: ast.expr, whose: str, why: str = "", help: str = "see docs/maps.md") -> Value:
    named = node.func if isinstance(node, ast.Call) else node
    text = f"`{f.quoted(named)}` is for {whose}, and this is one of type {f.hook.type}"
    return f.error("E011", text, node, why=why, help=help)
