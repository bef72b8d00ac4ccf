"""losses: events that find no room are counted, in a variable of the object for each map of events.

The kernel tells of a full ring nobody but the program, and of a full buffer of perf only with the next sample that has
room. So the program counts: behind each helper that sends, one atomic addition where it failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from bpfvm.compiler.ir.function import Block, Branch, Function, Goto
from bpfvm.compiler.ir.types import Ptr, Value, Word
from bpfvm.lang.maps.losses import SIZE, section
from bpfvm.lang.types.interval import U64, Interval
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import FLAGS


@dataclass(frozen=True, slots=True)
class Sends:
    """A helper that gives an event to user space. map: which argument is the map. failed: how 0 compares with what it
    returns for one that finds no room."""

    map: int
    failed: str


HELPERS: Mapping[str, Sends] = {
    "ringbuf_reserve": Sends(0, "eq"),
    "ringbuf_reserve_dynptr": Sends(0, "ne"),
    "ringbuf_output": Sends(0, "ne"),
    "perf_event_output": Sends(1, "ne"),
}


def losses(function: Function) -> bool:
    """Count what fails in a program and its subprograms. True when anything changed.

    Needs: SSA, no outlined callbacks.  Keeps: SSA. No function sends to a map that it finds in a map:
    `lang.maps.nested` takes none of events.
    """
    return any([_Counted(part).run() for part in (function, *function.callees.values())])


class _Counted:
    """One function."""

    def __init__(self, function: Function) -> None:
        self._function = function
        values = [*function.values(), *(one for block in function.blocks for one in block.params)]
        self._values = count(max((one.id for one in values), default=0) + 1)
        self._blocks = count(max(block.id for block in function.blocks) + 1)

    def run(self) -> bool:
        """Whether it sends anything."""
        waiting, before = list(self._function.blocks), len(self._function.blocks)
        while waiting:
            block = waiting.pop()
            for at, value in enumerate(block.values):
                row = HELPERS.get(value.name) if value.op == "helper" else None
                if row is not None and value.args[row.map].op == "map":
                    waiting.append(self._split(block, at, row))
                    break
        return len(self._function.blocks) > before

    def _split(self, block: Block, at: int, row: Sends) -> Block:
        """Count behind value `at` of a block; the block of what follows it."""
        sent = block.values[at]
        name = section(sent.args[row.map].name)
        spec = MapSpec(name, "array", 4, SIZE, 1, FLAGS["mmapable"], initial=bytes(SIZE), hidden=True, section=name)
        self._function.maps.setdefault(name, spec)
        rest, lost = Block(next(self._blocks)), Block(next(self._blocks))
        rest.values, rest.terminator = block.values[at + 1 :], block.terminator
        zero = Value(next(self._values), "const", [], Word(Interval(0, 0)), 0, span=sent.span)
        block.values = [*block.values[: at + 1], zero]
        block.terminator = Branch(row.failed, sent, zero, lost, rest, span=sent.span)
        place = Value(next(self._values), "map_value", [], Ptr("map_value"), 0, name, sent.span)
        one = Value(next(self._values), "const", [], Word(Interval(1, 1)), 1, span=sent.span)
        added = Value(next(self._values), "atomic_add64", [place, one], Word(U64), 0, span=sent.span)
        lost.values, lost.terminator = [place, one, added], Goto(rest, span=sent.span)
        self._function.blocks += [lost, rest]
        return rest


__all__ = ["HELPERS", "losses"]
