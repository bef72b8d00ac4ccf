"""A program over all packets of a capture in one loop of compiled code, on the file's own pages in the arena, or on
what is read of it there.

What the loop cannot count is told packet by packet, in slices: results of their own, faults, records that make no
sense. Between slices Python runs, so that Ctrl-C and progress bars work.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from bpfvm.core.bits import M32
from bpfvm.core.machine import Fault, Input, Result
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.machine import Loaded
from bpfvm.emulator.maps.array import ArrayMap
from bpfvm.emulator.native.captures.buffer import PART
from bpfvm.emulator.native.captures.words import DONE, ODD, TOLD, TRAPPED, Walk
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.emulator.native.translate import FRAMES
from bpfvm.isa.ops import Kind
from bpfvm.obj.captures.capture import Capture
from bpfvm.obj.captures.pcap import Plain
from bpfvm.tables.ctx import context_of
from bpfvm.tables.helpers import BY_ID as HELPERS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from bpfvm.tables.sections import of_section

SLICE, LONGEST = 1 << 16, 1 << 20  # packets between two looks at signals: at first, and at most
SHORT, LONG = 0.005, 0.05  # seconds that it should take
TYPES = ("xdp", *FRAMES)  # whose contexts say of a frame what contexts.py does
# Helpers that see nothing of a run but their arguments and rings; all others want each packet to be a run of Python's
_PLAIN = """
map_lookup_elem map_update_elem map_delete_elem map_push_elem map_pop_elem map_peek_elem map_lookup_percpu_elem
ktime_get_ns ktime_get_boot_ns ktime_get_tai_ns ktime_get_coarse_ns jiffies64 get_smp_processor_id get_numa_node_id
csum_diff strncmp get_prandom_u32 ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard ringbuf_query
"""
PLAIN = frozenset(_PLAIN.split())
IN_PLACE = frozenset(("skb_load_bytes",))  # helpers that see the packet: where no call of theirs is left to Python

Records: TypeAlias = dict[str, list[bytes]]  # by ring, in the order in which they were written


@dataclass(slots=True)
class Slice:
    """What some packets added up to. at: the place in the file behind them. actions: how often each result came.

    value, fault: of the last packet, where it is not among the actions; a fault alone where it returned nothing.
    faults: of packets among them, counted from 0, where threads ran them.
    odd: the record at `at` makes no sense. last: nothing follows. events, lost: records of rings, as a run's.
    """

    packets: int
    bytes: int
    insns: int
    at: int
    actions: dict[int, int] = field(default_factory=dict)
    value: int | None = None
    fault: Fault | None = None
    odd: bool = False
    last: bool = False
    faults: list[tuple[int, Fault]] = field(default_factory=list)
    events: Records = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)

    def add(self, part: Slice, first: int) -> None:
        """Count on with what a thread counted, whose faults have numbers of packets. first: of this one's first."""
        self.packets, self.bytes, self.insns = (
            self.packets + part.packets, self.bytes + part.bytes, self.insns + part.insns,
        )  # fmt: skip
        for value, count in part.actions.items():
            self.actions[value] = self.actions.get(value, 0) + count
        self.faults += [(number - first, fault) for number, fault in part.faults]


class Sample(Protocol):
    """Who looks at one packet in `every`, those whose numbers it divides."""

    every: int

    def before(self) -> None:
        """Such a packet comes next."""

    def after(self, number: int, at: int, result: Result) -> None:
        """What came of it. at: the place of its record in the file."""


def why_not(loaded: Loaded) -> str | None:
    """Why a program cannot run in the loop, or None: what it asks of Python concerns one packet at a time."""
    tier, program = loaded.tier, loaded.code.program
    if not isinstance(tier, Runtime):
        return "the loop is of engine native"
    if program.type not in TYPES or of_section(program.section).frags:
        return "the program sees more of a packet than its bytes"
    for insn in program.insns:
        if insn.op.kind is Kind.CALL and insn.op.name != "call_local":
            row = HELPERS.get(insn.imm) if insn.op.name == "call" else None
            if row is None or row.name not in PLAIN | IN_PLACE or row.name in loaded.system.answers:
                return f"it calls {row.name if row is not None else insn.symbol}"
    built = tier.built(loaded.code, ())
    if built is None:
        return "it may read what was never written"
    if built.called & IN_PLACE:
        return f"it asks Python for {min(built.called & IN_PLACE)}"
    return "it reads the socket of its context" if built.sees_socket and program.type != "xdp" else None


def template_of(walk: Walk, loaded: Loaded) -> ctypes.Array[ctypes.c_char]:
    """Where the bytes that a packet's context has first are kept, for a loop's words."""
    layout = context_of(PROGRAM_TYPES[loaded.code.program.type], loaded.system.arch)
    assert layout is not None, "types of packets have a context"
    bytes_ = (ctypes.c_char * layout.size)()
    walk.template = ctypes.addressof(bytes_)
    return bytes_


def _sized(now: int, packets: int, seconds: float) -> int:
    """Packets of the next slice, by what the last one took: Ctrl-C waits for it."""
    if seconds > LONG:
        return max(now // 2, 1)
    return min(2 * now, max(LONGEST, now)) if packets == now and seconds < SHORT else now


class Batch:
    """One program over captures. Use as a context manager: it lets go of the pages."""

    def __init__(self, loaded: Loaded, base: Input, cpus: int, record: str | None) -> None:
        """base: what all packets' inputs have. record: the map that a compiled program notes its faults in."""
        assert isinstance(loaded.tier, Runtime), "asked of why_not before"
        self._loaded, self._tier, self._system = loaded, loaded.tier, loaded.system
        self._given = replace(base, packet=b"")
        self._pages, self._buffer = self._tier.pages, self._tier.buffer
        self._walk = Walk(budget=loaded.budget, cpus=cpus)
        self._rings = bool(self._tier.rings)
        self._template = template_of(self._walk, loaded)
        store = self._system.maps.get(record) if record is not None else None
        if isinstance(store, ArrayMap):
            self._walk.record = store.values.base

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *error: object) -> None:
        self._pages.close()

    def run(
        self, capture: Capture, plain: Plain, first: int, limit: int | None, sample: Sample | None = None
    ) -> Iterator[Slice]:  # fmt: skip
        """The slices of a file of Ethernet frames. first: the number of its first packet; limit: of packets.

        sample: who looks at one packet in so many. The last slice is `last`, and `odd` where the record
        behind it makes no sense.
        """
        place, left = plain.start, limit
        self._walk.unit, self._walk.offset = plain.unit, plain.offset
        self._code = self._tier.walker(self._loaded.code, plain.form, self._walk.cpus > 1)
        self._walk.cpu = (first - 1) % self._walk.cpus
        self._number, self._sample, self._slice = first, sample, SLICE
        while True:
            start, begun, reads = place, time.thread_time(), self._buffer.reads
            end = self._put(capture, place, reads)
            unit = 1 if reads else self._pages.unit
            for one in self._slices(left):
                capture.check(self._pages.cut)
                place, left = one.at, None if left is None else left - one.packets
                if one.last and end < capture.size and place // unit > start // unit:
                    one.last = one.odd = False  # only the end of this part
                yield one
                if one.last or left == 0:
                    return
            if not self._buffer.decided:
                self._pages.close()  # to let go of its pages is a part's own cost
                self._buffer.took(time.thread_time() - begun, place - start)

    def _put(self, capture: Capture, place: int, reads: bool) -> int:
        """Have the next part of the file in the arena, from a place on; the place behind it."""
        walk, pages, number = self._walk, self._pages, capture.number
        assert number is not None, "a file has a descriptor"
        part = pages.window if self._buffer.decided else min(PART, pages.window)
        if reads:
            end = min(place + part, capture.size)
            self._buffer.take(walk, number, place, end)
            return end
        first = place // pages.unit * pages.unit
        end = min(first + part, capture.size)
        pages.map(number, first, end - first)
        walk.buffer, walk.front, walk.size = pages.base, first, 0
        walk.at, walk.end = pages.base + place - first, pages.base + end - first
        return end

    def _slices(self, left: int | None) -> Iterator[Slice]:
        """The slices of what was put in the arena."""
        walk = self._walk
        while True:
            walk.clear()
            at = walk.reached
            walk.todo = self._slice if left is None else min(self._slice, left)
            looked = self._sampled(left)
            begun = time.perf_counter()
            why, fault = self._walked()
            self._slice = _sized(self._slice, walk.packets, time.perf_counter() - begun)
            events: Records = {}
            if self._rings:
                events, owned = self._tier.finish()
                fault = self._loaded.left_open(owned) if owned is not None and fault is None else fault
            if looked is not None and walk.packets:
                looked.after(self._number, at, self._result(why, fault, events))
            found = Slice(walk.packets, walk.bytes, walk.insns, walk.reached, fault=fault, events=events)
            found.lost = dict(self._system.lost)
            found.actions = dict(walk.counted())
            found.value = walk.result & M32 if why == TOLD else None
            found.odd, found.last = why == ODD, why in (DONE, ODD)
            self._number += found.packets
            left, ended = None if left is None else left - found.packets, found.last
            yield found
            if ended or left == 0:
                return

    def _sampled(self, left: int | None) -> Sample | None:
        """Let the next slice end before a packet of the sample, or be that packet alone; who looks at it then."""
        one = self._sample
        if one is None or left == 0:
            return None
        before = (one.every - self._number) % one.every
        self._walk.todo = min(self._walk.todo, before or 1)
        if before:
            return None
        one.before()
        return one

    def _result(self, why: int, fault: Fault | None, events: Records) -> Result:
        """Of the one packet of a slice."""
        walk, state = self._walk, self._tier.state
        packet = self._system.arena.read(state.packet_start, state.packet_end - state.packet_start)
        r0 = 0 if why == TRAPPED else walk.result
        records = {name: tuple(one) for name, one in events.items()}
        return Result(r0=r0, packet=packet, fault=fault, insns=walk.insns, events=records, lost=self._system.lost)

    def _walked(self) -> tuple[int, Fault | None]:
        """One call of the loop: why it stopped, and the fault where that was one."""
        tier, walk = self._tier, self._walk
        try:
            context = self._loaded.context(self._given)
            walk.context = context.pointer().address
            self._template.raw = bytes(context.region.data)
            return tier.walk(self._code, self._loaded.code, context, self._given.seed, walk), None
        except Stop as stop:
            return TRAPPED, self._loaded.fault(stop.kind, stop.message, tier.slot)
