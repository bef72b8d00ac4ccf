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
from bpfvm.compiler.frontend.helpers import arguments
from bpfvm.compiler.frontend.maps import entries
from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.state import End, Ends
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, INT, Bad, Inner, MapValue, Nothing, Number, Reference, Value
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.helpers.callables import parameters, result_of, value_type
from bpfvm.lang.types.interval import Interval
from bpfvm.tables.helpers.callbacks import CALLBACKS, WALKED, places
from bpfvm.tables.helpers.row import Helper

if TYPE_CHECKING:
    from bpfvm.compiler.frontend.calls import Arguments

_NAMES = ("number", "map", "key", "value")  # what a function can be passed
_INSTEAD = {
    "find_vma": "current().mm tells of the task's memory: current().mm.start_stack",
    "user_ringbuf_drain": "jobs = Queue(Job, 64): user space pushes, and the program takes out: job = jobs.pop()",
}


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
    passed = CALLBACKS[row.name].kinds
    if any(kind not in _NAMES for kind in passed):
        text = f"`{name}` passes a function what this version does not follow: {', '.join(CALLBACKS[row.name].names)}"
        return f.error("E063", text, node, help=_INSTEAD[row.name])
    callee, owner = given.values[function], given.values[0]
    if not isinstance(callee, Inner) and not inlined.is_function(callee):
        what = f"`{f.quoted(given.nodes[function])}` is {callee.described}, and {row.called} calls a function"
        return f.error("E020", what, given.nodes[function], help="def body(index): ...")
    if not arguments.may_call(f, node.func, row, f"`{name}`") or not _walked(f, owner, given.nodes[0]):
        return BAD
    operands = arguments.words_of(f, row, given, [*range(function), *range(context + 1, len(given.values))])
    if operands is None:
        return BAD
    beside = [one for one in given.values[context : context + 1] if not isinstance(one, Nothing)]
    return _loop(f, node, row, (callee, given.nodes[function]), (owner, operands, beside))


def _walked(f: Translation, owner: Value, node: ast.expr) -> bool:
    """Whether the kernel goes through a map that is given. E063 for others."""
    if not isinstance(owner, MapValue) or owner.declared.type in WALKED:
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
    given: tuple[Value, Sequence[Register], Sequence[Value]],
) -> Value:  # fmt: skip
    owner, operands, beside = given
    turns = Turns(f, node)
    stops: Ends = []
    passed = CALLBACKS[row.name].kinds

    def body(again: Register) -> None:
        stops.clear()

        def translate() -> None:
            values = [_value(f, again, place, owner, node) for place in range(len(passed))]
            stops.extend(_turn(f, node, callee, [*values, *beside]))

        turns.body(f, translate)

    most = LIMIT
    if isinstance(owner, Number):
        most = max(0, min(LIMIT, owner.range.hi))
    elif isinstance(owner, MapValue):
        most = owner.declared.max_entries
    exits, again = called.loop(f, node, row.name, operands, (), body, most)
    flow.enter(f, [*exits, *stops])
    f.state.names.pop(turns.name, None)
    result = result_of(row)
    assert result is not None, "they count"
    return arguments.typed(f, called.outcome(f, again), *result, is_narrow=False)


def _value(f: Translation, again: Register, place: int, owner: Value, node: ast.Call) -> Value:
    """What the function gets in one place."""
    kind = CALLBACKS[again.name].kinds[place]
    if kind == "number":
        most = LIMIT - 1
        if isinstance(owner, Number):
            most = max(0, min(most, owner.range.hi - 1))
        return Number(INT, Interval(0, most), called.given(f, again, place))
    assert isinstance(owner, MapValue), "the others are of maps"
    if kind == "map":
        return owner if owner.register is None else replace(owner, register=called.given(f, again, place))
    if kind == "key":
        return entries.key(f, owner, called.given(f, again, place), node)
    return Reference(value_type(owner.declared), "map_value", called.given(f, again, place),
                     shared=not owner.declared.is_per_cpu, home=owner.timed)  # fmt: skip


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
