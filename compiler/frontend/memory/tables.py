"""Constants in memory that can only be read: tuples, lists and bytes whose index is known only when the program runs.

A table lies in a data section of its own program. Numbers of it are stored in the narrowest type that holds them all;
what they may be, and which classes they have, stays known.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bpfvm.compiler.frontend.memory import items, place
from bpfvm.compiler.frontend.names.scope import Unfit
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Kinds, Number, Reference, Static, Tuple, Value
from bpfvm.lang.types.arrays import ArrayType, array_of
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.layout import Element, align_of
from bpfvm.lang.types.scalars import SCALARS

_MOST = 1 << 16  # bytes of one table


@dataclass(frozen=True, slots=True)
class Table:
    """Constants in memory. kinds, range: of its numbers, None for structs."""

    at: Reference
    kinds: Kinds
    range: Interval | None

    @property
    def length(self) -> int:
        assert isinstance(self.at.type, ArrayType), "a table is an array"
        return self.at.type.__length__

    def item(self, f: Translation, index: Number) -> Value:
        """The constant at an index that is known to lie in the table."""
        assert isinstance(self.at.type, ArrayType), "a table is an array"
        found = place.read(f, items.element(f, self.at, self.at.type.__element__, index, ""))
        if isinstance(found, Number) and self.range is not None:
            return replace(found, kinds=self.kinds, range=self.range)
        return found


def of(f: Translation, value: Value) -> Table | None:
    """The table of a tuple or of an object that is known; None for what holds anything but numbers or structs."""
    found: Sequence[Value]
    if isinstance(value, Tuple):
        found = value.items
    elif isinstance(value, Static) and isinstance(value.object, bytes | bytearray | list | tuple):
        if len(value.object) > _MOST:
            return None
        try:
            found = [f.scope.value(one, "") for one in value.object]
        except Unfit:
            return None
    else:
        return None
    return of_values(f, found)


def of_values(f: Translation, values: Sequence[Value]) -> Table | None:
    """The table of constants; None where there are none, or others are among them."""
    numbers = [one for one in values if isinstance(one, Number) and one.constant is not None]
    if not values or len(numbers) != len(values):
        return None
    words = [one.constant or 0 for one in numbers]
    range = Interval(min(words), max(words))
    storage = next((one for one in SCALARS if range.within(one.range)), None)
    if storage is None or len(words) * storage.size > _MOST:
        return None
    kinds = frozenset(kind for one in numbers for kind in one.kinds)
    return Table(_placed(f, storage, len(words), b"".join(map(storage.pack, words))), kinds, range)


def _placed(f: Translation, element: Element, length: int, data: bytes) -> Reference:
    base, offset = f.constants(data, align_of(element))
    return Reference(array_of(element, length), "map_value", base, offset, fixed=True)


def item(f: Translation, owner: Value, index: Number, node: ast.Subscript) -> Value | None:
    """`owner[index]` of constants, the index known only when the program runs. None where there is no table."""
    table = of(f, owner)
    if table is None or not f.exact(index, node.slice):
        return None
    known = f.state.known(index)
    return table.item(f, items.inside(f, known, (table.length, 1), node, owner.described))
