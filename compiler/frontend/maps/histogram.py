"""`h.add(v)` of a histogram, `h.add(k, v)` of histograms by key, without a branch: the kernel's verifier has one way to
walk."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.maps import keyed, keys
from bpfvm.compiler.frontend.memory import construct
from bpfvm.compiler.frontend.numbers import bits
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, INT, Bad, MapValue, Maybe, Nullable, Number, Value, constant
from bpfvm.lang.maps import Histogram, Histograms
from bpfvm.lang.types.interval import Interval


def add(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """The slot of v counts one more: log2(v), at most the last."""
    assert isinstance(owner.declared, Histogram), "the table of methods says so"
    slot = _slot_of(f, node, values[0], nodes[0], owner.declared.max_entries - 1, owner.declared.step)
    if slot is None:
        return BAD
    return keyed.add(f, owner, node, [slot, constant(1)], [nodes[0], nodes[0]])


def add_by_key(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """The slot of v under k counts one more."""
    declared = owner.declared
    assert isinstance(declared, Histograms), "the table of methods says so"
    index = keys.key(f, owner, values[0], nodes[0], declared.key.__members__["key"].type)
    slot = _slot_of(f, node, values[1], nodes[1], declared.slots - 1, declared.step)
    if slot is None or index is None:
        return BAD
    written = [ast.keyword("key", nodes[0]), ast.keyword("slot", nodes[1])]
    made = ast.copy_location(ast.Call(node.func, [], written), node)
    place = construct.new(f, declared.key, node, f"key of {owner.name}")
    value = index.number if index.number is not None else index.place
    assert value is not None, "a key that is no number lies somewhere"
    one = construct.struct(f, made, declared.key, {"key": value, "slot": slot}, place)
    return keyed.add(f, owner, node, [one, constant(1)], [nodes[0], nodes[1]])


def _slot_of(f: Translation, node: ast.Call, number: Value, source: ast.expr, last: int, step: int) -> Number | None:
    """The slot of a value, None after an error."""
    name, text = f.quoted(node.func), f.quoted(source)
    if isinstance(number, Bad):
        return None
    if isinstance(number, Maybe | Nullable):
        f.may_be_none(source, number)
        return None
    if not isinstance(number, Number):
        arguments = ", ".join(["n"] if len(node.args) + len(node.keywords) == 1 else ["key", "n"])
        f.error("E022", f"`{name}` takes a number, and `{text}` is {number.described}", source,
                help=f"{name}({arguments})")  # fmt: skip
        return None
    known = f.state.known(number).as_kinds(INT)
    if not f.exact(known, source):
        return None
    if known.range.lo < 0:
        before = f"{f.quoted(node.args[0])}, " if len(node.args) > 1 else ""
        f.error("E021", f"`{text}` may be negative, and has no slot then", source,
                why=f"it {f.lies(known.range)}", help=f"{name}({before}u64({text}))")  # fmt: skip
        return None
    return _slot(f, source, known, last, step)


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
