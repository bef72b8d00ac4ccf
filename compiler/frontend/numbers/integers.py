"""Integers to bytes and back: `int.from_bytes(data[i:i + 4], "big")`, `x.to_bytes(2, "big")`."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.memory import access, construct
from bpfvm.compiler.frontend.numbers.compare import ordered
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, INT, Number, Reference, Static, Value
from bpfvm.lang.types.arrays import array_of, is_bytes
from bpfvm.lang.types.interval import of_bits
from bpfvm.lang.types.scalars import u8

_MOST = 8  # bytes of a register
_ORDERS = ("big", "little")

Given = Sequence[tuple[Value, ast.expr]]


def _order(f: Translation, values: Given, named: dict[str, Value], node: ast.Call) -> tuple[str, bool] | None:
    """The byte order, and whether the number is signed. None after an error."""
    order = values[1][0] if len(values) == 2 else named.get("byteorder", Static("big"))
    signed = named.get("signed")
    known = not set(named) - {"byteorder", "signed"} and 1 <= len(values) <= 2
    if not known or not isinstance(order, Static) or order.object not in _ORDERS:
        f.error("E013", f"`{f.quoted(node.func)}` takes the byte order as a constant, and `signed`", node,
                help=f'{f.quoted(node.func)}({f.quoted(node.args[0]) if node.args else "x"}, "big")')  # fmt: skip
        return None
    return order.object, isinstance(signed, Number) and bool(signed.constant)


def from_bytes(f: Translation, node: ast.Call, values: Given, named: dict[str, Value]) -> Value:
    """`int.from_bytes(data, order)` of an array of up to 8 bytes: an exact int."""
    how = _order(f, values, named, node)
    if how is None:
        return BAD
    data, place = values[0]
    if not isinstance(data, Reference) or not is_bytes(data.type) or data.type.sizeof > _MOST:
        return f.error(
            "E022",
            f"`int.from_bytes` takes an array of up to {_MOST} bytes, and `{f.quoted(place)}` is {data.described}",
            place,
            why="a register holds 64 bits",
            help="int.from_bytes(data[0:4], 'big')",
        )
    size, (order, signed) = data.type.sizeof, how
    word = access.get_word(f, data, size)
    word = _turned(f, word, size) if order == "big" and size > 1 else word
    if signed and size < _MOST:
        up = f.number(8 * (_MOST - size))
        word = f.op("ashr", f.op("shl", word, up), up)
    range = of_bits(8 * size, signed)
    return Number(INT, range, f.typed(range, word))


def _turned(f: Translation, word: Register, size: int) -> Register:
    """The low `size` bytes in the opposite order; those above are not looked at, and are 0 in the result."""
    if size in (2, 4, 8):
        return f.op(f"bswap{8 * size}", word)
    return f.op("lshr", f.op("bswap64", word), f.number(8 * (_MOST - size)))


def to_bytes(f: Translation, node: ast.Call, owner: Number, values: Given, named: dict[str, Value]) -> Value:
    """`x.to_bytes(n, order)`: n bytes that can only be read; OverflowError where the number does not fit them."""
    if not values and "length" in named:
        values = [(named.pop("length"), node)]
    how = _order(f, values or [(f.constant(1), node)], named, node)
    length = (
        f.state.known(values[0][0]).constant if values and isinstance(values[0][0], Number) else None if values else 1
    )
    if how is None:
        return BAD
    if length is None or not 0 < length <= _MOST:
        return f.error(
            "E022", f"`to_bytes` takes a constant length from 1 to {_MOST}", node, help='x.to_bytes(4, "big")'
        )
    number, (order, signed) = f.state.known(owner), how
    assert isinstance(node.func, ast.Attribute), "a method is an attribute"
    if not f.exact(number, node.func.value):
        return BAD
    number = _fitting(f, number, length, signed, node)
    made = construct.new(f, array_of(u8, length), node)
    word = f.register(number)
    access.put_word(f, made, _turned(f, word, length) if order == "big" and length > 1 else word, length)
    return Reference(made.type, made.space, made.base, objects=made.objects, fixed=True)


def _fitting(f: Translation, number: Number, length: int, signed: bool, node: ast.Call) -> Number:
    """The number, behind the test that it fits."""
    range = of_bits(8 * length, signed)
    for op, bound in ((ast.Lt, range.lo), (ast.Gt, range.hi)):
        if (number.range.lo < bound) if op is ast.Lt else (number.range.hi > bound):
            wrong, fine = ordered(f, COMPARISONS[op], f.state.known(number), f.constant(bound))
            flow.enter(f, wrong)
            text = "can't convert negative int to unsigned" if op is ast.Lt and not signed else "int too big to convert"
            before = f.end() if f.reachable else None
            if before is not None:
                f.fault("OverflowError", text, node)
            flow.enter(f, fine)
            if before is not None and not f.reachable:  # it never fits
                f.never(before)
    return f.state.known(number)
