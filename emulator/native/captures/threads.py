"""A program over a capture on several threads of the host, each a virtual CPU, with real atomics and locked maps.

Threads take pieces of the file by turns: whoever needs one looks where the next packets begin, under a lock, and runs
the program on them. Which packets a CPU gets is chance, as in a kernel; what a program only adds up is not. What code
asks of Python is asked under one lock.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from bpfvm.core.bits import M32
from bpfvm.core.machine import Fault, Input
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.contexts import ContextBuilder
from bpfvm.emulator.machine import Loaded
from bpfvm.emulator.native.captures.batch import Slice, template_of
from bpfvm.emulator.native.captures.batch import why_not as why_no_loop
from bpfvm.emulator.native.captures.buffer import Buffer
from bpfvm.emulator.native.captures.words import DONE, ENOUGH, TOLD, TRAPPED, Walk
from bpfvm.emulator.native.runtime import WALK, Runtime
from bpfvm.lang.faults import RECORD
from bpfvm.obj.captures.capture import Capture
from bpfvm.obj.captures.pcap import Plain
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

LEAST, MOST = 64, 1 << 14  # packets of a piece
SHORTEST, LONGEST = 0.0005, 0.004  # seconds that a piece should take
WEIGHED = 1 << 17  # bytes of a piece that tells whether it is better mapped or read
PATIENCE = 0.2  # seconds between looks at signals
PAUSE = 1.0  # seconds after which what was counted is told
ALL = (1 << 64) - 1
WORD = 4  # bytes of a record of faults


def why_not(loaded: Loaded) -> str | None:
    """Why a program cannot run on several threads, or None."""
    reason = why_no_loop(loaded)
    tier = loaded.tier
    if reason is not None or not isinstance(tier, Runtime):
        return reason
    if tier.gate is None:
        return "its machine was made for one thread"
    built = tier.built(loaded.code, ())
    assert built is not None, "asked before"
    calls = sorted(one for one in built.asked if one not in ("load", "store", "atomic"))
    return f"it asks Python at each {calls[0]}" if calls else None


class Lane:
    """What one thread runs with: a tier of its own over the machine of all."""

    def __init__(self, loaded: Loaded, cpu: int) -> None:
        assert isinstance(loaded.tier, Runtime), "asked of why_not before"
        self.tier = loaded.tier if not cpu else loaded.tier.beside()
        kind = PROGRAM_TYPES[loaded.code.program.type]
        self.contexts = ContextBuilder(loaded.system.arena, kind, loaded.code.program.section)
        self.walk = Walk(budget=loaded.budget, cpus=cpu + 1, cpu=cpu, first_cpu=cpu)
        self.template = template_of(self.walk, loaded)
        if RECORD in loaded.system.maps:  # a place of its own for what the program notes of faults
            self.walk.record = loaded.system.arena.allocate(f"faults of CPU {cpu}", WORD, "map value").base
            self.tier.state.record = self.walk.record
        self.buffer = Buffer(loaded.system.arena, WEIGHED)
        self.size = LEAST
        self.found: list[Slice] = []


class Threads:
    """One program over captures, as batch.Batch. A context manager, for one capture after another. of: what it got."""

    def __init__(self, loaded: Loaded, base: Input, cpus: int) -> None:
        self._loaded, self._system = loaded, loaded.system
        self._given, self.of = replace(base, packet=b""), (base, cpus)
        self._lanes = [Lane(loaded, cpu) for cpu in range(cpus)]
        self._pages = self._lanes[0].tier.pages
        self._ahead = Walk()
        self._turn = threading.Lock()
        self._number = 0
        self._left: int | None = None
        self._why = ENOUGH
        self._failed: BaseException | None = None

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *error: object) -> None:
        self._pages.close()

    def run(self, capture: Capture, plain: Plain, first: int, limit: int | None) -> Iterator[Slice]:
        """As Batch.run; a slice is what all threads made of the pages that are mapped, or in a second."""
        assert capture.number is not None, "a file has a descriptor"
        compiled = self._lanes[0].tier.walker(self._loaded.code, plain.form)
        self._skip, self._walk = (WALK(compiled.addresses[name]) for name in ("skip", "walk"))
        for walk in (self._ahead, *(lane.walk for lane in self._lanes)):
            walk.unit, walk.offset = plain.unit, plain.offset
        place, self._left, self._number = plain.start, limit, first
        while True:
            offset = place // self._pages.unit * self._pages.unit
            end = min(offset + self._pages.window, capture.size)
            self._pages.map(capture.number, offset, end - offset)
            self._file, self._offset = capture.number, offset
            ended = False
            while not ended:
                one = self._run(place - offset, end - offset)
                capture.check(self._pages.cut)
                one.at += offset
                place, ended = one.at, one.last
                if one.last and end < capture.size and place // self._pages.unit * self._pages.unit > offset:
                    one.last = one.odd = False  # only the end of these pages
                yield one
                if one.last or self._left == 0:
                    return

    def _run(self, at: int, end: int) -> Slice:
        """The packets of the pages that are mapped, as far as time allows. at, end: places in them."""
        base, first = self._pages.base, self._number
        self._ahead.at, self._ahead.end, self._why, self._failed = base + at, base + end, ENOUGH, None
        self._until = time.monotonic() + PAUSE
        threads = [threading.Thread(target=self._work, args=(lane,), daemon=True) for lane in self._lanes]
        for one in threads:
            one.start()
        try:
            for one in threads:
                while one.is_alive():
                    one.join(PATIENCE)
        except BaseException:  # Ctrl-C, too: raised again when no thread uses the pages any more
            self._why = DONE
            for one in threads:
                one.join()
            raise
        if self._failed is not None:
            raise self._failed
        total = Slice(0, 0, 0, self._ahead.at - base, last=self._why != ENOUGH, odd=self._why not in (ENOUGH, DONE))
        for lane in self._lanes:
            for part in lane.found:
                total.add(part, first)
            lane.found.clear()
        total.faults.sort(key=lambda one: one[0])
        return total

    def _work(self, lane: Lane) -> None:
        """What a thread does until nothing is left."""
        try:
            self._begin(lane)
            while (piece := self._piece(lane)) is not None:
                begun, used = time.perf_counter(), time.thread_time()
                start, end, number = piece
                self._one(lane, start, end, number)
                spent = time.perf_counter() - begun
                self._pages.drop(start, end)
                lane.buffer.took(time.thread_time() - used, end - start)
                if spent < SHORTEST:
                    lane.size = min(2 * lane.size, MOST)
                elif spent > LONGEST:
                    lane.size = max(lane.size // 2, 1)
        except BaseException as error:
            self._failed, self._why = error, DONE

    def _begin(self, lane: Lane) -> None:
        tier = lane.tier
        with tier.gate or self._turn:
            context = lane.contexts.build(self._given)
            tier.enter(self._loaded.code, context, self._given.seed, lane.walk)
            lane.walk.context = context.pointer().address
            lane.template.raw = bytes(context.region.data)

    def _piece(self, lane: Lane) -> tuple[int, int, int] | None:
        """Where the next packets begin and end, and the number of the first; None where there are no more."""
        with self._turn:
            if self._why != ENOUGH or self._left == 0 or (lane.found and time.monotonic() > self._until):
                return None
            ahead, number = self._ahead, self._number
            start, ahead.packets = ahead.at, 0
            ahead.todo = lane.size if self._left is None else min(lane.size, self._left)
            why = int(self._skip(ctypes.addressof(lane.tier.state), ctypes.addressof(ahead)))
            self._why = ENOUGH if why == ENOUGH else why
            self._number += ahead.packets
            if self._left is not None:
                self._left -= ahead.packets
            return (start, ahead.at, number) if ahead.packets else None

    def _one(self, lane: Lane, start: int, end: int, number: int) -> None:
        """Run the program on the packets of a piece."""
        walk, tier, reads = lane.walk, lane.tier, lane.buffer.reads
        self._put(lane, start, end, reads)
        while True:
            walk.clear()
            walk.todo, fault = ALL, None
            why = int(self._walk(ctypes.addressof(tier.state), ctypes.addressof(walk)))
            if tier.state.trap or why == TRAPPED:
                fault = self._fault(lane)
            found = Slice(walk.packets, walk.bytes, walk.insns, 0)
            found.actions = dict(walk.counted())
            if why == TOLD:
                found.actions[walk.result & M32] = found.actions.get(walk.result & M32, 0) + 1
            number += walk.packets
            if fault is None and why == TOLD and walk.record:
                fault = self._recorded(walk.record)
            if fault is not None:
                found.faults.append((number - 1, fault))
            lane.found.append(found)
            left = self._offset + end - self._pages.base - walk.reached
            if not left or not (reads or why in (TOLD, TRAPPED)):
                return
            if why not in (TOLD, TRAPPED):  # what cannot be read was mapped when it was looked for
                reads = False
                self._put(lane, end - left, end, reads)

    def _put(self, lane: Lane, start: int, end: int, reads: bool) -> None:
        """Have a loop begin there: on pages, which are copied where a program stores to them, or on what is read."""
        walk, base = lane.walk, self._pages.base
        if reads:
            lane.buffer.take(walk, self._file, self._offset + start - base, self._offset + end - base)
        else:
            walk.at, walk.end, walk.buffer, walk.front, walk.size = start, end, base, self._offset, 0

    def _recorded(self, place: int) -> Fault | None:
        """The fault that the packet which ran last noted, None for none."""
        view = self._system.arena.view
        number = int.from_bytes(view[place : place + WORD], "little")
        view[place : place + WORD] = bytes(WORD)
        if not number:
            return None
        site = self._loaded.code.program.fault_sites[number - 1]
        return Fault(site.kind, site.message, source=site.source, machine=False)

    def _fault(self, lane: Lane) -> Fault:
        """The machine fault of the packet that ran last."""
        tier = lane.tier
        try:
            tier.fail()
            tier.over()
        except Stop as stop:
            slot = tier.state.slot
            tier.state.trap = tier.state.placed = 0
            return Fault(stop.kind, stop.message, slot, self._loaded.code.program.source_of(slot))
        raise AssertionError("over raises")
