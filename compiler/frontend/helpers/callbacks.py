"""Helpers that are given a function: `bpf.helper.loop(n, body)`, `bpf.helper.for_each_map_elem(m, body)`.

The function is written out as the body of a loop that the helper makes. It gets what the helper passes, and behind that
the context, where the call gives one: any value. It ends the helper by a result that is not 0; None and 0 go on.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bpfvm.compiler.frontend.control import called, flow
from bpfvm.compiler.frontend.control.turns import Turns
from bpfvm.compiler.frontend.functions import closures, inlined
from bpfvm.compiler.frontend.helpers import arguments, dynptrs
from bpfvm.compiler.frontend.maps import elements, entries
from bpfvm.compiler.frontend.memory import place as places_in
from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.state import End, Ends
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    INT,
    Bad,
    Dynptr,
    Inner,
    MapValue,
    Nothing,
    Number,
    Pointer,
    Reference,
    Value,
)
from bpfvm.core.errors import BpfvmError
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.helpers.callables import objects, parameters, value_type
from bpfvm.lang.helpers.words import result_of
from bpfvm.lang.maps import UserRing
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.interval import U64, Interval
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage
from bpfvm.tables.helpers import BY_NAME
from bpfvm.tables.helpers.callbacks import CALLBACKS, MOST_MESSAGES, WALKED, places
from bpfvm.tables.helpers.row import Helper

if TYPE_CHECKING:
    from bpfvm.compiler.frontend.calls import Arguments

_LEAST = 8  # bytes that a message takes


def call(f: Translation, node: ast.Call, row: Helper, given: Arguments) -> Value:
    """The result of the helper. BAD after an error."""
    name = f.quoted(node.func)
    function, context = places(row.name)
    most = len(row.args)
    if given.named or not function < len(given.values) <= most:
        wanted = ", ".join(parameters(row))
        what = f"`{name}` takes {wanted}, and got {len(given.values) + len(given.named)} arguments"
        return f.error("E013", what, node, why="the context and the flags may be left out",
                       help=f"{name}({', '.join(parameters(row)[: function + 1])})")  # fmt: skip
    callee, owner = given.values[function], given.values[0]
    if not isinstance(callee, Inner) and not inlined.is_function(callee):
        what = f"`{f.quoted(given.nodes[function])}` is {callee.described}, and {row.called} calls a function"
        return f.error("E020", what, given.nodes[function], help="def body(index): ...")
    if not arguments.may_call(f, node.func, row, f"`{name}`") or not _goes_through(f, row, owner, given.nodes[0]):
        return BAD
    operands = arguments.words_of(f, row, given, [*range(function), *range(context + 1, len(given.values))])
    if operands is None:
        return BAD
    beside = [one for one in given.values[context : context + 1] if not isinstance(one, Nothing)]
    return _loop(f, node, row, (callee, given.nodes[function]), (owner, operands, beside))


def drain(f: Translation, owner: MapValue, node: ast.Call, values: list[Value], nodes: list[ast.expr]) -> Value:
    """`ring.drain(body)`, `ring.drain(body, context)`: the function gets records of the ring's type."""
    row, name = BY_NAME["user_ringbuf_drain"], f.quoted(node.func)
    if any(isinstance(one, Bad) for one in values):
        return BAD
    if not isinstance(values[0], Inner) and not inlined.is_function(values[0]):
        what = f"`{f.quoted(nodes[0])}` is {values[0].described}, and `{name}` calls a function"
        return f.error("E020", what, nodes[0], help="def body(record): ...")
    if not arguments.may_call(f, node.func, row, f"`{name}`"):
        return BAD
    declared = elements.declare(f, owner, node, row.name)
    return _loop(f, node, row, (values[0], nodes[0]), (owner, [declared], values[1:]), is_typed=True)


def _goes_through(f: Translation, row: Helper, owner: Value, node: ast.expr) -> bool:
    """Whether the kernel goes through a map that is given. E063 for others, E020 for what is drained and no such."""
    if row.name == "user_ringbuf_drain" and isinstance(owner, MapValue) and not isinstance(owner.declared, UserRing):
        what = f"`{owner.name}` is a map of type {owner.declared.type}, and programs drain those of user_ringbuf"
        f.error("E020", what, node, help=f"{owner.name} = UserRing(Job, 1 << 16)")
        return False
    if not isinstance(owner, MapValue) or row.name != "for_each_map_elem" or owner.declared.type in WALKED:
        return True
    f.error(
        "E063",
        f"for_each_map_elem cannot go over `{owner.name}`, of type {owner.declared.type}",
        node,
        why="the kernel goes through arrays and hashes for programs, not through maps of other types",
        help=f"go over {owner.name} in user space",
    )
    return False


def _loop(
    f: Translation, node: ast.Call, row: Helper, callee: tuple[Value, ast.expr],
    given: tuple[Value, Sequence[Register], Sequence[Value]], *, is_typed: bool = False,
) -> Value:  # fmt: skip
    """is_typed: a dynptr is passed as the record that it holds."""
    owner, operands, beside = given
    turns = Turns(f, node)
    stops: Ends = []
    passed = CALLBACKS[row.name].kinds
    try:
        structs = objects(row)
    except BpfvmError as error:
        return f.error("E010", str(error), node, help="BPFVM_BTF=vmlinux.btf")

    def body(again: Register) -> None:
        stops.clear()

        def translate() -> None:
            values = [
                _object(f, again, place, structs[place]) if kind == "object" else _value(f, again, place, owner, node)
                for place, kind in enumerate(passed)
            ]
            if is_typed:
                values = [_record(f, one, owner, node) for one in values]
            stops.extend(_turn(f, node, callee, [*values, *beside]))

        turns.body(f, translate)

    most = LIMIT
    if isinstance(owner, Number):
        most = max(0, min(LIMIT, owner.range.hi))
    elif structs:
        most = 1
    elif isinstance(owner, MapValue):
        most = owner.declared.max_entries
        if isinstance(owner.declared, UserRing):
            most = min(MOST_MESSAGES, most // _LEAST)
    exits, again = called.loop(f, node, row.name, operands, (), body, most)
    flow.enter(f, [*exits, *stops])
    f.state.names.pop(turns.name, None)
    result = result_of(row)
    assert result is not None, "they count"
    return arguments.typed(f, called.outcome(f, again), *result, is_narrow=False)


def _object(f: Translation, again: Register, place: int, kind: PointerType) -> Value:
    """An object of the kernel's, of which the verifier knows what it is."""
    return Pointer(kind, Number(INT, U64, called.given(f, again, place)), trusted=True)


def _value(f: Translation, again: Register, place: int, owner: Value, node: ast.Call) -> Value:
    """What the function gets in one place."""
    kind = CALLBACKS[again.name].kinds[place]
    if kind == "number":
        most = LIMIT - 1
        if isinstance(owner, Number):
            most = max(0, min(most, owner.range.hi - 1))
        return Number(INT, Interval(0, most), called.given(f, again, place))
    assert isinstance(owner, MapValue), "the others are of maps"
    if kind == "dynptr":
        return Dynptr(called.given(f, again, place), reserved=False, object=len(f.target.slots), depth=f.depth)
    if kind == "map":
        return owner if owner.register is None else replace(owner, register=called.given(f, again, place))
    if kind == "key":
        return entries.key(f, owner, called.given(f, again, place), node)
    return Reference(value_type(owner.declared), "map_value", called.given(f, again, place),
                     shared=not owner.declared.is_per_cpu, home=owner.timed)  # fmt: skip


def _record(f: Translation, one: Value, owner: Value, node: ast.Call) -> Value:
    """The record that a message holds."""
    assert isinstance(one, Dynptr), "a message is one"
    assert isinstance(owner, MapValue), "its ring"
    assert isinstance(owner.declared, UserRing), "its ring"
    kind = owner.declared.record
    if kind is None:
        return one
    layout = array_of(kind, 1) if isinstance(kind, Storage) else kind
    there = dynptrs.reach(f, one, node, layout, f.number(0))
    text = f"a message of {owner.name} is shorter than {kind.__name__}"
    f.fault_if("eq", there.base, f.number(0), "IndexError", text, node)
    return places_in.read(f, places_in.Place(there, kind, "the record"))


def _turn(f: Translation, node: ast.Call, callee: tuple[Value, ast.expr], values: list[Value]) -> list[End]:
    """One call of the function: the ends where it stops the helper; the point reached is where it goes on."""
    function, place = callee
    written = ast.copy_location(ast.Call(place, [], []), node)
    if isinstance(function, Inner):
        result = closures.call(f, written, function, (values, {}))
    else:
        result = inlined.call(f, written, function, (values, {}))
    if not f.reachable or isinstance(result, Bad | Nothing):
        return []
    if not isinstance(result, Number):
        f.error(
            "E024",
            f"`{f.quoted(place)}` returns {result.described}, and a helper is told by a number whether to go on",
            place,
            help="return 1 to stop, 0 or nothing to go on",
        )
        return []
    holds, fails = compare.truth(f, f.state.known(result), place)
    flow.enter(f, fails)
    return list(holds)
