"""A program as a module of LLVM IR: its functions, and a way in for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from bpfvm.core.bits import M64
from bpfvm.emulator.contexts.access import Access, rules
from bpfvm.emulator.maps.ringbuf import RingBuffer
from bpfvm.emulator.maps.trie import TrieMap
from bpfvm.emulator.native.body import LOCKING
from bpfvm.emulator.native.coverage import Counters
from bpfvm.emulator.native.function import Function
from bpfvm.emulator.native.maps.changes import LRUS, Changer
from bpfvm.emulator.native.maps.lookups import Finder
from bpfvm.emulator.native.maps.lru import LruChanger
from bpfvm.emulator.native.maps.rings import Records
from bpfvm.emulator.native.maps.tries import Seeker
from bpfvm.emulator.native.stack import poisoned
from bpfvm.emulator.native.state import INDEX
from bpfvm.emulator.native.words import DECLARATIONS
from bpfvm.emulator.portable.kinds import ARGUMENTS, Analysis, Facts, Kind, analysed
from bpfvm.emulator.portable.origins import Origins
from bpfvm.emulator.portable.translate import STILL
from bpfvm.emulator.system import System
from bpfvm.isa.cfg import Cfg, Structure, control_flow, structure
from bpfvm.isa.cfg import Function as Part
from bpfvm.isa.flow import reverse_postorder
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind as Does
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.ctx import Context
from bpfvm.tables.helpers import BY_NAME as HELPERS

FRAMES = ("socket_filter", "sched_cls", "sched_act")  # programs with an skb that begins with an Ethernet header
LOAD_BYTES = HELPERS["skb_load_bytes"].id
SPIN_LOCK, RESERVE_DYNPTR = HELPERS["spin_lock"].id, HELPERS["ringbuf_reserve_dynptr"].id

_TRAP = f"""
define internal void @trap(ptr %st, i64 %slot, i64 %n) noinline cold {{
  %e = getelementptr i64, ptr %st, i64 {INDEX["executed"]}
  %old = load i64, ptr %e
  %new = add i64 %old, %n
  store i64 %new, ptr %e
  %p = getelementptr i64, ptr %st, i64 {INDEX["placed"]}
  %placed = load i64, ptr %p
  %first = icmp eq i64 %placed, 0
  br i1 %first, label %place, label %done
place:
  %s = getelementptr i64, ptr %st, i64 {INDEX["slot"]}
  store i64 %slot, ptr %s
  store i64 1, ptr %p
  br label %done
done:
  ret void
}}
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
!0 = !{{!"branch_weights", i32 1, i32 2000}}
!1 = !{{!"branch_weights", i32 2000, i32 1}}
!2 = !{{!"branch_weights", i32 1, i32 8}}
"""


@dataclass
class Unit:
    """What the functions of a program share while they are written.

    context_size: bytes, None where inputs choose. arena: its size. safe: whether accesses are masked only.
    counts: whether instructions are counted. tests: whether the budget is tested then; else no run may need more of it.
    in_place: helpers that need not be called, by number: the type's own that no user's function stands for; none where
    a lock may be held, under which they are refused.
    poisoned: by slot of a function, the part of its stack that is filled before it runs.
    finders: by name of a map, the number of the function that finds its values.
    changers: the same of the functions that change it. rings: of those that write records to it.
    threads: whether several threads run it at a time. asked: callbacks that the code makes. called: helpers among
    them, by name. sees_socket: whether the pointer to the socket of an skb may be loaded.
    counters: where the program counts its way, None where it does not. origins: of the arguments of calls. words: of
    the state, that functions name.
    """

    program: ProgramSpec
    system: System
    graph: Cfg
    at: Sequence[int]
    analysis: Analysis
    facts: Facts
    rules: Access | None
    context_size: int | None
    safe: bool
    counts: bool = True
    tests: bool = True
    arena: int = 0
    in_place: frozenset[int] = frozenset()
    poisoned: dict[int, tuple[int, int]] = field(default_factory=dict)
    finders: dict[str, int] = field(default_factory=dict)
    changers: dict[str, int] = field(default_factory=dict)
    rings: dict[str, int] = field(default_factory=dict)
    counters: Counters | None = None
    threads: bool = False
    asked: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    sees_socket: bool = False
    origins: dict[int, dict[int, Kind]] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)

    @cached_property
    def shape(self) -> Structure:
        """Loops and dominators."""
        return structure(self.graph)

    @cached_property
    def headers_stay(self) -> bool:
        """Whether a frame's network header is behind its Ethernet header on every run: no program on this machine calls
        a helper that may move it."""
        every = (one for program in self.system.spec.programs.values() for one in program.insns)
        called = {one.imm for one in every if one.op.kind is Does.CALL and one.op.name != "call_local"}
        return self.program.type in FRAMES and called <= STILL | {LOAD_BYTES}

    @cached_property
    def dynptrs(self) -> bool:
        """Whether records of rings may be reserved as dynptrs, too, on this machine."""
        every = (one for program in self.system.spec.programs.values() for one in program.insns)
        return any(one.op.name == "call" and one.imm == RESERVE_DYNPTR for one in every)

    def insns_of(self, part: Part) -> Sequence[Insn]:
        """The instructions of a function."""
        blocks = self.graph.blocks
        return self.program.insns[blocks[part.blocks.start].first : blocks[part.blocks[-1]].last]

    def constant(self, slot: int) -> int:
        """What an lddw loads."""
        value = self.system.code(self.program.name).steps[slot].value
        return int(value if isinstance(value, int) else value.address) & M64


@dataclass(frozen=True, slots=True)
class Module:
    """body: LLVM IR of functions that only the module calls. entries: slots of those that can be entered.

    origins: of the arguments of calls. words: of the state, that functions name. counts: whether instructions are
    counted.
    """

    body: str
    entries: tuple[int, ...]
    origins: Origins
    words: frozenset[str]
    counts: bool

    @property
    def text(self) -> str:
        """With a way in for each entry, @run<slot>."""
        return "\n".join((self.body, *(_way_in(slot) for slot in self.entries)))

    @property
    def names(self) -> list[str]:
        """Of the ways in."""
        return [f"run{slot}" for slot in self.entries]


def unit_of(
    program: ProgramSpec,
    system: System,
    layout: Context | None,
    given: Iterable[int],
    helpers: Iterable[int],
    safe: bool,
) -> Unit | None:  # fmt: skip
    """What is known of `program`; None where it may read a register that was never written.

    given: registers of r1 to r5 that hold numbers at the start. layout: of its context, None where inputs choose it.
    helpers: the numbers of those that it may call.
    """
    fields = {one.offset: one.pointer for one in layout.fields if one.pointer} if layout else {}
    at, graph = slots(program.insns), control_flow(program.insns)
    known = analysed(graph, program.insns, at, fields, given, system.answers)
    if known is None:
        return None
    analysis, facts = known
    size = layout.size if layout is not None else None
    unit = Unit(
        program, system, graph, at, analysis, facts, rules(program.type, program.section, system.arch), size, safe
    )
    unit.arena = system.arena.size
    if not any(one.op.name == "call" and one.imm == SPIN_LOCK for one in program.insns):
        unit.in_place = frozenset(helpers) - {HELPERS[name].id for name in system.answers if name in HELPERS}
    return unit


def translate(unit: Unit) -> Module:
    """A program as LLVM IR."""
    graph = unit.graph
    order: list[list[int]] = [[] for _ in graph.functions]
    for block in reverse_postorder(graph.successors, graph.roots):
        if block in unit.facts.before:
            order[graph.blocks[block].function].append(block)
    text, entries = [*DECLARATIONS, _TRAP], []
    for number, one in enumerate(graph.functions):
        if one.blocks.start in unit.facts.before:
            unit.poisoned[one.slot] = poisoned(unit, one)
            text += Function(unit, number, order[number]).write_all()
            entries.append(one.slot)
    for name, number in unit.finders.items():
        lock = lock_of(unit, name) if name in unit.changers else None
        found = unit.system.maps[name]
        if isinstance(found, TrieMap):
            text += Seeker(found, number, unit.arena).write()
        else:
            text += Finder(found, number, unit.arena, lock).write()
    for name, number in unit.changers.items():
        store = unit.system.maps[name]
        kind = LruChanger if isinstance(store, LRUS) else Changer
        text += kind(store, number, unit.arena, lock_of(unit, name)).write()
    for name, number in unit.rings.items():
        ring = unit.system.maps[name]
        assert isinstance(ring, RingBuffer), "asked before"
        text += Records(ring, number, unit.arena, list(unit.system.maps).index(name)).write()
    if unit.threads:
        text += LOCKING
    return Module("\n".join(text), tuple(entries), unit.origins, frozenset(unit.words), unit.counts or unit.tests)


def lock_of(unit: Unit, name: str) -> int | None:
    """The number of a map's lock, None where one thread runs."""
    return list(unit.system.maps).index(name) if unit.threads else None


def _way_in(slot: int) -> str:
    passed = ", ".join(f"i64 %a{register}" for register in ARGUMENTS)
    call = f"  %r = call fastcc i64 @f{slot}({passed}, i64 %d, ptr %st)"
    return f"define i64 @run{slot}(ptr %st, {passed}, i64 %d) {{\n{call}\n  ret i64 %r\n}}"
