"""Reads of the packet: header fields by the tables of lang.packet, each with its own bounds test."""

from __future__ import annotations

import ast
import difflib

from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import INT, Number, Value, View
from bpfvm.lang.interval import Interval, of_bits
from bpfvm.lang.packet import HEADERS, HeaderField

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
    stored = f.load_packet(offset, bits, message, place)
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


def length(f: Translation) -> Number:
    """`len(pkt)`."""
    return Number(INT, _LENGTH, f.packet_length())
