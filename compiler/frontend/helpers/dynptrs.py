"""Dynptrs: `d = bpf.dynptr(v.data)`, `d = evs.reserve_dynptr(n)`; `d.read(to, at)`, `d.write(data, at)`, `d.submit()`,
and `d.data(T, at)`, their memory by its address.

Each is made where it is named first, 16 bytes of the stack that the program never touches itself.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial

from bpfvm.compiler.frontend.calls import Arguments, Handler
from bpfvm.compiler.frontend.control import held
from bpfvm.compiler.frontend.helpers import arguments
from bpfvm.compiler.frontend.maps import elements, keyed
from bpfvm.compiler.frontend.memory import access, kept
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    NOTHING,
    Bad,
    Callee,
    Dynptr,
    MapValue,
    Maybe,
    Nullable,
    Number,
    Reference,
    Static,
    Value,
    constant,
)
from bpfvm.compiler.ir.types import Ptr
from bpfvm.lang.helpers.dynptrs import SIZE
from bpfvm.lang.helpers.words import result_of
from bpfvm.lang.maps import Ring
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.layout import Layout, size_of
from bpfvm.lang.types.scalars import u8, u32
from bpfvm.tables.helpers import BY_NAME, Arg

_SPACES = ("stack", "map_value", "ring", "mem")  # memory that helpers read and write


def of_memory(f: Translation, node: ast.Call, given: Arguments) -> Value:
    """`bpf.dynptr(memory)`."""
    if len(given.values) != 1 or given.named:
        return f.error(
            "E013", f"`{f.quoted(node.func)}` takes memory of a map's value", node, help="bpf.dynptr(v.data)"
        )
    return _of_memory(f, node, given)


def _of_memory(f: Translation, node: ast.Call, given: Arguments) -> Value:
    """A dynptr of memory; behind that may stand its size and flags."""
    value, place = given.values[0], given.nodes[0]
    if any(isinstance(one, Bad) for one in given.values):
        return BAD
    if isinstance(value, Maybe | Nullable):
        return f.may_be_none(place, value)
    if not isinstance(value, Reference) or value.space != "map_value" or value.fixed:
        text = f"`{f.quoted(place)}` is {value.described}, and a dynptr is of memory in a map's value"
        why = "the kernel makes them of such memory alone"
        return f.error("E020", text, place, why=why, help="bpf.dynptr(m[k].data)")
    if kept.is_refused(f, value, place):
        return BAD
    if not arguments.may_call(f, node.func, BY_NAME["dynptr_from_mem"], f"`{f.quoted(node.func)}`"):
        return BAD
    room = size_of(value.type)
    numbers = [constant(room), constant(0)]  # its size, and flags
    for at, one in enumerate(zip(given.values[1:], given.nodes[1:], strict=True)):
        number = _number(f, *one)
        if number is None:
            return BAD
        numbers[at] = number
    if numbers[0].range.hi > room:
        text = f"`{f.quoted(given.nodes[1])}` {f.lies(numbers[0].range)}, and the memory has {room} bytes"
        return f.error("E021", text, given.nodes[1], help=f"{room}")
    with f.at(node):
        size, flags = map(f.register, numbers)
        slot = f.stack("dynptr", SIZE, node)
        f.stored("")
        f.builder.helper("dynptr_from_mem", f.pointer(value), size, flags, slot)
    return Dynptr(slot, reserved=False, object=slot.imm)


def _made(f: Translation, node: ast.Call, given: Arguments) -> Value:
    """`bpf.helper.dynptr_from_mem(v.data, size, flags)`: the dynptr."""
    if not 2 <= len(given.values) <= 3 or given.named:
        text = f"`{f.quoted(node.func)}` takes memory of a map's value, its size and flags, and gives the dynptr"
        return f.error("E013", text, node, help=f"d = {f.quoted(node.func)}(v.data, 16, 0)")
    return _of_memory(f, node, given)


def _reserved(f: Translation, node: ast.Call, given: Arguments) -> Value:
    """`bpf.helper.ringbuf_reserve_dynptr(ring, size, flags)`: the dynptr."""
    if not 2 <= len(given.values) <= 3 or given.named:
        text = f"`{f.quoted(node.func)}` takes a ring, a size and flags, and gives the dynptr"
        return f.error("E013", text, node, help=f"d = {f.quoted(node.func)}(events, 64, 0)")
    owner = given.values[0]
    if not isinstance(owner, MapValue) or not isinstance(owner.declared, Ring):
        text = f"`{f.quoted(given.nodes[0])}` is {owner.described}, and records are of rings"
        return f.error("E020", text, given.nodes[0], help="events = Ring(Event, 1 << 16)")
    return reserve(f, owner, node, list(given.values[1:]), list(given.nodes[1:]))


def reserve(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """`evs.reserve_dynptr(size)`; behind that may stand flags."""
    size = _number(f, values[0], nodes[0])
    flags = _number(f, values[1], nodes[1]) if len(values) > 1 else constant(0)
    if size is None or flags is None:
        return BAD
    with f.at(node):
        slot = f.stack(f"dynptr of {owner.name}", SIZE, node)
        f.stored("")
        declared = elements.declare(f, owner, node, "ringbuf_reserve_dynptr")
        f.builder.helper("ringbuf_reserve_dynptr", declared, f.register(size), f.register(flags), slot)
    f.records[slot] = held.take(
        f, f"the dynptr of `{owner.name}`", node, partial(_discarded, slot), help="d.submit() or d.discard()"
    )
    return Dynptr(slot, reserved=True, object=slot.imm)


def _discarded(slot: Register, f: Translation) -> None:
    f.builder.helper("ringbuf_discard_dynptr", slot, f.number(0))


def attribute(f: Translation, owner: Dynptr, node: ast.Attribute) -> Value:
    """Its methods, before they are called."""
    ends = ("submit", "discard") if owner.reserved else ()
    if node.attr in ends:
        return Callee(f.quoted(node), partial(_ended, owner=owner, name=node.attr))
    if node.attr in ("read", "write"):
        return Callee(f.quoted(node), partial(_copied, owner=owner, reads=node.attr == "read"))
    if node.attr == "data":
        return Callee(f.quoted(node), partial(_reached, owner=owner))
    return f.error("E037", f"a dynptr has no `{node.attr}`", f.last_name(node),
                   help=f"it has {' '.join(f'{name}()' for name in ('read', 'write', 'data', *ends))}")  # fmt: skip


def _ended(f: Translation, node: ast.Call, given: Arguments, *, owner: Dynptr, name: str) -> Value:
    if given.values or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes no arguments", node, help=f"d.{name}()")
    if not is_ours(f, owner, node):
        return BAD
    held.drop(f, f.records[owner.base])
    f.stored("")
    with f.at(node):
        f.builder.helper(f"ringbuf_{name}_dynptr", owner.base, f.number(0))
    return NOTHING


def is_ours(f: Translation, owner: Dynptr, node: ast.expr) -> bool:
    """Whether it can be used here. E036 where its record was given back before, E063 for a message too far outside."""
    name = node.func if isinstance(node, ast.Call) else node
    if owner.depth is not None and owner.depth < f.depth:
        f.error("E063", f"`{f.quoted(name)}` is of a message, inside of another loop that a helper makes", name,
                why="the kernel's verifier follows such a dynptr in registers alone",
                help="read what is needed before that loop: message.read(buffer)")  # fmt: skip
        return False
    if not owner.reserved or held.is_held(f, f.records[owner.base]):
        return True
    f.error("E036", f"the record of `{f.quoted(name)}` was submitted or discarded before", node,
            why="its memory is the reader's from then on", help="submit it last, once on every way")  # fmt: skip
    return False


def _copied(f: Translation, node: ast.Call, given: Arguments, *, owner: Dynptr, reads: bool) -> Value:
    """`d.read(to, offset=0)`, `d.write(data, offset=0)`."""
    helper, name = ("dynptr_read", "to") if reads else ("dynptr_write", "data")
    found = dict(zip((name, "offset"), zip(given.values, given.nodes, strict=True), strict=False))
    found |= {one.arg: (given.named[one.arg], one.value) for one in node.keywords if one.arg is not None}
    if name not in found or set(found) - {name, "offset"} or len(given.values) + len(given.named) != len(found):
        text = f"`{f.quoted(node.func)}` takes {'memory to fill' if reads else 'bytes'}, and where they begin"
        return f.error("E013", text, node, help=f"{f.quoted(node.func)}({name}, 4)")
    offset = _number(f, *found.get("offset", (constant(0), node)))
    memory = _memory(f, *found[name], reads)
    if offset is None or memory is None or not is_ours(f, owner, node):
        return BAD
    with f.at(node):
        place, address, size = f.register(offset), memory[0], f.number(memory[1])
        f.stored()
        if reads:
            result = f.builder.helper(helper, address, size, owner.base, place, f.number(0))
        else:
            result = f.builder.helper(helper, owner.base, place, address, size, f.number(0))
        kind = result_of(BY_NAME[helper])
        assert kind is not None, "they give 0 or an errno"
        return arguments.typed(f, result, *kind, is_narrow=False)


def _reached(f: Translation, node: ast.Call, given: Arguments, *, owner: Dynptr) -> Value:
    """`d.data(T, offset=0)`."""
    found = dict(zip(("type", "offset"), zip(given.values, given.nodes, strict=True), strict=False))
    found |= {one.arg: (given.named[one.arg], one.value) for one in node.keywords if one.arg is not None}
    kind = found["type"][0] if "type" in found else None
    target = kind.object if isinstance(kind, Static) else None
    several = len(given.values) + len(given.named) != len(found)
    if set(found) - {"type", "offset"} or several or not isinstance(target, Layout):
        text = f"`{f.quoted(node.func)}` takes a struct or an array type, and where it begins"
        return f.error("E013", text, node, help=f"{f.quoted(node.func)}(u8[16], 4)")
    return _there(f, owner, node, target, found.get("offset", (constant(0), node)))


def _data(f: Translation, node: ast.Call, given: Arguments) -> Value:
    """`bpf.helper.dynptr_data(d, offset, length)`: so many bytes, or None."""
    if len(given.values) != 3 or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes a dynptr, where its bytes begin and how many", node,
                       help=f"{f.quoted(node.func)}(d, 4, 16)")  # fmt: skip
    owner, offset, length = given.values
    if not isinstance(owner, Dynptr):
        return arguments.no_dynptr(f, owner, given.nodes[0], "ptr", BY_NAME["dynptr_data"], Arg.DYNPTR)
    size = length.constant if isinstance(length, Number) else None
    if size is None or not 0 < size <= u32.range.hi:
        text = f"`{f.quoted(given.nodes[2])}` is {length.described}, and the length is a constant"
        return f.error("E020", text, given.nodes[2], why="the verifier must know how many bytes are there", help="16")
    return _there(f, owner, node, array_of(u8, size), (offset, given.nodes[1]))


def _there(
    f: Translation, owner: Dynptr, node: ast.Call, kind: Layout, offset: tuple[Value, ast.expr]
) -> Value:  # fmt: skip
    """Its memory from `offset` on, or None."""
    at = _number(f, *offset)
    if at is None or not is_ours(f, owner, node):
        return BAD
    if not arguments.may_call(f, node.func, BY_NAME["dynptr_data"], f"`{f.quoted(node.func)}`"):
        return BAD
    return keyed.noted(f, Nullable(reach(f, owner, node, kind, f.register(at))), node)


def reach(f: Translation, owner: Dynptr, node: ast.Call, kind: Layout, offset: Register) -> Reference:
    """Where its memory is from `offset` on: the address is 0 where it does not fit."""
    with f.at(node):
        f.stored("")
        size = f.number(size_of(kind))
        address = f.builder.helper("dynptr_data", owner.base, offset, size, type=Ptr("mem", nullable=True))
    if owner.reserved:
        f.records[address] = f.records[owner.base]
    return Reference(kind, "mem", address, objects=frozenset({owner.object}), shared=not owner.reserved)


def given(f: Translation, owner: Dynptr, node: ast.expr, releases: bool) -> Register | None:
    """Its address, for a helper. None after an error."""
    if not is_ours(f, owner, node):
        return None
    if releases and not owner.reserved:
        f.error("E020", f"`{f.quoted(node)}` is a dynptr of memory, and no record", node, help="evs.reserve_dynptr(8)")
        return None
    if releases:
        held.drop(f, f.records[owner.base])
    return owner.base


def _memory(f: Translation, value: Value, node: ast.expr, is_filled: bool) -> tuple[Register, int] | None:
    """The address and the size of what is filled or stored. None after an error."""
    data = access.constant_bytes(value)
    if data and not is_filled and not isinstance(value, Reference):
        base, offset = f.constants(data, 1)
        return f.behind(base, f.number(offset)) if offset else base, len(data)
    if isinstance(value, Maybe | Nullable):
        f.may_be_none(node, value)
    elif isinstance(value, Reference) and value.space in _SPACES and not (is_filled and value.fixed):
        if not kept.is_refused(f, value, node):
            return f.pointer(value), size_of(value.type)
    elif not isinstance(value, Bad):
        wanted = "a struct or an array of the program's, or of a map"
        f.error("E020", f"`{f.quoted(node)}` is {value.described}; a dynptr reads and writes {wanted}", node,
                help="buffer = u8[16]()")  # fmt: skip
    return None


def _number(f: Translation, value: Value, node: ast.expr) -> Number | None:
    """A size or an offset: of 32 bits. None after an error."""
    if isinstance(value, Maybe | Nullable):
        f.may_be_none(node, value)
        return None
    if isinstance(value, Bad):
        return None
    if not isinstance(value, Number):
        f.error("E020", f"`{f.quoted(node)}` is {value.described}, and sizes and places are numbers", node, help="4")
        return None
    value = f.state.known(value)
    if not f.exact(value, node):
        return None
    if not value.range.within(u32.range):
        f.error("E021", f"`{f.quoted(node)}` {f.lies(value.range)}, and sizes and places have 32 bits", node,
                help=f"u32({f.quoted(node)})")  # fmt: skip
        return None
    return value


# Helpers that make dynptrs, or give their memory
NAMED: Mapping[str, Handler] = {
    "dynptr_data": _data,
    "dynptr_from_mem": _made,
    "ringbuf_reserve_dynptr": _reserved,
}

__all__ = ["NAMED", "attribute", "given", "of_memory", "reach", "reserve"]
