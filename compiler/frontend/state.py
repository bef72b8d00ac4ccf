"""What is known at one point of a function: which value each name has, and what tests have said of values."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bpfvm.compiler.frontend.binding import Binding
from bpfvm.compiler.frontend.control.held import Held
from bpfvm.compiler.frontend.types import NOTHING, DiagKey, Maybe, Nullable, Number, Value, View
from bpfvm.compiler.ir.function import Block
from bpfvm.compiler.ir.types import Value as Register
from bpfvm.core.diag import Diag
from bpfvm.lang.types.interval import Interval
from bpfvm.obj.model import FaultSite, MapSpec

FaultKey: TypeAlias = "tuple[FaultSite, tuple[Held, ...]]"  # a fault, and what is held where it happens
Looked: TypeAlias = "dict[tuple[str, object], Register | None]"
# Space; base, where it is an address; the first byte's offset from there and how many; what is read of them
Read: TypeAlias = "tuple[str, Register | None, int, int, Hashable]"
Diags: TypeAlias = dict[DiagKey, Diag]


@dataclass(frozen=True, slots=True)
class PacketEnds:
    """Addresses of the packet's first byte and of the byte behind its last.

    meta: the address of the metadata before it, which ends at `data`; None where nothing has asked for it.
    windows: what is known of addresses, by whether they are in the metadata, and by the origin of the number that was
    added to its first byte's or the packet's, None for that itself.
    layers: views that were asked for, by what they stand behind and their name; with how many stores there had been,
    because a store may change where they are.
    """

    data: Register
    end: Register
    windows: Mapping[tuple[bool, int | None], Window] = field(default_factory=dict)
    layers: Mapping[Hashable, tuple[View, int]] = field(default_factory=dict)
    meta: Register | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes from `pointer` on, of which so many are proven to be there. bound: what was added is no more than that."""

    pointer: Register
    proven: int
    bound: int


@dataclass(slots=True)
class State:
    """names: bindings of local names. facts: by origin, what tests on the way here have shown: of a number where it
    lies, of a Nullable whether it is there, 0 or 1.

    dead: control never comes here, but the rest of an expression does. looked: by map and key, what stands there for
    certain, and its address where that is known.
    held: what is to be given back, the last taken last.
    told: by place in the packet (Translation.reads), what tests of what is read there have shown on all ways that met
    before.
    standing: of numbers that were read from memory, those that stand there still, by place (memory/standing.py).
    """

    names: dict[str, Binding] = field(default_factory=dict)
    facts: dict[int, Interval] = field(default_factory=dict)
    packet: PacketEnds | None = None
    dead: bool = False
    looked: Looked = field(default_factory=dict)
    held: tuple[Held, ...] = ()
    told: Mapping[Hashable, Interval] = field(default_factory=dict)
    standing: dict[Read, Number] = field(default_factory=dict)

    def copy(self) -> State:
        return State(
            dict(self.names), dict(self.facts), self.packet, self.dead, dict(self.looked), self.held, self.told,
            dict(self.standing),
        )  # fmt: skip

    def known(self, number: Number) -> Number:
        """`number` with what tests have shown of it."""
        return number.within(self.facts.get(number.origin))

    def seen(self, value: Value) -> Value:
        """`value` with what tests have shown of it: a number, or whether there is one, or a value in memory."""
        if isinstance(value, Number):
            return self.known(value)
        if isinstance(value, Nullable):
            known = self.facts.get(value.origin)
            return value if known is None or known.constant is None else value.there if known.constant else NOTHING
        if isinstance(value, View) and value.moved is not None:
            return replace(value, moved=self.known(value.moved))
        if not isinstance(value, Maybe):
            return value
        there = self.known(value.there)
        if there.constant is not None:
            return value.found(self.known(value.number)) if there.constant else NOTHING
        return value

    def learn(self, number: Number, range: Interval) -> None:
        """From here on the value lies in `range`."""
        if number.constant is None:
            self.facts[number.origin] = self.known(number).within(range).range


@dataclass(frozen=True, slots=True)
class End:
    """The open end of a piece of code: control leaves `block` with `state` and goes where a join puts it."""

    block: Block
    state: State


Ends = list[End]


@dataclass(frozen=True, slots=True)
class Guess:
    """What a name is thought to be at the head of a loop. drift: it is what it was before plus so much, where known.
    counted: its bounds are those of turns that were counted; else what is past 64 bits may be anything."""

    binding: Binding
    drift: Interval | None
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What goes around a loop. name: of the binding. part: the number that it gives of it, None for a reference or a
    view."""

    name: str
    part: Callable[[Binding], Number | None] | None


@dataclass(frozen=True, slots=True)
class Heads:
    """The head of a loop. names: what each is there. carried: the parameters of `block`, in order. before: the state on
    the way in."""

    block: Block
    names: Mapping[str, Binding]
    carried: tuple[Carried, ...]
    before: State


@dataclass(frozen=True, slots=True)
class Mark:
    """What a translation was at one point, to go back to: sizes of what only grows, copies of the rest."""

    blocks: int
    block: Block
    values: int
    sites: int
    state: State
    diags: Diags
    faults: Mapping[FaultKey, Block]
    maps: Mapping[str, MapSpec]
    work: int
    slots: int
    outer: tuple[int, int]  # breaks and continues of the loop around
    bases: frozenset[int]
    leaving: int
    calls: int
    steps: int
    wasted: int
