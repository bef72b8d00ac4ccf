"""What is known at one point of a function: which value each name has, and what tests have said of values."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.compiler.frontend.types import Binding, Number
from bpfvm.compiler.ir.function import Block
from bpfvm.compiler.ir.types import Value as Register
from bpfvm.lang.interval import Interval


@dataclass(frozen=True, slots=True)
class PacketEnds:
    """Addresses of the packet's first byte and of the byte behind its last; so many bytes are proven to be there."""

    data: Register
    end: Register
    proven: int


@dataclass(slots=True)
class State:
    """names: bindings of local names. facts: by Number.origin, what tests on the way here have shown."""

    names: dict[str, Binding] = field(default_factory=dict)
    facts: dict[int, Interval] = field(default_factory=dict)
    packet: PacketEnds | None = None

    def copy(self) -> State:
        return State(dict(self.names), dict(self.facts), self.packet)

    def known(self, number: Number) -> Number:
        """`number` with what tests have shown of it."""
        return number.within(self.facts.get(number.origin))

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
