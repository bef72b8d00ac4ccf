"""Timers in map values, on the virtual clock.

A timer is struct bpf_timer, 16 bytes of a value, all zero before timer_init and after the element is deleted:

    u8  state     bit 0: made by timer_init; bit 1: started
    u8  clock     as given to timer_init; all clocks show the one virtual time
    u16 cpu       the virtual CPU that started it, on which it will run
    u32 callback  0, or 1 + the index among the callbacks that programs of the machine ever set
    u64 due       the time in ns at which it fires

Time passes between runs, so timers fire there: before a run that begins at time t all that are due by t, in order of
(due, address), each at its own time and on its CPU. One that starts itself again fires again when that is due by t.
What Python keeps beside the bytes is an order of what may be due, and is checked against them.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapStore
    from bpfvm.emulator.system import System

LAYOUT = struct.Struct("<BBHIQ")
SIZE = LAYOUT.size
MADE, STARTED = 1, 2


@dataclass(frozen=True, slots=True)
class Timer:
    """What the bytes of one say."""

    state: int
    clock: int = 0
    cpu: int = 0
    callback: int = 0
    due: int = 0


@dataclass(frozen=True, slots=True)
class Firing:
    """One call of a callback. store, value: the map, and the address of the value that the timer is in."""

    program: str
    slot: int
    store: MapStore
    value: int
    cpu: int
    time: int


class Timers:
    """All timers of a machine. running: the address of the one whose callback runs, or 0."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._callbacks: list[tuple[str, int]] = []  # program, slot
        self._homes: dict[int, tuple[MapStore, int]] = {}  # address -> map, value; of all that were ever made
        self._order: list[tuple[int, int]] = []  # a heap of (due, address)
        self.functions: list[tuple[Any, Any]] = []  # of engine cpython: what is called, with which map, by slot - 1
        self.running = 0

    def read(self, address: int) -> Timer:
        """The timer at an address."""
        return Timer(*LAYOUT.unpack_from(self._system.arena.view, address))

    def write(self, address: int, timer: Timer) -> None:
        """Store what a timer has become."""
        fields = (timer.state, timer.clock, timer.cpu, timer.callback, timer.due)
        LAYOUT.pack_into(self._system.arena.view, address, *fields)

    def make(self, address: int, store: MapStore, value: int, clock: int) -> None:
        """A timer begins at `address`, in the value at `value`."""
        self._homes[address] = store, value
        self.write(address, Timer(MADE, clock))

    def callback(self, program: str, slot: int) -> int:
        """The number of a callback, from 1."""
        if (program, slot) not in self._callbacks:
            self._callbacks.append((program, slot))
        return self._callbacks.index((program, slot)) + 1

    def start(self, address: int, timer: Timer, due: int) -> None:
        """Let one fire at `due`."""
        self.write(address, replace(timer, state=MADE | STARTED, cpu=self._system.cpu, due=due))
        heapq.heappush(self._order, (due, address))

    def reload(self) -> None:
        """Find again what is started: the arena was restored."""
        found = ((self.read(address), address) for address in self._homes)
        self._order = [(timer.due, address) for timer, address in found if timer.state & STARTED]
        heapq.heapify(self._order)

    def due(self, until: int) -> bool:
        """Whether any may be due by `until`."""
        return bool(self._order) and self._order[0][0] <= until

    def expire(self, until: int) -> Iterator[Firing]:
        """Those due by `until`, one after the other; the callback of each is to be run before the next is asked for."""
        while self.due(until):
            due, address = heapq.heappop(self._order)
            timer = self.read(address)
            if not timer.state & STARTED or timer.due != due:
                continue  # cancelled, deleted or started anew since
            self.write(address, replace(timer, state=MADE))
            store, value = self._homes[address]
            self.running = address
            try:
                yield Firing(*self._callbacks[timer.callback - 1], store, value, timer.cpu, due)
            finally:
                self.running = 0
