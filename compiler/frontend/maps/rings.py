"""Events: `evs.submit(Event(...))`, `evs.output(data)`, and records that are reserved, filled and submitted.

A record is filled in place where `submit` gets a struct that is made there: nothing of it stands on the stack.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial

from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.control import flow, held
from bpfvm.compiler.frontend.maps import elements, keyed
from bpfvm.compiler.frontend.memory import access, construct
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    NOTHING,
    Bad,
    Callee,
    MapValue,
    Nullable,
    Number,
    Reference,
    Static,
    Value,
)
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.bits import M32
from bpfvm.lang.maps import Events, Ring
from bpfvm.lang.types.layout import Layout, image_of, size_of
from bpfvm.lang.types.scalars import Storage
from bpfvm.lang.types.structs import StructType

_SENT = ("stack", "map_value")  # spaces whose bytes a record is copied of: not the packet (measured on 6.18)
_RECORD = Ptr("ring", nullable=True)
Evaluate = Callable[[ast.expr], Value]


def submit(f: Translation, owner: MapValue, node: ast.Call, evaluate: Evaluate) -> Value:
    """`evs.submit(event)`. The arguments are not evaluated yet."""
    if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
        hint = f"{owner.name}.submit({_event(owner).__name__}(...))"
        return f.error("E013", f"`{f.quoted(node.func)}` takes one event", node, help=hint)
    given = node.args[0]
    if isinstance(owner.declared, Ring) and isinstance(given, ast.Call) and not given.args:
        callee = evaluate(given.func)
        kind = callee.object if isinstance(callee, Static) else None
        if kind is _event(owner) and isinstance(kind, StructType) and all(one.arg for one in given.keywords):
            named = {one.arg or "": evaluate(one.value) for one in given.keywords}
            return _in_place(f, owner, given, kind, named)
    value = evaluate(given)
    return BAD if isinstance(value, Bad) else _sent(f, owner, node, value, given)


def _event(owner: MapValue) -> Layout | Storage:
    assert isinstance(owner.declared, Events), "its row says so"
    kind: Layout | Storage = owner.declared.event
    return kind


def _in_place(f: Translation, owner: MapValue, node: ast.Call, kind: StructType, named: dict[str, Value]) -> Value:
    """Reserve, fill, submit; go on alike where there is no room."""
    if any(isinstance(one, Bad) for one in named.values()):
        return BAD
    record = _reserved(f, owner, node)
    there, none = f.split("ne", record, f.number(0))
    f.resume(there)
    construct.struct(f, node, kind, named, Reference(kind, "ring", record))
    f.builder.helper("ringbuf_submit", record, f.number(0))
    flow.enter(f, [f.end(), none])
    return NOTHING


def _reserved(f: Translation, owner: MapValue, node: ast.AST) -> Register:
    f.stored("")
    size, declared = f.number(size_of(_event(owner))), elements.declare(f, owner, node, "ringbuf_reserve")
    return f.builder.helper("ringbuf_reserve", declared, size, f.number(0), type=_RECORD)


def _sent(f: Translation, owner: MapValue, node: ast.Call, value: Value, given: ast.expr) -> Value:
    """A copy of an event."""
    kind = _event(owner)
    if isinstance(kind, Storage):
        if not isinstance(value, Number):
            access.wrong(f, kind, value, given, "the event")
            return BAD
        slot = f.stack(f"event of {owner.name}", kind.size, node)
        access.store(f, Reference(kind, "stack", slot), kind, value, given)  # type: ignore[arg-type]
        return _output(f, owner, node, slot, kind.size)
    if isinstance(value, Reference) and value.type is kind and value.space in _SENT:
        return _output(f, owner, node, f.pointer(value), size_of(kind))
    made = construct.new(f, kind, node, f"event of {owner.name}")
    access.assign(f, made, value, given, "the event")
    return _output(f, owner, node, made.base, size_of(kind))


def output(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """`evs.output(data)`."""
    value, data = values[0], access.constant_bytes(values[0])
    if data:
        base, offset = f.constants(data, 1)
        return _output(f, owner, node, f.behind(base, f.number(offset)) if offset else base, len(data))
    if isinstance(value, Reference):
        one = value if value.space in _SENT else construct.copied(f, value, node)
        return _output(f, owner, node, f.pointer(one), size_of(value.type))
    if isinstance(value, Nullable):
        return f.may_be_none(nodes[0], value)
    text = f"`{f.quoted(node.func)}` takes bytes, an array or a struct, and `{f.quoted(nodes[0])}` is {value.described}"
    return f.error("E022", text, nodes[0], help=f'{owner.name}.output(b"...")')


def _output(f: Translation, owner: MapValue, node: ast.Call, address: Register, size: int) -> Value:
    f.stored("")
    helper = "ringbuf_output" if isinstance(owner.declared, Ring) else "perf_event_output"
    declared = elements.declare(f, owner, node, helper)
    if isinstance(owner.declared, Ring):
        f.builder.helper(helper, declared, address, f.number(size), f.number(0))
    else:  # to the buffer of this CPU: BPF_F_CURRENT_CPU
        f.builder.helper(helper, f.builder.ctx(), declared, f.number(M32), address, f.number(size))
    return NOTHING


def drain(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """`ring.drain(body)`."""
    from bpfvm.compiler.frontend.helpers import callbacks  # which writes functions out

    return callbacks.drain(f, owner, node, values, nodes)


# Records


def reserve(f: Translation, owner: MapValue, node: ast.Call, _: list[Value], __: list[ast.expr]) -> Value:
    """`evs.reserve()`: a record with the values that the type's own have, or None."""
    kind = _event(owner)
    if not isinstance(kind, Layout):
        return f.error("E022", f"records of {kind.__name__} are submitted whole", node, help=f"{owner.name}.submit(n)")
    record = _reserved(f, owner, node)
    made = Nullable(Reference(kind, "ring", record))
    there, none = f.split("ne", record, f.number(0))
    f.resume(there)
    access.put(f, made.at, image_of(kind))
    f.target.layouts[kind] = None
    _meet(f, record, f.end(), none, node)
    f.records[record] = held.take(
        f, f"the record of `{owner.name}`", node, lambda f: _dropped(f, made), help="e.submit() or e.discard()"
    )
    return keyed.noted(f, made, node)


def _meet(f: Translation, record: Register, there: End, none: End, node: ast.expr) -> None:
    """Where ways with a record and without one meet.

    Verifiers before 6.9 do not remember of a record that it is one: behind a later test against 0 they go on as if it
    were none and had not been given back. A number tells them, which they know on each way.
    """
    if f.machine.may_goto:
        flow.enter(f, [there, none])
        return
    told = flow.truth_value(f, ([there], [none]), node)
    assert isinstance(told, Number), "two numbers make a number"
    f.presence[record] = f.register(told)


def _dropped(f: Translation, one: Nullable) -> None:
    """Discard the record at the end of the program, where there is one."""
    known = f.state.facts.get(one.origin)
    if known is not None and known.constant == 0:
        return
    zero, builder = f.number(0), f.builder
    if known is None or known.constant is None:
        there, onward = builder.new_block(), builder.new_block()
        builder.branch("ne", f.presence.get(one.at.base, one.at.base), zero, there, onward)
        builder.at(there)
        builder.helper("ringbuf_discard", one.at.base, f.number(0))
        builder.goto(onward)
        builder.at(onward)
        return
    builder.helper("ringbuf_discard", one.at.base, zero)


def method(f: Translation, owner: Reference, node: ast.Attribute) -> Value | None:
    """`e.submit` and `e.discard` of a record. None for anything else."""
    if owner.space != "ring" or owner.offset or node.attr not in ("submit", "discard"):
        return None
    return Callee(f.quoted(node), partial(_ended, owner=owner, name=node.attr))


def _ended(f: Translation, node: ast.Call, given: Arguments, *, owner: Reference, name: str) -> Value:
    if given.values or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes no arguments", node, help=f"e.{name}()")
    one = f.records.get(owner.base)
    if one is None or not held.is_held(f, one):
        return gone(f, node)
    held.drop(f, one)
    f.stored("")
    f.builder.helper(f"ringbuf_{name}", owner.base, f.number(0))
    return NOTHING


def gone(f: Translation, node: ast.expr) -> Bad:
    """E036."""
    return f.error(
        "E036",
        f"the record of `{f.quoted(node)}` was submitted or discarded before",
        node,
        why="its memory is the reader's from then on",
        help="submit it last, once on every way",
    )
