"""Bytes of the packet at addresses: each place is tested against the packet's end, once on each way.

The kernel's verifier lets a program load behind an address only what a comparison of that very address with the end
has shown to be there, and only where the number that was added to the packet's start has a bound. So an address is made
once for each such number, and a window keeps what is known of it.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from bpfvm.compiler.frontend.binding import Conflict, Growing, Stale, Unbound
from bpfvm.compiler.frontend.state import PacketEnds, Window
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import Number, Reference, Tuple, View
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.span import Span as TextSpan
from bpfvm.lang.packets.headers import FARTHEST, META, ROOTS
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.scalars import u8
from bpfvm.tables.ctx import CONTEXTS

_PACKET = Ptr("packet")
COPY = "bytes of the packet"  # how the names of slots end that hold some


def reach(f: Translation, view: View, at: int, size: int, message: str, place: ast.AST | TextSpan) -> Reference:
    """Bytes from `at` behind the packet's start, and what the view has moved, on: PacketError where there are less."""
    kind = array_of(u8, size)
    fixed = not f.hook.program_type.stores
    if at + size > FARTHEST:
        never(f, message, place)
        return Reference(kind, "packet", ends(f).data, 0, fixed=fixed)
    window = _window(f, view, at + size, message, place)
    return Reference(kind, "packet", window.pointer, at, fixed=fixed)


def _window(f: Translation, view: View, limit: int, message: str, place: ast.AST | TextSpan) -> Window:
    """What is known of the view's address, of which `limit` bytes are there."""
    is_meta = view.header is META
    packet = with_meta(f) if is_meta else ends(f)
    start, end = (packet.meta or packet.data, packet.data) if is_meta else (packet.data, packet.end)
    key = is_meta, None if view.moved is None else view.moved.origin
    window = packet.windows.get(key)
    if window is None or window.bound + limit > FARTHEST:
        window = _opened(f, start, view.moved, FARTHEST - limit, message, place)
        if is_meta:
            f.before.add(window.pointer)
    if window.proven < limit:
        past = f.builder.op("add", window.pointer, f.number(limit), type=_PACKET)
        f.fault_if("ugt", past, end, "PacketError", message, place)
        window = replace(window, proven=limit)
    f.state.packet = replace(packet, windows={**packet.windows, key: window})
    return window


def _opened(
    f: Translation, start: Register, moved: Number | None, most: int, message: str, place: ast.AST | TextSpan
) -> Window:  # fmt: skip
    """The address of the first byte plus a number, which is no more than `most`."""
    if moved is None:
        return Window(start, 0, 0)
    number = f.state.known(moved)
    register = f.register(number)
    bound = min(number.range.hi, most)
    if number.range.lo < 0 or number.range.hi > most or f.facts.range(register).hi > bound:
        f.fault_if("ugt", register, f.number(bound), "PacketError", message, place)
        f.state.learn(moved, Interval(0, bound))
    return Window(f.behind(start, register), 0, bound)


def never(f: Translation, message: str, place: ast.AST | TextSpan) -> None:
    """What follows is a fault always. It is translated nevertheless, and pruned."""
    f.fault_if("eq", f.number(0), f.number(0), "PacketError", message, place)


def again(f: Translation, base: Register, pointer: Register, size: int) -> None:
    """Show the verifier that bytes at an address are there, which it has forgotten: the address was just made of
    `base`, of which that is known, and an index inside of that."""
    here = f.builder.span
    assert here is not None, "instructions are those of an expression"
    past = f.builder.op("add", pointer, f.number(size), type=_PACKET)
    message = "an element past the packet's end"
    end = ends(f).end
    if base in f.before:
        f.before.add(pointer)
        end = ends(f).data
    f.fault_if("ugt", past, end, "PacketError", message, TextSpan.of_line(here))


def ends(f: Translation) -> PacketEnds:
    """Where the packet starts and ends, loaded once on each way."""
    if f.state.packet is None:
        structure = CONTEXTS[f.hook.program_type.context or ""]
        fields = {one.pointer: one for one in structure.fields if one.pointer}
        data, end = (
            f.builder.op(f"load{one.size * 8}", f.builder.ctx(), type=Ptr(space), imm=one.offset)
            for space, one in ((space, fields[space]) for space in ("packet", "packet_end"))
        )
        f.state.packet = PacketEnds(data, end)
    return f.state.packet


def with_meta(f: Translation) -> PacketEnds:
    """The same with the address of the metadata before it."""
    packet = ends(f)
    if packet.meta is None:
        structure = CONTEXTS[f.hook.program_type.context or ""]
        (field,) = (one for one in structure.fields if one.pointer == "packet_meta")
        loaded = f.builder.op(f"load{field.size * 8}", f.builder.ctx(), type=_PACKET, imm=field.offset)
        packet = f.state.packet = replace(packet, meta=loaded)
    return packet


def length(f: Translation, is_meta: bool = False) -> Register:
    """Bytes from the packet's start to its end; of the metadata before it."""
    packet = with_meta(f) if is_meta else ends(f)
    return f.op("sub", packet.data, packet.meta) if packet.meta and is_meta else f.op("sub", packet.end, packet.data)


def moved(f: Translation) -> None:
    """The packet may lie elsewhere from here on: what names know of its bytes is stale."""
    f.state.packet = None
    f.state.told = {}
    f.reads.clear()
    f.moves += 1
    for name, bound in f.state.names.items():
        if is_of_packet(bound):
            assert not isinstance(bound, Unbound | Conflict | Growing | Stale), "those are no places"
            f.state.names[name] = Stale(bound)


def stored(f: Translation) -> None:
    """A helper has stored to the packet: addresses in it are not good any more, nor are copies from before."""
    f.state.packet = None
    f.state.told = {}
    f.reads.clear()
    f.moves += 1
    for name, bound in f.state.names.items():
        parts = bound.items if isinstance(bound, Tuple) else (bound,)
        if any(is_copy(f, one) or (isinstance(one, Reference) and one.space == "packet") for one in parts):
            assert not isinstance(bound, Unbound | Conflict | Growing | Stale), "those are no places"
            f.state.names[name] = Stale(bound)


def is_copy(f: Translation, bound: object) -> bool:
    """Whether it is a copy of bytes of the packet."""
    slots = f.target.slots
    return isinstance(bound, Reference) and any(slots[one].name.endswith(COPY) for one in bound.objects)


def is_of_packet(bound: object) -> bool:
    """Whether it is a view, or memory of the packet; `pkt` itself is the packet, wherever that lies."""
    if isinstance(bound, View):
        return bound.header.name not in ROOTS.values() or bound.moved is not None or bound.base != 0
    if isinstance(bound, Tuple):
        return any(is_of_packet(one) for one in bound.items)
    return isinstance(bound, Reference) and bound.space == "packet"
