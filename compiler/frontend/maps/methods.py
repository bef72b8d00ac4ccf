"""Attributes of maps: `m.max_entries`, and methods, of each class of maps its own."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.helpers import dynptrs
from bpfvm.compiler.frontend.maps import histogram, keyed, mapped, queues, rings, sockets
from bpfvm.compiler.frontend.names import bindings
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BOOLEAN, Bad, Callee, Entries, MapValue, Value, constant
from bpfvm.lang.maps import (
    Bloom,
    CgroupArray,
    Events,
    Hashed,
    Histogram,
    Histograms,
    Keyed,
    Nested,
    ProgArray,
    Queue,
    Redirects,
    Ring,
    Sockets,
    StackTrace,
    UserRing,
)  # fmt: skip

Call = Callable[[Translation, MapValue, ast.Call, list[Value], list[ast.expr]], Value]


@dataclass(frozen=True, slots=True)
class Method:
    """One method. of: the classes of maps that have it. names: of its parameters; least: how many must be given."""

    of: type
    names: tuple[str, ...]
    least: int
    call: Call


def attribute(f: Translation, owner: MapValue, node: ast.Attribute) -> Value:
    """`m.max_entries`, and methods before they are called."""
    if node.attr == "max_entries":
        return bindings.captured(f, owner.declared.max_entries, f.quoted(node), node)
    if node.attr == "submit" and isinstance(owner.declared, Events):
        return Callee(f.quoted(node), lambda f, call, evaluate: rings.submit(f, owner, call, evaluate), lazy=True)
    if isinstance(owner.declared, Nested) and node.attr != "get":
        name = owner.name
        hint = f"test `k in {name}`, then name {name}[k]; or bind what {name}.get(k) gives to a name, and test that"
        return bindings.no_attribute(f, owner, node, hint)
    found = [one for one in METHODS.get(node.attr, ()) if isinstance(owner.declared, one.of)]
    if found:
        return Callee(f.quoted(node), partial(_called, owner=owner, method=found[0]))
    offered = [name for name, rows in METHODS.items() if any(isinstance(owner.declared, one.of) for one in rows)]
    text = f"{type(owner.declared).__name__} offers max_entries {' '.join(f'{name}()' for name in offered)}"
    return bindings.no_attribute(f, owner, node, text)


def _called(f: Translation, node: ast.Call, given: Arguments, *, owner: MapValue, method: Method) -> Value:
    found = dict(zip(method.names, zip(given.values, given.nodes, strict=True), strict=False))
    for one in node.keywords:
        if one.arg is None or one.arg not in method.names or one.arg in found:
            return _wrong(f, node, method)
        found[one.arg] = given.named[one.arg], one.value
    if len(given.values) > len(method.names) or any(name not in found for name in method.names[: method.least]):
        return _wrong(f, node, method)
    last = max((place for place, name in enumerate(method.names, 1) if name in found), default=0)
    absent: tuple[Value, ast.expr] = constant(0, BOOLEAN), node  # what is left out before others is false
    pairs = [found.get(name, absent) for name in method.names[:last]]
    return method.call(f, owner, node, [value for value, _ in pairs], [source for _, source in pairs])


def _wrong(f: Translation, node: ast.Call, method: Method) -> Bad:
    name = f.quoted(node.func)
    most = len(method.names)
    wanted = f"{most}" if most == method.least else f"{method.least} to {most}"
    return f.error("E013", f"`{name}` takes {wanted} arguments here", node, why="CPython would raise TypeError here",
                   help=f"{name}({', '.join(method.names)})")  # fmt: skip


def _entries(keyed: bool) -> Call:
    def call(f: Translation, owner: MapValue, node: ast.Call, _: list[Value], __: list[ast.expr]) -> Value:
        return Entries(owner, keyed)

    return call


def length(f: Translation, owner: MapValue, node: ast.Call) -> Value:
    """E033: `len(m)`."""
    return f.error(
        "E033",
        f"`len({owner.name})` is not how many entries the map has",
        node,
        why="a program cannot count them; what it was declared with is another number than a dict's length",
        help=f"{owner.name}.max_entries",
    )


METHODS: Mapping[str, tuple[Method, ...]] = {
    "add": (
        Method(Histogram, ("value",), 1, histogram.add),
        Method(Histograms, ("key", "value"), 2, histogram.add_by_key),
        Method(Bloom, ("value",), 1, queues.push),
        Method(Keyed, ("key", "number"), 2, keyed.add),
    ),
    "call": (Method(ProgArray, ("ctx", "index"), 2, mapped.call),),
    "current": (Method(CgroupArray, ("index",), 1, mapped.current),),
    "drain": (Method(UserRing, ("body", "context"), 1, rings.drain),),
    "get": (Method(Keyed, ("key", "default"), 1, keyed.get), Method(Sockets, ("key",), 1, sockets.get)),
    "id": (Method(StackTrace, ("user", "skip"), 0, mapped.stack_id),),
    "items": (Method(Keyed, (), 0, _entries(keyed=True)),),
    "output": (Method(Events, ("data",), 1, rings.output),),
    "peek": (Method(Queue, (), 0, queues.peek),),
    "pop": (Method(Hashed, ("key", "default"), 1, keyed.pop), Method(Queue, (), 0, queues.pop)),
    "push": (Method(Queue, ("value",), 1, queues.push),),
    "reserve_dynptr": (Method(Ring, ("size",), 1, dynptrs.reserve),),
    "redirect": (
        Method(Redirects, ("index", "action"), 1, mapped.redirect),
        Method(Sockets, ("key", "ingress"), 1, sockets.redirect),
    ),
    "select": (Method(Sockets, ("key",), 1, sockets.select),),
    "reserve": (Method(Ring, (), 0, rings.reserve),),
    "setdefault": (Method(Hashed, ("key", "default"), 2, keyed.setdefault),),
    "values": (Method(Keyed, (), 0, _entries(keyed=False)),),
}
