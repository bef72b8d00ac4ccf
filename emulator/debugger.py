"""Going through runs instruction by instruction, forwards and backwards.

A run is the same every time, so a place in it is a number: of the packet, and of the instructions executed before it.
To go anywhere in a packet, the machine's memory is put back to what it was when the packet came and the run is done
again up to there. Nothing is recorded while a program runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bpfvm.core.amounts import octets
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Fault, Input
from bpfvm.emulator.caller import Value
from bpfvm.emulator.code import Code, Step
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.machine import Loaded
from bpfvm.emulator.state import State
from bpfvm.obj.model import ProgramSpec


class Pause(Exception):
    """The place was reached; the interpreter stands before the instruction."""


@dataclass(frozen=True, slots=True)
class Watch:
    """An element of a map whose changes are stops. key: as in Entries."""

    map: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """A watched element changed. slot: of the instruction that did it; None for what was not there."""

    watch: Watch
    before: bytes | None
    after: bytes | None
    program: ProgramSpec
    slot: int


@dataclass(slots=True)
class Place:
    """Where the debugger stands. packet: from 1; executed: instructions of its run that are done.

    slot, program: of the next instruction; None when the run is over: then r0 or a fault tells how it ended.
    """

    packet: int
    executed: int
    slot: int | None
    program: ProgramSpec
    r0: int | None = None
    fault: Fault | None = None
    change: Change | None = None


Breakpoint = Callable[[Code, int], bool]


class Debugger:
    """One loaded program over many inputs. inputs: in order; loaded: by engine interp."""

    def __init__(self, loaded: Loaded, inputs: Sequence[Input]) -> None:
        if not inputs:
            raise UsageError("there is no packet to go through")
        tier = loaded.tier
        if not isinstance(tier, Interpreter):
            raise UsageError("the debugger takes engine interp")
        self._loaded, self._inputs, self._tier = loaded, inputs, tier
        self._first = self._start = self._snapshot()
        self.breakpoints: dict[int, Breakpoint] = {}
        self.watches: dict[int, Watch] = {}
        self._goal = -1
        self._skip = -1
        self._seen: dict[int, bytes | None] = {}
        self._changed: Change | None = None
        self._previous: tuple[ProgramSpec, int] | None = None
        self.place = self._at(1, 0)

    @property
    def registers(self) -> list[Value]:
        """r0 to r10 at the place; None for one that was never written."""
        return self._tier.registers

    @property
    def depth(self) -> list[tuple[ProgramSpec, int]]:
        """The calls around the place, innermost first: the program and the slot that each goes back to."""
        return self._tier.calls

    @property
    def packets(self) -> int:
        """How many inputs there are."""
        return len(self._inputs)

    def element(self, watch: Watch) -> bytes | None:
        """What a map holds under a key now; a per-CPU value of the CPU that runs."""
        found = self._loaded.system.element(watch.map, watch.key)
        return found[self._loaded.system.cpu] if isinstance(found, list) else found

    def memory(self, address: int, size: int) -> bytes:
        """Bytes of the arena. UsageError where there is no object."""
        region = self._loaded.system.arena.find(address)
        if region is None or address < region.base or address + size > region.base + region.size:
            raise UsageError(f"there are no {octets(size)} at {address:#x}")
        return self._loaded.system.arena.read(address, size)

    def go_to(self, packet: int) -> Place:
        """The beginning of a packet's run, all packets before it run."""
        if not 1 <= packet <= len(self._inputs):
            raise UsageError(f"there is no packet {packet}: the captures hold {len(self._inputs)}")
        if packet < self.place.packet or (packet == self.place.packet and self.place.executed):
            self._restore(self._first)
            at = 1
        else:
            at = self.place.packet
        while at < packet:
            self._loaded.run(self._inputs[at - 1])
            at += 1
        self._start = self._snapshot()
        self.place = self._at(packet, 0)
        return self.place

    def step(self, count: int = 1) -> Place:
        """`count` instructions on, not past the end of the packet's run."""
        self.place = self._at(self.place.packet, self.place.executed + count)
        return self.place

    def back(self, count: int = 1) -> Place:
        """`count` instructions back, not before the beginning of the packet's run."""
        self.place = self._at(self.place.packet, max(self.place.executed - count, 0))
        return self.place

    def proceed(self) -> Place:
        """To the next breakpoint, change of a watched element or machine fault; else to the end of the last packet."""
        while True:
            self._skip = self.place.executed
            self.place = self._run(self.place.packet, None)
            stopped = self.place.slot is not None or (self.place.fault is not None and self.place.fault.machine)
            if stopped or self.place.packet == len(self._inputs):
                return self.place
            self._start = self._snapshot()
            self.place = self._at(self.place.packet + 1, 0)
            if self._stops_at_start():
                return self.place

    def _stops_at_start(self) -> bool:
        code = self._tier.code
        return code is not None and any(test(code, 0) for test in self.breakpoints.values())

    def _at(self, packet: int, executed: int) -> Place:
        """The place after `executed` instructions of a packet's run."""
        return self._run(packet, executed)

    def _run(self, packet: int, executed: int | None) -> Place:
        """Run a packet's program from its beginning to a place, or with None to the next stop behind `_skip`."""
        self._restore(self._start)
        self._goal = -1 if executed is None else executed
        self._changed, self._previous = None, None
        self._seen = {number: self.element(watch) for number, watch in self.watches.items()} if executed is None else {}
        self._tier.watch = self._before
        try:
            result = self._loaded.run(self._inputs[packet - 1])
        except Pause:
            code = self._tier.code
            assert code is not None, "the watch was called by a running program"
            return Place(packet, self._tier.executed, self._tier.slot, code.program, change=self._changed)
        finally:
            self._tier.watch = None
        code = self._tier.code
        assert code is not None, "a program ran"
        return Place(packet, result.insns, None, code.program, result.r0, result.fault)

    def _before(self, step: Step, executed: int) -> None:
        """Called before each instruction of a run: whether the place is reached."""
        code = self._tier.code
        assert code is not None, "a program runs"
        if self._goal >= 0:
            if executed == self._goal:
                raise Pause
            return
        for number, watch in self.watches.items():
            now = self.element(watch)
            if now != self._seen[number]:
                before, self._seen[number] = self._seen[number], now
                if executed > self._skip and self._previous is not None:
                    self._changed = Change(watch, before, now, *self._previous)
                    raise Pause
        self._previous = code.program, step.slot
        if executed > self._skip and any(test(code, step.slot) for test in self.breakpoints.values()):
            raise Pause

    def _snapshot(self) -> State:
        return self._loaded.system.snapshot()

    def _restore(self, snapshot: State) -> None:
        self._loaded.system.restore(snapshot)
