"""What a name can stand for: a value, or what is an error where it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from bpfvm.compiler.frontend.types import BOOLEAN, DiagKey, Maybe, Nullable, Number, Pointer, Reference, Value, constant
from bpfvm.lang.types.interval import Interval


@dataclass(frozen=True, slots=True)
class Unbound:
    """A name without a value: on all paths to here, or only on some."""

    always: bool


_PLACES = {
    "packet": " in the packet", "stack": " on the stack", "map_value": " in a map", "ring": " in a record of a ring",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conflict:
    """A name that branches left with values of different kinds. An error only where it is read.

    earlier: the second is an object of an earlier turn of a loop, in the memory where the next one makes its own.
    """

    first: Value
    second: Value
    earlier: bool = False

    def told(self, here: str) -> str:
        """What it is on both ways, with where it lies if all else is the same. here: behind the words of the first."""
        one, other = (value.at if isinstance(value, Nullable) else value for value in (self.first, self.second))
        places = ["", ""]
        if isinstance(one, Reference) and isinstance(other, Reference) and one.space != other.space:
            places = [_PLACES.get(value.space, "") for value in (one, other)]
        return f"{self.first.described}{places[0]} on one path{here} and {self.second.described}{places[1]} on another"


@dataclass(frozen=True, slots=True)
class Growing:
    """A name whose number may be past 64 bits after some turns of a loop. An error only where it is read, said once."""

    range: Interval
    said: list[DiagKey] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class Stale:
    """A name for a place in the packet, which has been moved since. An error only where it is read."""

    was: Value


Binding: TypeAlias = Value | Unbound | Conflict | Growing | Stale


def part(one: Binding, nothing: Number) -> tuple[Number, Number]:
    """Whether there is a number, and which; `nothing` for None."""
    if isinstance(one, Maybe):
        return one.there, one.number
    if isinstance(one, Pointer):
        return constant(1, BOOLEAN), one.number
    return (constant(1, BOOLEAN), one) if isinstance(one, Number) else (constant(0, BOOLEAN), nothing)
