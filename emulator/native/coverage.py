"""What compiled code counts of its own way, as the reference tier would have counted it (emulator.coverage).

Code that is covered counts how often each block is entered, each branch is taken, and each run or call ends in the
middle of a block; at each local call it notes by which exits the function came back. The rest follows from the graph
of the program. The counters stand behind the state (state.py), a part of COUNTERS words a slot for each program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpfvm.emulator.coverage import Coverage
from bpfvm.emulator.portable.translate import calls_functions
from bpfvm.isa.cfg import Block, Cfg, Way, control_flow
from bpfvm.isa.insn import slots
from bpfvm.isa.ops import Kind
from bpfvm.obj.model import ProgramSpec

if TYPE_CHECKING:
    from bpfvm.emulator.native.runtime import Runtime

COUNTERS = 4  # words for each slot
ENTERED, TAKEN, STOPPED, CAME_BACK = range(COUNTERS)  # of a block's first slot; of a branch; of any; exits, as bits
LAST_EXIT = 62  # bit of CAME_BACK that all further exits of a function share
OTHER = 63  # bit: from another program, behind a tail call
_BRANCHES = (Kind.JUMP, Kind.MAY_GOTO)


def exits(graph: Cfg, program: ProgramSpec, function: int) -> list[int]:
    """The slots of a function's exits, in their order."""
    blocks = (graph.blocks[number] for number in graph.functions[function].blocks)
    return [one.end - 1 for one in blocks if program.insns[one.last - 1].op.kind is Kind.EXIT]


class Counters:
    """Where a program's counters begin, in words behind the state."""

    def __init__(self, program: ProgramSpec, first: int) -> None:
        self.program, self.first, self.slots = program, first, program.slot_count

    @property
    def end(self) -> int:
        """Behind its last one."""
        return self.first + COUNTERS * self.slots

    def place(self, what: int, slot: int) -> int:
        """The word of a counter."""
        return self.first + what * self.slots + slot


@dataclass(slots=True)
class Found:
    """Counts by program, as emulator.coverage.Coverage has them."""

    counts: dict[str, list[int]] = field(default_factory=dict)
    sides: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    steps: dict[str, set[tuple[int, int]]] = field(default_factory=dict)


class NativeCoverage:
    """Counts of all runs while it is entered, under the names of emulator.coverage.Coverage."""

    def __init__(self, tier: Runtime) -> None:
        self._tier = tier
        self._reference = Coverage(tier.reference())  # of what the reference tier runs in this one's place
        self._steps: dict[str, set[tuple[int, int]]] = {}  # that Python made
        self._end: Found | None = None

    def __enter__(self) -> NativeCoverage:
        self._tier.cover(self)
        self._reference.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._reference.__exit__(*error)
        self._end = self._found()
        self._tier.cover(None)

    @property
    def counts(self) -> dict[str, list[int]]:
        """By program, how often each slot was executed."""
        return self._found().counts

    @property
    def sides(self) -> dict[str, dict[int, list[int]]]:
        """By program, slot of a branch -> times that it fell through, times that it was taken."""
        return self._found().sides

    @property
    def steps(self) -> dict[str, set[tuple[int, int]]]:
        """By program, pairs of slots that followed one another."""
        return self._found().steps

    def step(self, program: str, before: int, after: int) -> None:
        """Note a step that Python made: into a function and back, or to another program."""
        self._steps.setdefault(program, set()).add((before, after))

    def _found(self) -> Found:
        """All of it by now."""
        if self._end is not None:
            return self._end
        found = Found()
        for name, steps in self._steps.items():
            found.steps[name] = set(steps)
        for one in self._tier.counters.values():
            if any(self._tier.counted(one.first, one.end)):
                self._read(found, one)
        for name, counts in self._reference.counts.items():
            mine = found.counts.setdefault(name, [0] * len(counts))
            mine[:] = [a + b for a, b in zip(mine, counts, strict=True)]
        for name, sides in self._reference.sides.items():
            known = found.sides.setdefault(name, {})
            for slot, pair in sides.items():
                known[slot] = [a + b for a, b in zip(known.get(slot, [0, 0]), pair, strict=True)]
        for name, steps in self._reference.steps.items():
            found.steps.setdefault(name, set()).update(steps)
        return found

    def _read(self, found: Found, counters: Counters) -> None:
        """Put together what one program counted."""
        program, size = counters.program, counters.slots
        words = self._tier.counted(counters.first, counters.end)
        entered, taken, stopped, back = (words[size * what : size * (what + 1)] for what in range(COUNTERS))
        graph, at = control_flow(program.insns), slots(program.insns)
        counts, steps = [0] * size, found.steps.setdefault(program.name, set())
        found.sides.setdefault(program.name, {})
        calls = {call.slot: call.function for call in graph.calls if not call.taken}
        if entered[0]:
            steps.add((-1, 0))
        for block in graph.blocks:
            left = entered[block.start]
            for place in range(block.first, block.last):
                slot = at[place]
                counts[slot], left = left, left - stopped[slot]
                if slot in calls and counts[slot]:
                    _call(steps, graph, program, calls[slot], slot, back[slot])
                if left and place + 1 < block.last and not calls_functions(program.insns[place]):
                    steps.add((slot, at[place + 1]))
            if left:
                _end(found, program, graph, block, at[block.last - 1], left, taken)
        found.counts[program.name] = counts


def _end(found: Found, program: ProgramSpec, graph: Cfg, block: Block, last: int, left: int, taken: list[int]) -> None:
    """What follows the last instruction of a block, which was executed `left` times."""
    steps, insn = found.steps[program.name], program.insns[block.last - 1]
    ways = {edge.way: graph.blocks[edge.to].start for edge in block.edges}
    if insn.op.kind is Kind.EXIT:
        steps.add((last, -1))
    elif insn.op.kind in _BRANCHES:
        jumped = taken[last] if len(ways) > 1 else left
        found.sides.setdefault(program.name, {})[last] = [left - jumped, jumped]
        times = {Way.JUMP: jumped, Way.FALL: left - jumped}
        steps.update((last, goal) for way, goal in ways.items() if times[way] or len(ways) == 1)
    elif not calls_functions(insn):
        steps.update((last, goal) for goal in ways.values())


def _call(
    steps: set[tuple[int, int]], graph: Cfg, program: ProgramSpec, function: int, slot: int, back: int
) -> None:  # fmt: skip
    """The steps into a function and back from it."""
    steps.add((slot, graph.functions[function].slot))
    for bit, one in enumerate(exits(graph, program, function)):
        if back >> min(bit, LAST_EXIT) & 1:
            steps.add((one, slot + 1))
    if back >> OTHER & 1:
        steps.add((-1, slot + 1))
