"""`for` over maps whose entries come and go: `for k in m`, `for k, v in m.items()`, `for v in m.values()`.

The kernel goes through them, and calls the body for each entry.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bpfvm.compiler.frontend.control import called
from bpfvm.compiler.frontend.control.turns import Statements, Turns, assigned, finish
from bpfvm.compiler.frontend.helpers import arguments
from bpfvm.compiler.frontend.maps import elements, entries
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import MapValue, Number, Tuple, Value, constant
from bpfvm.lang.maps import Hash
from bpfvm.tables.helpers import BY_NAME
from bpfvm.tables.helpers.callbacks import WALKED

_HELPER = "for_each_map_elem"
_KEY, _VALUE = 1, 2  # of what it passes


@dataclass(frozen=True, slots=True)
class Visits:
    """The entries of a map. keyed: with the keys, None for keys alone. first: of `enumerate`, the first number."""

    map: MapValue
    keyed: bool | None
    first: Number | None = None

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
    if visits.first is not None:
        f.state.names[count] = visits.first
    with f.at(node.iter):
        operand = elements.declare(f, visits.map, node.iter)

    def body(again: Register) -> None:
        def translate() -> None:
            item = visits.item(f, again, node.iter)
            bind(item if visits.first is None else Tuple((_counted(f, count, node.iter), item)))
            statements(node.body)

        turns.body(f, translate)

    names = (*map(f.frame.own, assigned(node)), *carried, *[count] * (visits.first is not None))
    exits, _ = called.loop(f, node, _HELPER, [operand], names, body, visits.map.declared.max_entries)
    finish(f, turns, exits, node.orelse, statements)
    if f.reachable:
        f.state.names.pop(count, None)


def _counted(f: Translation, count: str, node: ast.expr) -> Number:
    """The number of this turn; from here on that of the next one stands under the name."""
    number = f.state.names[count]
    assert isinstance(number, Number), "enumerate has asked"
    number = f.state.known(number)
    f.state.names[count] = arith.binary(f, node, ast.Add(), (number, node), (constant(1), node))
    return number
