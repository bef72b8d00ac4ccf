"""Calls that move the packet: views from before have no meaning after them, and an error says so (E034)."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.packets import window
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, INT, Number, Value
from bpfvm.core.articles import an
from bpfvm.core.bits import M64, swapped
from bpfvm.lang.packets.calls import CALLS, PacketCall
from bpfvm.lang.types.interval import S64
from bpfvm.tables.helpers import BY_NAME, allowed


def call(f: Translation, row: PacketCall, node: ast.Call, given: Arguments) -> Value:
    """`pkt.adjust_head(-14)`: what the helper gives."""
    if allowed(row.helper, f.hook.type, f.hook.attach_type) is not True:
        offered = [name for name, one in CALLS.items() if allowed(one.helper, f.hook.type, f.hook.attach_type) is True]
        has = f"it has {' '.join(offered)}" if offered else "it has no such calls"
        return f.error("E037", f"{an(f.hook.type)} program has no `{f.quoted(node.func)}`", node.func, help=has)
    try:
        values = row.given(given.values, given.named)
    except TypeError as error:
        return f.error("E013", f"`{f.quoted(node.func)}`: {error}", node, help=f"pkt.{row}")
    numbers = []
    for one, value in zip(row.arguments, values, strict=True):
        if value is not None and not isinstance(value, Number):
            text = f"`{one.name}` of `{f.quoted(node.func)}` is a number, and got {value.described}"
            return f.error("E022", text, node, help=f"pkt.{row}")
        if value is not None and not f.exact(value, node):
            return f.constant(0)
        numbers.append(f.constant(one.default or 0) if value is None else f.state.known(value))
    orders = _orders(f, row, node, numbers)
    if orders is None:
        return BAD
    words = [_word(f, bits, number) for bits, number in zip(orders, numbers, strict=True)]
    f.stored()
    found = f.builder.helper(row.helper, f.builder.ctx(), *words)
    if BY_NAME[row.helper].moves_packet:
        window.moved(f)
    return Number(INT, S64, found)


def _orders(f: Translation, row: PacketCall, node: ast.Call, numbers: list[Number]) -> list[int] | None:
    """Of each argument the bits that are swapped. None after an error."""
    last = numbers[-1].constant if numbers else 0
    if last is None and any(one.sized for one in row.arguments):
        text = f"`{row.arguments[-1].name}` of `{f.quoted(node.func)}` is a constant"
        f.error("E013", text, node, help=f"pkt.{row}")
        return None
    try:
        return [one.order(last or 0) for one in row.arguments]
    except ValueError as error:
        f.error("E013", f"`{f.quoted(node.func)}`: {error}", node, help=f"pkt.{row}")
        return None


def _word(f: Translation, bits: int, value: Number) -> Register:
    """A number as the helper takes it."""
    if bits and value.constant is not None:
        return f.number(swapped(value.constant & M64, bits))
    return f.op(f"bswap{bits}", f.register(value)) if bits else f.register(value)
