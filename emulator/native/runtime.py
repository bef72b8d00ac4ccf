"""Running compiled programs: the state that code and Python share, callbacks, faults in their place."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from threading import RLock

from bpfvm.core.bits import M64
from bpfvm.emulator.access import resolve
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.caller import Operand, Stop
from bpfvm.emulator.code import Code
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.interp import DEPTH, MAY_GOTO, STACK, Interpreter, poison
from bpfvm.emulator.maps.array import ArrayMap
from bpfvm.emulator.maps.ringbuf import RingBuffer
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.emulator.native.bound import bound
from bpfvm.emulator.native.built import Built, Run
from bpfvm.emulator.native.captures import pages
from bpfvm.emulator.native.captures.buffer import PART, Buffer
from bpfvm.emulator.native.captures.records import LINE
from bpfvm.emulator.native.captures.walk import CLOCKS, Sees, walk
from bpfvm.emulator.native.captures.words import TRAPPED, Walk
from bpfvm.emulator.native.code.engine import QUICK, Compiled, Level, level
from bpfvm.emulator.native.coverage import Counters, NativeCoverage, exits
from bpfvm.emulator.native.memory import PAGE_BITS
from bpfvm.emulator.native.state import CALLBACKS, INDEX, OVER, STOPPED, TOO_DEEP, State
from bpfvm.emulator.native.translate import Module, Unit, translate, unit_of
from bpfvm.emulator.portable.kinds import CALLING
from bpfvm.emulator.portable.origins import Origins
from bpfvm.emulator.portable.runtime import Runtime as Portable
from bpfvm.emulator.system import System
from bpfvm.isa.cfg import control_flow
from bpfvm.lang.faults import RECORD
from bpfvm.tables.ctx import context_of
from bpfvm.tables.helpers import BY_ID as HELPERS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

WORD = ctypes.c_uint64
WALK = ctypes.CFUNCTYPE(WORD, ctypes.c_void_p, ctypes.c_void_p)
CALLS = {name: ctypes.CFUNCTYPE(WORD, ctypes.c_void_p, *[WORD] * count) for name, count in CALLBACKS.items()}

RINGS = frozenset(row.id for row in HELPERS.values() if row.name.startswith("ringbuf_"))
HOT = 2_000_000  # instructions that a program executes before it is worth optimising


class Runtime(Portable):
    """The native tier. What the code does not do itself, and finding the words of a fault, is the portable tier's.

    safe: whether accesses are masked into the arena and nothing more, for programs that a verifier accepted.
    threads: whether several tiers like this one run at a time on the machine (`beside`): atomics are real ones, maps
    have locks.
    counts: whether loops over captures tell how many instructions were executed; set before the first one.
    first: how much is optimised of a program when it is called first, before it is known to run often.
    """

    def __init__(
        self, system: System, helpers: Mapping[int, Helper], budget: int, safe: bool = False, threads: bool = False,
        first: Level = QUICK,
    ) -> None:  # fmt: skip
        super().__init__(system, helpers, budget)
        self.safe, self.counts, self.first = safe, True, first
        self.gate = RLock() if threads else None  # under which several threads ask Python
        most = max(len(system.spec.maps), 1)  # maps: those that no program names yet are made when they are asked for
        self._locks = (ctypes.c_uint32 * (LINE // 4 * most))() if threads else None
        self._seen = (WORD * most)()  # by map, how far its records were taken from it as a ring
        self._records: dict[str, list[bytes]] = {}  # taken of runs of a capture
        self.counters: dict[str, Counters] = {}
        for name, program in system.spec.programs.items():
            end = next(reversed(self.counters.values())).end if self.counters else 0
            self.counters[name] = Counters(program, end)
        self._words = (WORD * (len(INDEX) + (self.counters[name].end if self.counters else 0)))()
        self.state = State.from_buffer(self._words)
        self._covered: NativeCoverage | None = None
        self._at = ctypes.addressof(self.state)
        self._table = (ctypes.c_uint32 * (4 * (system.arena.size >> PAGE_BITS)))()
        self._filled: list[int] = []  # pages of it that are not empty
        self._poison = [ctypes.create_string_buffer(STACK) for _ in range(DEPTH)]
        self._last = 0  # the slot that was executed last before a function of the program that Python calls
        self._filled_by: int | None = None  # the seed of what is in `_poison`
        self._raised: BaseException | None = None
        self._runs: Built  # what runs: its functions may be called back
        self._walk: Walk | None = None  # the loop over a capture that runs
        self._drawn = 0  # the place in the file of the packet that Python draws random numbers for
        self._built: dict[tuple[str, tuple[int, ...]], Built | None] = {}
        self._calls = {name: CALLS[name](self._guarded(getattr(self, f"_on_{name}"))) for name in CALLBACKS}
        state = self.state
        state.base, state.pages = system.arena.host, ctypes.addressof(self._table)
        state.locks = ctypes.addressof(self._locks) if self._locks is not None else 0
        state.rings = ctypes.addressof(self._seen)
        for depth, (stack, filled) in enumerate(zip(self.stacks, self._poison, strict=True)):
            setattr(state, f"top{depth}", stack.base + STACK)
            setattr(state, f"poison{depth}", ctypes.addressof(filled))
        for name, call in self._calls.items():
            setattr(state, name, ctypes.cast(call, ctypes.c_void_p).value)

    def run(
        self, code: Code, context: Context, seed: int, registers: Mapping[int, Operand], slot: int = 0
    ) -> int:  # fmt: skip
        """As Interpreter.run."""
        given = tuple(sorted(registers)) if not slot else ()
        built = self.built(code, given) if max(registers, default=1) <= 5 else None
        if built is None or slot not in built.module.entries:
            return self._by_reference(code, context, seed, registers, slot, self.budget)
        if built.worked > HOT and not built.hot:
            built.optimise()
        self.code, self.context, self._runs = code, context, built
        self._begin(seed)
        first = [context.pointer().address, 0, 0, 0, 0]
        for register, value in registers.items():
            first[register - 1] = value if isinstance(value, int) else value.address
        state = self.state
        try:
            result = built.functions[slot](self._at, *first, 0)
            if state.trap:
                self.fail()
            if state.executed > state.left:
                self.over()
            return result
        finally:
            self._settle()
            self.system.now = state.now
            self.slot = state.slot
            self.executed = state.executed + self.budget - state.left
            built.worked += self.executed

    def beside(self) -> Runtime:
        """Another tier on the same machine, with the same code, for a thread of its own."""
        assert self._locks is not None, "made for threads"
        other = Runtime(self.system, self.helpers, self.budget, self.safe, threads=True)
        other.gate, other._locks, other._built = self.gate, self._locks, self._built
        other.state.locks = self.state.locks
        return other

    def enter(self, code: Code, context: Context, seed: int, words: Walk) -> None:
        """Make ready for a loop that the caller runs, on a thread of its own."""
        self.code, self.context = code, context
        built = self.built(code, ())
        assert built is not None, "asked before"
        self._runs, self._walk = built, words
        self._begin(seed)

    @cached_property
    def pages(self) -> pages.Pages:
        """Where captures are mapped, one after another: memory of the arena is never given back."""
        window = pages.WINDOW if self.gate is None else pages.WIDE
        return pages.Pages(self.system.arena, min(window, self.system.arena.size // 8))

    @cached_property
    def buffer(self) -> Buffer:
        """Where captures are read to that are not mapped."""
        return Buffer(self.system.arena, PART // 2)

    @property
    def rings(self) -> list[tuple[int, RingBuffer]]:
        """The rings, with their numbers among the maps."""
        return [(number, one) for number, one in enumerate(self.system.maps.values()) if isinstance(one, RingBuffer)]

    def take_records(self) -> None:
        """Take the records of runs that are over, from where they were taken last."""
        for number, ring in self.rings:
            found = ring.taken(self._seen[number], ring.consumer)
            self._seen[number] = ring.consumer
            if found:
                self._records.setdefault(ring.spec.name, []).extend(found)

    def _settle(self) -> None:
        """Tell Python of the records that compiled code reserved and gave back."""
        if not self.state.changed:
            return
        self.state.changed = 0
        owned = self.system.owned
        for _, ring in self.rings:
            ring.reload()
            for address in [one for one in owned if ring.base < one <= ring.base + ring.size]:
                if address not in ring.reserved:
                    del owned[address]
            for address in ring.reserved:
                owned.setdefault(address, ring.owes(address))

    def finish(self) -> tuple[dict[str, list[bytes]], str | None]:
        """End the last run over a capture: all records that were not given yet, and what it still owns."""
        self._settle()
        self.take_records()
        owned = self.system.finish()
        found, self._records = self._records, {}
        for name, records in self.system.events.items():
            found.setdefault(name, []).extend(records)
        return found, owned

    def reference(self) -> Interpreter:
        """What runs programs that this tier does not compile."""
        if self._reference is None:
            self._reference = Interpreter(self.system, self.helpers, self.budget, self.stacks)
        return self._reference

    def cover(self, covered: NativeCoverage | None) -> None:
        """Count from now on what code executes, from zero; None: no longer."""
        self._covered = covered
        self._built.clear()
        if covered is not None:
            ctypes.memset(self._at + 8 * len(INDEX), 0, ctypes.sizeof(self._words) - 8 * len(INDEX))

    def counted(self, first: int, end: int) -> list[int]:
        """The words of counters."""
        return self._words[len(INDEX) + first : len(INDEX) + end]

    def walker(self, code: Code, form: str, turns: bool = False) -> Compiled:
        """The loop over a capture of a format, with a program in it. turns: whether CPUs take packets in turn."""
        built = self.built(code, ())
        assert built is not None, "asked before"
        if (form, turns) not in built.walkers:
            module = self.untested(code, self.counts) or built.module
            rings = [ring for _, ring in self.rings] if self.gate is None else []
            layout = context_of(PROGRAM_TYPES[code.program.type], self.system.arch)
            assert layout is not None, "types of packets have a context"
            stores = not built.asked.isdisjoint(("store", "atomic"))
            timed = "now" in module.words or not built.called.isdisjoint(CLOCKS)
            sees = Sees(timed, "patience" in module.words, turns, module.counts)
            text = module.body + walk(
                self.system.arena.size, 0, form, layout.name, stores, sees, self.gate is not None, rings
            )
            names = ["walk"] if self.gate is None else ["walk", "skip"]
            built.walkers[form, turns] = Compiled(text, names, level(built.size))
        return built.walkers[form, turns]

    def untested(self, code: Code, counts: bool) -> Module | None:
        """The code of a program that is not held against the budget, and `counts` what it executes or does not even do
        that; None where a run might need more than the budget, or follow a run that used of it."""
        unit = self._unit(code, ())
        most = bound(unit) if unit is not None else None
        if unit is None or most is None or most > self.budget:
            return None
        unit.tests, unit.counts = False, counts
        return translate(unit)

    def walk(self, compiled: Compiled, code: Code, context: Context, seed: int, words: Walk) -> int:
        """Run the loop: why it stopped. Raises Stop for a machine fault of the last packet."""
        self.code, self.context, state = code, context, self.state
        built = self.built(code, ())
        assert built is not None, "asked before"
        self._runs = built
        self._begin(seed)
        self._walk, self._drawn = words, 0
        try:
            why = int(WALK(compiled.addresses["walk"])(self._at, ctypes.addressof(words)))
            if state.trap:
                self.fail()
            if why == TRAPPED and not (state.owing and state.executed <= self.budget):
                self.over()
            return why
        finally:
            self._walk = None
            self.slot = state.slot
            self.system.now = state.now
            if context.frame is not None:
                context.frame.packet.live = False

    def _origins(self) -> Origins:
        return self._runs.module.origins

    def _adopt(self) -> None:
        """Tell the context of the packet that the loop is at."""
        assert self.context is not None
        assert self.context.frame is not None
        assert self._walk is not None
        start, end = self.state.packet_start, self.state.packet_end
        place = self._walk.front + start - self._walk.buffer
        if self._drawn != place:
            self._drawn = place
            self.system.chance = self._seed << 64 | self.state.clock, None
        self.bounds = (start, end, *self.bounds[2:])
        packet = Region("packet", start, end - start, "packet", self.system.arena.view[start:end])
        self.context.frame.packet = packet
        home = self.system.arena.find(start)
        if home is not None:
            home.within = lambda offset: Pointer(packet, offset - (start - home.base))

    def _begin(self, seed: int) -> None:
        """Make ready for a run."""
        if seed != self._filled_by:
            for filled, data in zip(self._poison, poison(seed), strict=True):
                filled.raw = data
            self._filled_by = seed
        state = self.state
        state.trap = state.placed = state.executed = state.pending = state.owing = state.changed = 0
        for number, ring in self.rings:
            self._seen[number] = ring.consumer
        state.patience, state.left = MAY_GOTO, self.budget
        state.cpu, state.now = self.system.cpu, self.system.now
        self.depth, self.pending, self._tails, self._raised, self._seed = 0, None, 0, None, seed
        self.warnings = {}
        self.moved()

    def moved(self) -> None:
        """Read the bounds of packet and context again."""
        super().moved()
        for page in self._filled:
            self._table[4 * page : 4 * page + 3] = [0, 0, 0]
        self._filled.clear()
        state = self.state
        state.packet_start, state.packet_end, state.context_start, state.context_end = self.bounds

    def call(self, slot: int, arguments: Sequence[Operand]) -> int:
        """Part of Caller: a callback runs in a frame of its own."""
        state, depth, here = self.state, self.depth, self.slot
        given = [one if isinstance(one, int) else one.address for one in arguments]
        if self._covered is not None and self.code is not None:
            self._covered.step(self.code.program.name, self._last, slot)
        result = self._runs.functions[slot](self._at, *given, *[0] * (5 - len(given)), depth + 1)
        if state.trap:
            self.fail()
        self.depth, self.slot, state.slot = depth, here, here
        if self._covered is not None:
            self._last = self._exit_of(slot)
        return result

    def _exit_of(self, slot: int) -> int:
        """The exit by which the function at a slot just came back."""
        assert self.code is not None
        program = self.code.program
        graph = control_flow(program.insns)
        number = next(number for number, one in enumerate(graph.functions) if one.slot == slot)
        known = exits(graph, program, number)
        return known[self.state.exit] if self.state.exit < len(known) else -1

    def fail(self) -> None:
        """Raise what the code left for. Once placed, the fault stays where it was."""
        state = self.state
        trap, state.trap = state.trap, 0
        if trap in (0, OVER):
            self.over()
        if trap == TOO_DEEP:
            self.too_deep(state.depth)
        raised, self._raised = self._raised, None
        assert raised is not None, "a trap of Python's has an exception"
        raise raised

    def _guarded(self, call: Run) -> Run:
        """A callback from which no exception leaves: it waits until the code has returned."""
        state, system = self.state, self.system

        def guarded(_: int, *words: int) -> int:
            system.now, system.cpu = state.now, state.cpu
            try:
                self._settle()
                if self._walk is not None:
                    self._adopt()
                return call(*words) & M64
            except BaseException as raised:
                self._raised, state.trap = raised, STOPPED
                return 0
            finally:
                state.now = system.now

        def gated(_: int, *words: int) -> int:
            with self.gate or nullcontext():
                return guarded(_, *words)

        return guarded if self.gate is None else gated

    def _on_load(self, address: int, off: int, size: int) -> int:
        return self.load(address, _signed(off), size)

    def _on_store(self, address: int, off: int, size: int, value: int) -> int:
        self.store(address, _signed(off), size, value)
        return 0

    def _on_atomic(self, address: int, off: int, size: int) -> int:
        return self.atomic(address, _signed(off), size)

    def _on_packet(self, at: int, size: int) -> int:
        return self.packet(at, size)

    def _on_helper(self, number: int, written: int, *words: int) -> int:
        self.slot, self.depth = self.state.slot, self.state.depth
        given = [word if written >> place & 1 else None for place, word in enumerate(words)]
        here = self._last = self.slot
        writes = self._walk is not None and number in RINGS
        if writes:
            self.take_records()
        result = self.help(number, *given)
        if number in RINGS:
            self.state.owing = len(self.system.owned)
        if self._covered is not None and number in CALLING and self.code is not None:
            self._covered.step(self.code.program.name, self._last, here + 1)
        self.state.pending = self.pending is not None
        return result

    def _on_kfunc(self, slot: int, written: int, *words: int) -> int:
        self.slot, self.depth = slot, self.state.depth
        self._last = slot
        given = (word if written >> place & 1 else None for place, word in enumerate(words))
        result = self.kernel_function(slot, *given)
        if self._covered is not None and self.code is not None:
            self._covered.step(self.code.program.name, self._last, slot + 1)
        return result

    def _on_follow(self, depth: int) -> int:
        code, self.pending, self.state.pending = self.pending, None, 0
        assert code is not None
        if _signed(self.state.left) <= 0:
            self.over()
        built = self.built(code, ())
        if built is None:
            return self._rest_by_reference(code)
        if self._covered is not None and code is self.code:
            self._covered.step(code.program.name, self.state.slot, 0)
        self.code, self._runs = code, built
        assert self.context is not None
        return built.functions[0](self._at, self.context.pointer().address, 0, 0, 0, 0, depth)

    def _rest_by_reference(self, code: Code) -> int:
        """The rest of a run behind a tail call to a program that reads what may not be written."""
        state = self.state
        assert self.context is not None
        try:
            return self._by_reference(code, self.context, self._seed, {}, 0, state.left, self._tails)
        except Stop as stop:
            state.placed, state.slot = 1, self.slot
            if stop.kind == "budget":
                self.over()
            raise
        finally:
            state.executed += self.executed

    def _resolved(self, address: int) -> Pointer:
        """The object at an address; one that is alone on its pages is written to the table."""
        pointer = resolve(self.system.arena, address)
        region = pointer.region
        if self._is_alone(region):
            page, end = address >> PAGE_BITS, region.base + region.size
            self._table[4 * page : 4 * page + 3] = [region.base, end, end if region.writable else 0]
            self._filled.append(page)
        return pointer

    def built(self, code: Code, given: tuple[int, ...]) -> Built | None:
        """The code of a program; given: registers that the input sets. None where the reference tier has to run it."""
        key = code.program.name, given
        if key not in self._built:
            self._built[key] = self._build(code, given)
        return self._built[key]

    def _build(self, code: Code, given: tuple[int, ...]) -> Built | None:
        unit = self._unit(code, given)
        if unit is None:
            return None
        record = self.system.maps.get(RECORD)
        if isinstance(record, ArrayMap) and not self.state.record:
            self.state.record = record.values.base
        module = translate(unit)
        return Built(
            module, len(code.program.insns), self.first, asked=frozenset(unit.asked), called=frozenset(unit.called),
            sees_socket=unit.sees_socket,
        )  # fmt: skip

    def _unit(self, code: Code, given: tuple[int, ...]) -> Unit | None:
        kind = PROGRAM_TYPES[code.program.type]
        layout = context_of(kind, self.system.arch)
        unit = unit_of(code.program, self.system, layout, given, self.helpers, self.safe)
        if unit is not None:
            unit.counters = self.counters[code.program.name] if self._covered is not None else None
            unit.threads = self.gate is not None
        return unit


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
