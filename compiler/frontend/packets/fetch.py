"""Bytes of the packet where programs have no addresses of it: fetched by a helper, or by a legacy load.

A legacy load (RFC 9669 section 5.5) takes one instruction, and ends the program with 0 where the packet ends before it:
so it stands for the fault where that gives 0 too, nothing is to be given back, and nobody asks which one it was. The
helper copies to the stack: numbers by way of one object that all of them share, bytes that a name may keep to one of
their own. What is stored goes the same way back, and copies from before are not read after it (E034).
"""

from __future__ import annotations

import ast
from dataclasses import replace

from bpfvm.compiler.frontend.packets import window
from bpfvm.compiler.frontend.packets.window import COPY, never
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import INT, Number, Reference, View
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.span import Span as TextSpan
from bpfvm.lang.packets.headers import FARTHEST
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.interval import Interval, of_bits
from bpfvm.lang.types.layout import size_of
from bpfvm.lang.types.scalars import Storage, u8
from bpfvm.lang.types.structs import Member

_LEGACY = (1, 2, 4)  # bytes that such a load takes
_SCRATCH, _SIZE = "a number of the packet", 8


def is_legacy(f: Translation, size: int) -> bool:
    """Whether a legacy load may take so many bytes here."""
    row = f.hook.program_type
    plain = row.ld_abs and f.hook.on_fault == 0 and not f.recorded and not f.target.is_subprogram
    return plain and size in _LEGACY and not f.state.held


def number(f: Translation, view: View, at: int, member: Member, message: str, place: ast.AST | TextSpan) -> Number:
    """A field that a legacy load takes."""
    storage = member.type
    assert isinstance(storage, Storage), "others are bytes"
    word = _word(f, view, at, storage.size, message, place)
    bits = member.bits or storage.bits
    word = f.op("lshr", word, f.number(member.shift)) if member.shift else word
    word = f.op("and", word, f.number((1 << bits) - 1)) if member.shift + bits < storage.bits else word
    range = of_bits(bits, signed=False)
    return Number(INT, range, f.typed(range, word))


def reach(f: Translation, view: View, at: int, size: int, message: str, place: ast.AST | TextSpan) -> Reference:
    """A copy of bytes from `at` behind the packet's start, and what the view has moved, on. PacketError where there are
    less. One of up to 8 bytes lasts until the next only, unless it is `kept`."""
    return _copied(f, view, at, size, message, place, _scratch(f) if size <= _SIZE else _own(f, size))


def kept(f: Translation, view: View, at: int, size: int, message: str, place: ast.AST | TextSpan) -> Reference:
    """The same in an object of its own, which names may keep."""
    slot = _own(f, size)
    if not is_legacy(f, size):
        return _copied(f, view, at, size, message, place, slot)
    word = _word(f, view, at, size, message, place)
    f.store(slot, f.op(f"bswap{8 * size}", word) if size > 1 else word, 8 * size)
    return _reference(slot, size)


def _own(f: Translation, size: int) -> Register:
    return f.builder.slot(COPY, size, source=f.builder.span)


def _scratch(f: Translation) -> Register:
    """The address of the object that all share."""
    known = (place for place, one in enumerate(f.target.slots) if one.name == _SCRATCH)
    place = next(known, None)
    if place is None:
        return f.builder.slot(_SCRATCH, _SIZE, source=f.builder.span)
    return f.builder.op("slot", type=Ptr("stack"), imm=place)


def _copied(
    f: Translation, view: View, at: int, size: int, message: str, place: ast.AST | TextSpan, slot: Register
) -> Reference:  # fmt: skip
    offset = _offset(f, view, at, size, message, place)
    where = f.number(at) if offset is None else f.op("add", offset, f.number(at)) if at else offset
    found = f.builder.helper(f"{_buffer(f)}_load_bytes", f.builder.ctx(), where, slot, f.number(size))
    f.fault_if("ne", found, f.number(0), "PacketError", message, place)
    return _reference(slot, size)


def borrowed(f: Translation, view: View, at: int, size: int, message: str, place: ast.AST | TextSpan) -> Reference:
    """A copy that is stored to, and then `put_back`: at the place that it came from."""
    slot = _own(f, size)
    made = replace(_copied(f, view, at, size, message, place, slot), fixed=False)
    moved = None if view.moved is None else f.register(f.state.known(view.moved))
    f.borrowed[slot] = f.number(at) if moved is None else f.op("add", moved, f.number(at)) if at else moved
    return made


def put_back(f: Translation, one: Reference, node: ast.AST) -> None:
    """Store what was borrowed; nothing for bytes at addresses, which are stored already."""
    where = f.borrowed.pop(one.base, None)
    if where is None:
        return
    f.stored()
    flags = [] if _buffer(f) == "xdp" else [f.number(0)]
    size = f.number(size_of(one.type))
    found = f.builder.helper(f"{_buffer(f)}_store_bytes", f.builder.ctx(), where, one.base, size, *flags)
    f.fault_if("ne", found, f.number(0), "PacketError", "bytes that cannot be stored to", node)
    window.stored(f)


def _buffer(f: Translation) -> str:
    """What the names of its helpers begin with."""
    return "xdp" if f.hook.type == "xdp" else "skb"


def _reference(slot: Register, size: int) -> Reference:
    return Reference(array_of(u8, size), "stack", slot, objects=frozenset({slot.imm}), fixed=True)


def _word(f: Translation, view: View, at: int, size: int, message: str, place: ast.AST | TextSpan) -> Register:
    offset = _offset(f, view, at, size, message, place)
    return f.builder.op(f"skb{8 * size}", *([] if offset is None else [offset]), imm=at)


def _offset(
    f: Translation, view: View, at: int, size: int, message: str, place: ast.AST | TextSpan
) -> Register | None:  # fmt: skip
    """What the view has moved, as far as programs see; None for none."""
    most = FARTHEST - at - size
    if most < 0:
        never(f, message, place)
    if view.moved is None:
        return None
    moved = f.state.known(view.moved)
    if most >= 0 and not moved.range.within(Interval(0, most)):
        f.fault_if("ugt", f.register(moved), f.number(most), "PacketError", message, place)
        f.state.learn(view.moved, Interval(0, most))
    return f.register(f.state.known(view.moved))
