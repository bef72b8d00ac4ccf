"""`h.add(v)` of a histogram, without a branch: the kernel's verifier has one way to walk."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.maps import keyed
from bpfvm.compiler.frontend.numbers import bits
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, INT, MapValue, Maybe, Nullable, Number, Value, constant
from bpfvm.lang.maps import Histogram
from bpfvm.lang.types.interval import Interval


def add(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """The slot of v counts one more: log2(v), at most the last."""
    number, source = values[0], nodes[0]
    name, text = f.quoted(node.func), f.quoted(source)
    if isinstance(number, Maybe | Nullable):
        return f.may_be_none(source, number)
    if not isinstance(number, Number):
        return f.error(
            "E022", f"`{name}` takes a number, and `{text}` is {number.described}", source, help=f"{name}(n)"
        )
    known = f.state.known(number).as_kinds(INT)
    if not f.exact(known, source):
        return BAD
    if known.range.lo < 0:
        return f.error("E021", f"`{text}` may be negative, and has no slot then", source,
                       why=f"it {f.lies(known.range)}", help=f"{name}(u64({text}))")  # fmt: skip
    assert isinstance(owner.declared, Histogram), "the table of methods says so"
    slot = _slot(f, source, known, owner.declared.max_entries - 1, owner.declared.step)
    return keyed.add(f, owner, node, [slot, constant(1)], [source, source])


def _slot(f: Translation, source: ast.expr, number: Number, last: int, step: int) -> Number:
    if step:
        steps = Interval(number.range.lo // step, number.range.hi // step)
        word = f.register(number)
        return _in_row(f, f.op("udiv", word, f.number(step)) if step > 1 else word, steps, last)
    some = Interval(number.range.lo | 1, number.range.hi | 1)
    word = f.op("or", f.register(number), f.number(1))
    length = bits.bit_length(f, source, Number(INT, some, None if some.constant is not None else word))
    assert isinstance(length, Number), "every number has a length"
    slot = f.op("sub", f.register(length), f.number(1))
    return _in_row(f, slot, Interval(length.range.lo - 1, length.range.hi - 1), last)


def _in_row(f: Translation, slot: Register, places: Interval, last: int) -> Number:
    """A slot, at most the last."""
    if places.hi <= last:
        return Number(INT, places, slot)
    if places.hi >> 63:  # all that are so large are 2**63 - 1
        large = f.op("sub", f.number(0), f.op("lshr", slot, f.number(63)))
        slot = f.op("and", f.op("or", slot, large), f.number((1 << 63) - 1))
    return Number(INT, Interval(0, last), _at_most(f, slot, last))


def _at_most(f: Translation, word: Register, most: int) -> Register:
    """The smaller of a word below 2**63 and a constant: its distance from it is added where that is negative."""
    distance = f.op("sub", f.number(most), word)
    return f.op("add", word, f.op("and", distance, f.op("ashr", distance, f.number(63))))
