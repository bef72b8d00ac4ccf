"""`for` over maps whose entries come and go: `for k in m`, `for k, v in m.items()`, `for v in m.values()`.

The kernel goes through them, and calls the body for each entry.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bpfvm.compiler.frontend.control import called, flow
from bpfvm.compiler.frontend.control.turns import Statements, Turns, assigned, finish
from bpfvm.compiler.frontend.helpers import arguments
from bpfvm.compiler.frontend.maps import elements, entries
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.numbers.compare import ordered
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import MapValue, Number, Tuple, Value, constant
from bpfvm.lang.maps import Hash
from bpfvm.tables.helpers import BY_NAME
from bpfvm.tables.helpers.callbacks import WALKED

_HELPER = "for_each_map_elem"
_KEY, _VALUE = 1, 2  # of what it passes


@dataclass(frozen=True, slots=True)
class Counted:
    """A number beside each entry, from `first` on. item: makes of both what the loop's target gets. end: the loop is
    over where the number comes to it, None for never."""

    first: Number
    item: Callable[[Number, Value], Value]
    end: Number | None = None


@dataclass(frozen=True, slots=True)
class Visits:
    """The entries of a map. keyed: with the keys, None for keys alone. count: of `enumerate` and `zip`."""

    map: MapValue
    keyed: bool | None
    count: Counted | None = None

    def item(self, f: Translation, again: Register, node: ast.expr) -> Value:
        """What the loop's target gets."""
        if self.keyed is None:
            return entries.key(f, self.map, called.given(f, again, _KEY), node)
        found = entries.value(f, self.map, called.given(f, again, _VALUE))
        if not self.keyed:
            return found
        return Tuple((entries.key(f, self.map, called.given(f, again, _KEY), node), found))


def source(f: Translation, owner: MapValue, keyed: bool | None, node: ast.expr) -> Visits | None:
    """The entries of a map. None after an error."""
    declared = owner.declared
    if not isinstance(declared, Hash) or declared.type not in WALKED:
        f.error(
            "E063",
            f"a `for` cannot go over `{owner.name}`, of type {declared.type}",
            node,
            why="the kernel goes through arrays and hashes for programs, not through maps of other types",
            help=f"keep the keys in a hash beside it, or go over {owner.name} in user space",
        )
        return None
    if not arguments.may_call(f, node, BY_NAME[_HELPER], f"a `for` over `{owner.name}`"):
        return None
    return Visits(owner, keyed)


def over(
    f: Translation, node: ast.For, visits: Visits, bind: Callable[[Value], None], statements: Statements,
    carried: Sequence[str],
) -> None:  # fmt: skip
    """The loop."""
    turns, count = Turns(f, node), f"count of line {node.lineno}, column {node.col_offset}"
    ended: list[End] = []  # where what stands beside the map is over
    if visits.count is not None:
        f.state.names[count] = visits.count.first
    with f.at(node.iter):
        operand = elements.declare(f, visits.map, node.iter)

    def body(again: Register) -> None:
        def translate() -> None:
            number = _number(f, count, visits.count, ended, node.iter) if visits.count is not None else None
            if not f.reachable:
                return
            item = visits.item(f, again, node.iter)
            bind(item if visits.count is None or number is None else visits.count.item(number, item))
            statements(node.body)

        ended.clear()
        turns.body(f, translate)

    names = (*map(f.frame.own, assigned(node)), *carried, *[count] * (visits.count is not None))
    exits, _ = called.loop(f, node, _HELPER, [operand], names, body, visits.map.declared.max_entries)
    finish(f, turns, [*exits, *ended], node.orelse, statements)
    if f.reachable:
        f.state.names.pop(count, None)


def _number(f: Translation, count: str, of: Counted, ended: list[End], node: ast.expr) -> Number:
    """The number of this turn; from here on that of the next one stands under the name. ended: gets the ways on which
    there is no turn any more."""
    number = f.state.names[count]
    assert isinstance(number, Number), "enumerate has asked"
    if of.end is not None:
        inside, over = ordered(f, COMPARISONS[ast.Lt], f.state.known(number), f.state.known(of.end))
        ended += over
        flow.enter(f, inside)
        if not f.reachable:
            return number
    number = f.state.known(number)
    f.state.names[count] = arith.binary(f, node, ast.Add(), (number, node), (constant(1), node))
    return number
