"""What is known of registers and stack slots before a program runs: the facts that let translated code skip checks.

A forward analysis over all functions at once. It is sound for the tier that uses it, and no verifier: what it does not
know it calls a number, and accesses through a number are looked up when they happen.

    none      never written                       maybe     written on some paths only
    num       a number, up to `top`; `off` where it is one known number
    stack     into the running function's frame, `off` from r10; None where not known
    ctx       into the context, `off` from its start
    packet    into or around the packet; accesses are held to its bounds when they happen. `name`: "meta" where it came
              from the metadata in front of it
    value     into a value of map `name`, `off` from its start; "value?" where it may be null
    record    into a record of `size` bytes that was reserved in ring `name` and not given back; "record?" likewise
    map       the map `name` itself; "map+" beside it, where nothing is
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bpfvm.core.bits import M32, M64, mask, signed
from bpfvm.isa.cfg import Cfg
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind as Does
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.helpers.row import Arg

LOOKUP, RESERVE = HELPERS["map_lookup_elem"].id, HELPERS["ringbuf_reserve"].id
COMMITS = (HELPERS["ringbuf_submit"].id, HELPERS["ringbuf_discard"].id)
CALLING = frozenset(row.id for row in HELPERS.values() if Arg.FUNC in row.args)  # those that call functions back
NEAR = M32 + 0x1_0000  # an address, and what the lengths of headers add to it
TOPS = (0xFF, 0xFFFF, M32, NEAR, M64)  # what a number's bound is rounded up to where paths meet, so that loops settle
ADDRESS = M32  # the largest address of the arena
ARGUMENTS = range(1, 6)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a register holds. top: the largest value, as an unsigned number."""

    tag: str
    top: int = M64
    off: int | None = None
    name: str = ""
    size: int = 0

    @property
    def is_pointer(self) -> bool:
        return self.tag in ("stack", "ctx", "packet", "value", "value?", "record", "record?", "map", "map+")


NONE, MAYBE, NUMBER = Kind("none"), Kind("maybe"), Kind("num")


def number(value: int) -> Kind:
    """One known number."""
    return Kind("num", value & M64, value & M64)


def up_to(top: int) -> Kind:
    """A number with a bound."""
    return Kind("num", top)


@dataclass(slots=True)
class State:
    """Registers r0 to r10, and what 8-byte stack slots hold, by offset from r10."""

    regs: list[Kind]
    slots: dict[int, Kind] = field(default_factory=dict)

    def copy(self) -> State:
        return State(self.regs[:], dict(self.slots))


@dataclass(slots=True)
class Facts:
    """What the analysis found. before: block -> the state at its start; blocks that nothing reaches are absent.

    returns: by function, whether r0 is written wherever it ends. unwritten: slots that read a register which may not
    have been written.
    """

    before: dict[int, State] = field(default_factory=dict)
    returns: dict[int, bool] = field(default_factory=dict)
    unwritten: set[int] = field(default_factory=set)


Fields: TypeAlias = Mapping[int, str]  # offset of a context field -> what it points to, for those that do


_NULLABLE = ({"value", "value?"}, {"record", "record?"})


def join(a: Kind, b: Kind) -> Kind:
    """What holds on both of two paths."""
    if a == b:
        return a
    if "none" in (a.tag, b.tag) or "maybe" in (a.tag, b.tag):
        return MAYBE
    top = next(one for one in TOPS if max(a.top, b.top) <= one)
    if (a.name, a.size) == (b.name, b.size) and (a.tag == b.tag or {a.tag, b.tag} in _NULLABLE):
        tag = a.tag if a.tag == b.tag else max(a.tag, b.tag)  # the one with a question mark
        return Kind(tag, top, a.off if a.off == b.off else None, a.name, a.size)
    return Kind("num", top)


class Analysis:
    """The analysis of one program. fields: of its context. track: whether stack slots are followed.

    given: registers of r1 to r5 that hold numbers at the start; without any, r1 is the context. answered: names of
    helpers for which users' functions stand, whose results may be anything.
    """

    def __init__(
        self, graph: Cfg, insns: Sequence[Insn], at: Sequence[int], fields: Fields, given: Iterable[int], track: bool,
        answered: Iterable[str] = (),
    ) -> None:  # fmt: skip
        self.given = tuple(given)
        self._answered = {HELPERS[name].id for name in answered if name in HELPERS}
        self.graph, self.insns, self.at, self.fields = graph, insns, at, fields
        self.track, self.escaped = track, False
        self._read = {0, *(call.function for call in graph.calls if call.taken)}  # functions whose results are read
        self.facts = Facts(returns=dict.fromkeys(range(len(graph.functions)), True))
        self._called = {(call.slot): call.function for call in graph.calls if not call.taken}
        self._work: list[int] = []

    def run(self) -> Facts:
        """Until nothing changes."""
        entry = [NONE] * 10 + [Kind("stack", ADDRESS, 0)]
        entry[1] = Kind("ctx", ADDRESS, 0)
        for register in self.given:
            entry[register] = NUMBER
        self._meet(self.graph.functions[0].blocks.start, State(entry))
        for call in self.graph.calls:
            if call.taken:  # a callback: its helper passes what it likes
                self._meet(self._entry(call.function), State([NONE, *[NUMBER] * 5, *[NONE] * 4, entry[10]]))
        while self._work:
            number = self._work.pop()
            state = self.facts.before[number].copy()
            for after, goal in self._through(number, state):
                self._meet(goal, after)
        for number, before in self.facts.before.items():
            self._note(number, before.copy())
        return self.facts

    def _entry(self, function: int) -> int:
        return self.graph.functions[function].blocks.start

    def _meet(self, block: int, state: State) -> None:
        """Bring `state` to the start of `block`."""
        known = self.facts.before.get(block)
        if known is None:
            self.facts.before[block] = state.copy()
            self._work.append(block)
            return
        regs = [join(a, b) for a, b in zip(known.regs, state.regs, strict=True)]
        slots = {off: join(kind, state.slots[off]) for off, kind in known.slots.items() if off in state.slots}
        if any(a.tag == "stack" != new.tag for a, new in zip(known.regs, regs, strict=True)) or any(
            a.tag == "stack" != new.tag for a, new in zip(state.regs, regs, strict=True)
        ):
            self.escaped = True
        if regs != known.regs or slots != known.slots:
            self.facts.before[block] = State(regs, slots)
            self._work.append(block)

    def _through(self, block: int, state: State) -> Iterator[tuple[State, int]]:
        """The states at the ends of `block`, each with the block that it goes to."""
        one = self.graph.blocks[block]
        for place in range(one.first, one.last):
            self.step(state, self.insns[place], self.at[place])
        last = self.insns[one.last - 1]
        if last.op.kind is Does.EXIT:
            self._exit(one.function, state)
        for edge in one.edges:
            yield self._refined(state, last, edge.way.name == "JUMP"), edge.to

    def _exit(self, function: int, state: State) -> None:
        if state.regs[0].tag in ("none", "maybe") and self.facts.returns[function]:
            self.facts.returns[function] = False
            callers = [call.slot for call in self.graph.calls if call.function == function]
            self._work += [number for number in map(self.graph.block_at, callers) if number in self.facts.before]

    @staticmethod
    def _refined(state: State, last: Insn, taken: bool) -> State:
        """Past a test for null, a pointer is none or surely one."""
        stem, tag = last.op.name, state.regs[last.dst].tag
        if stem not in ("jeq64_k", "jne64_k") or last.imm or not tag.endswith("?"):
            return state
        after = state.copy()
        is_null = taken == (stem == "jeq64_k")
        after.regs[last.dst] = number(0) if is_null else replace(state.regs[last.dst], tag=tag[:-1])
        return after

    def _note(self, block: int, state: State) -> None:
        """Once all is settled: which slots read what may never have been written."""
        one = self.graph.blocks[block]
        for place in range(one.first, one.last):
            insn = self.insns[place]
            if any(state.regs[register].tag in ("none", "maybe") for register in reads(insn)):
                self.facts.unwritten.add(self.at[place])
            if insn.op.kind is Does.EXIT and one.function in self._read and state.regs[0].tag in ("none", "maybe"):
                self.facts.unwritten.add(self.at[place])
            self.step(state, insn, self.at[place])

    def step(self, state: State, insn: Insn, slot: int) -> None:
        """What one instruction does to `state`."""
        kind, regs = insn.op.kind, state.regs
        if kind is Does.ALU:
            regs[insn.dst] = self._alu(regs, insn)
        elif kind is Does.LOAD:
            regs[insn.dst] = self.loaded(state, insn)
        elif kind in (Does.LOAD_SX, Does.LOAD_ACQUIRE):
            regs[insn.dst] = NUMBER if kind is Does.LOAD_SX else up_to(mask(insn.op.bits))
        elif kind in (Does.STORE, Does.STORE_RELEASE):
            self._store(state, insn)
        elif kind is Does.ATOMIC:
            self._atomic(state, insn)
        elif kind is Does.IMM64:
            regs[insn.dst] = _loaded(insn)
        elif kind is Does.CALL:
            self._call(state, insn, slot)
        elif kind is Does.PACKET:
            regs[:6] = [up_to(mask(insn.op.bits)), *[NONE] * 5]

    def _alu(self, regs: list[Kind], insn: Insn) -> Kind:
        op, a = insn.op, regs[insn.dst]
        stem, bits = stem_of(insn), op.bits
        b = number(insn.imm & mask(bits)) if op.operand == "imm" else regs[insn.src]
        if stem == "mov" and bits == 64:
            return b
        if stem in ("add", "sub") and bits == 64 and (a.is_pointer or b.is_pointer):
            moved = _moved(a, b, 1 if stem == "add" else -1)
            if moved.tag == "num" and "stack" in (a.tag, b.tag):
                self.escaped = True
            return moved
        if "stack" in (a.tag if stem not in ("mov", "movs") else "", b.tag):
            self.escaped = True
        return _bounded(stem, bits, a, b, insn)

    def loaded(self, state: State, insn: Insn) -> Kind:
        """What a zero-extending load gives."""
        base, size = state.regs[insn.src], insn.op.bits // 8
        if base.tag == "ctx" and base.off is not None and size == 4:
            pointer = self.fields.get(base.off + insn.off)
            if pointer is not None:
                return Kind("packet", ADDRESS, name="meta" if pointer == "packet_meta" else "")
        if base.tag == "stack" and base.off is not None and size == 8:
            return state.slots.get(base.off + insn.off, NUMBER)
        return up_to(mask(insn.op.bits))

    def _store(self, state: State, insn: Insn) -> None:
        base = state.regs[insn.dst]
        stored = state.regs[insn.src] if insn.op.operand == "src" else number(insn.imm & M64)
        self._forget(state, base, insn.off, insn.op.bits // 8)
        is_slot = base.tag == "stack" and base.off is not None and insn.op.bits == 64
        if is_slot and self.track and stored.tag not in ("none", "maybe"):
            state.slots[(base.off or 0) + insn.off] = stored
        elif stored.tag == "stack":
            self.escaped = True

    def _forget(self, state: State, base: Kind, off: int, size: int | None) -> None:
        """Memory at `base` + `off` changed; size: None where it is not known how far."""
        if base.tag == "num" or (base.tag == "stack" and base.off is None):
            state.slots.clear()
        elif base.tag == "stack" and base.off is not None:
            start = base.off + off
            end = start + size if size is not None else 0
            for at in [at for at in state.slots if at + 8 > start and at < end]:
                del state.slots[at]

    def _atomic(self, state: State, insn: Insn) -> None:
        self._forget(state, state.regs[insn.dst], insn.off, insn.op.bits // 8)
        if state.regs[insn.src].tag == "stack":
            self.escaped = True
        if insn.op.name.startswith("atomic_cmpxchg"):
            state.regs[0] = up_to(mask(insn.op.bits))
        elif insn.op.fetches:
            state.regs[insn.src] = up_to(mask(insn.op.bits))

    def _call(self, state: State, insn: Insn, slot: int) -> None:
        regs = state.regs
        if insn.op.name == "call_local":
            function = self._called[slot]
            passed = [_passed(regs[register]) for register in ARGUMENTS]
            self._meet(self._entry(function), State([NONE, *passed, *[NONE] * 4, Kind("stack", ADDRESS, 0)]))
            state.slots.clear()
            result = NUMBER if self.facts.returns[function] else NONE
        else:
            for register in ARGUMENTS:
                self._forget(state, regs[register], 0, None)
            result = self._result(regs, insn.imm) if insn.op.name == "call" else NUMBER
            if any(call.taken for call in self.graph.calls):
                state.slots.clear()  # a callback may write anywhere in the frame that it is handed
        if insn.op.name != "call" or insn.imm in CALLING or insn.imm in COMMITS:
            self._end_records(state)
        regs[:6] = [result, *[NONE] * 5]

    def _result(self, regs: list[Kind], helper: int) -> Kind:
        """What a helper gives."""
        if regs[1].tag == "map" and helper not in self._answered:
            if helper == LOOKUP:
                return Kind("value?", ADDRESS, 0, regs[1].name)
            if helper == RESERVE and regs[2].tag == "num" and regs[2].off:
                return Kind("record?", ADDRESS, 0, regs[1].name, regs[2].off)
        return NUMBER

    @staticmethod
    def _end_records(state: State) -> None:
        """Any record may have been given back."""
        state.regs[:] = [_ended(kind) for kind in state.regs]
        state.slots = {off: _ended(kind) for off, kind in state.slots.items()}


def _ended(kind: Kind) -> Kind:
    return up_to(kind.top) if kind.tag in ("record", "record?") else kind


def analysed(
    graph: Cfg, insns: Sequence[Insn], at: Sequence[int], fields: Fields, given: Iterable[int],
    answered: Iterable[str] = (),
) -> tuple[Analysis, Facts] | None:  # fmt: skip
    """The analysis of a program, and what it found; None where a register may be read that was never written.

    Stack slots are followed unless a pointer to them gets away.
    """
    for track in (True, False):
        analysis = Analysis(graph, insns, at, fields, given, track, answered)
        facts = analysis.run()
        if not analysis.escaped:
            break
    return None if facts.unwritten else (analysis, facts)


def stem_of(insn: Insn) -> str:
    """The name of an arithmetic or jump row without its width and form: "sdiv" of sdiv32_k."""
    return insn.op.name.partition("_")[0].rstrip("0123456789")


def reads(insn: Insn) -> tuple[int, ...]:
    """The registers whose values an instruction needs; those of a call's arguments are its helper's to judge."""
    op, kind = insn.op, insn.op.kind
    if kind is Does.ALU:
        source = (insn.src,) if "src" in op.uses else ()
        return source if stem_of(insn) in ("mov", "movs") else (insn.dst, *source)
    if kind in (Does.JUMP, Does.STORE, Does.STORE_RELEASE, Does.ATOMIC):
        source = (insn.src,) if "src" in op.uses else ()
        compared = (0,) if op.name.startswith("atomic_cmpxchg") else ()
        return (insn.dst, *source, *compared)
    if kind in (Does.LOAD, Does.LOAD_SX, Does.LOAD_ACQUIRE):
        return (insn.src,)
    return (insn.src,) if kind is Does.PACKET and "src" in op.uses else ()


def _loaded(insn: Insn) -> Kind:
    if insn.op.name == "lddw_map":
        return Kind("map", ADDRESS, 0, insn.symbol or "")
    if insn.op.name == "lddw_map_value":
        off = insn.imm >> 32
        return Kind("value", ADDRESS + off if off >= 0 else M64, off, insn.symbol or "")
    return number(insn.imm) if insn.op.name == "lddw" else NUMBER


def _passed(kind: Kind) -> Kind:
    """An argument as the called function sees it: the caller's frame is not its own."""
    return Kind("num", kind.top) if kind.tag == "stack" else kind


def _moved(a: Kind, b: Kind, sign: int) -> Kind:
    """A pointer plus or minus something."""
    if b.is_pointer and not a.is_pointer and sign > 0:
        a, b = b, a
    if not a.is_pointer or b.is_pointer or a.tag in ("value?", "record?"):
        return NUMBER
    distance = None if b.off is None else signed(b.off, 64)
    if a.tag == "map" and distance != 0:
        a = replace(a, tag="map+")
    if distance is None or a.off is None:
        if a.tag == "packet":
            return replace(a, top=M64 if sign < 0 or a.top + b.top > M64 else a.top + b.top)
        return replace(a, off=None, top=M64)
    top = M64 if sign * distance < 0 else min(a.top + sign * distance, M64)
    return replace(a, off=a.off + sign * distance, top=top)


def _bounded(stem: str, bits: int, a: Kind, b: Kind, insn: Insn) -> Kind:
    """A number that arithmetic gives: how large it can be."""
    most = mask(bits)
    x, y = min(a.top, most), min(b.top, most)
    if stem == "mov":
        return Kind("num", y, b.off if b.off is not None and b.tag == "num" and b.off <= most else None)
    match stem:
        case "and":
            top = min(x, y)
        case "or" | "xor":
            top = mask(max(x, y).bit_length())
        case "add":
            top = x + y
        case "mul":
            top = x * y
        case "rsh" if b.off is not None:
            top = x >> (b.off & (bits - 1))
        case "rsh" | "div" | "mod":
            top = x
        case "lsh" if b.off is not None:
            top = x << (b.off & (bits - 1))
        case "be" | "le" | "bswap":
            top = mask(insn.op.imm_is or bits)
        case _:
            top = most
    return up_to(min(top, most) if top <= most else most)
