"""Reads of the packet: header fields by the tables of lang.packet, each with its own bounds test."""

from __future__ import annotations

import ast
import difflib

from bpfvm.compiler.frontend.state import PacketEnds
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import INT, Number, Value, View
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.span import Span
from bpfvm.lang.interval import Interval, of_bits
from bpfvm.lang.packet import HEADERS, HeaderField
from bpfvm.tables.ctx import CONTEXTS

# struct xdp_md gives both ends as u32, so that is what a length can be at most.
_LENGTH = of_bits(32, signed=False)


def attribute(f: Translation, view: View, node: ast.Attribute) -> Value:
    """`pkt.ip`, a header; `pkt.ip.proto`, a number."""
    header = view.header
    if node.attr in header.layers:
        return View(HEADERS[node.attr], view.base + header.layers[node.attr])
    field = header.field(node.attr)
    if field is None:
        names = [*header.layers, *(one.name for one in header.fields)]
        near = difflib.get_close_matches(node.attr, names, 1)
        hint = (f"did you mean `{near[0]}`? " if near else "") + f"`{header.name}` offers {header.names}"
        text = f"`{f.quoted(node.value)}` has no layer or field `{node.attr}`"
        return f.error("E037", text, f.last_name(node), help=hint)
    return _read(f, field, view.base + field.offset, node)


def _read(f: Translation, field: HeaderField, offset: int, node: ast.Attribute) -> Number:
    bits = field.type.bits
    place = f.last_name(node)
    message = f"{field.type.size}-byte read at packet+{offset}, past the packet's end"
    stored = _load(f, offset, bits, message, place)
    if field.type.is_big:
        stored = f.op(f"bswap{bits}", stored) if bits > 8 else stored
    return _part(f, field, stored)


def _part(f: Translation, field: HeaderField, stored: Register) -> Number:
    """The field's bits of the number that holds it."""
    bits = field.bits or field.type.bits
    whole = of_bits(field.type.bits, field.type.is_signed)
    if field.shift:
        stored = f.op("lshr", stored, f.number(field.shift))
        whole = Interval(0, whole.hi >> field.shift)
    if whole.hi >= 1 << bits:
        stored = f.op("and", stored, f.number((1 << bits) - 1))
        whole = Interval(0, (1 << bits) - 1)
    return Number(INT, whole, stored)


def length(f: Translation, view: View, node: ast.Call) -> Value:
    """`len(pkt)`."""
    if view.header.name != "pkt":
        return f.error("E022", f"{view.described} has no length of its own", node, help="len(pkt)")
    ends = _ends(f)
    return Number(INT, _LENGTH, f.op("sub", ends.end, ends.data))


def _load(f: Translation, offset: int, bits: int, message: str, place: Span) -> Register:
    """A number of the packet as it is stored, zero-extended; PacketError where the packet ends before it."""
    ends = _ends(f)
    limit = offset + bits // 8
    if ends.proven < limit:
        past = f.builder.op("add", ends.data, f.number(limit), type=Ptr("packet"))
        f.fault_if("ugt", past, ends.end, "PacketError", message, place)
        f.state.packet = PacketEnds(ends.data, ends.end, limit)
    return f.builder.op(f"load{bits}", ends.data, imm=offset)


def _ends(f: Translation) -> PacketEnds:
    """Where the packet starts and ends, loaded once on each way: nothing here moves it."""
    if f.state.packet is None:
        structure = CONTEXTS[f.hook.program_type.context or ""]
        fields = {one.pointer: one for one in structure.fields if one.pointer}
        data, end = (
            f.builder.op(f"load{one.size * 8}", f.builder.ctx(), type=Ptr(space), imm=one.offset)
            for space, one in ((space, fields[space]) for space in ("packet", "packet_end"))
        )
        f.state.packet = PacketEnds(data, end, 0)
    return f.state.packet
