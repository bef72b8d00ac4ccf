"""A program's functions as Python source: superblocks under one dispatch, registers as locals, memory in place.

    def f0(r1, r2, r3, r4, r5, d):        d: depth of the frame
        r10 = TOP[d]
        pc = n = 0                        n: instructions executed, brought up to date where control joins
        while True:
            if pc == 0:
                a = r1 + 12               an access to the packet, held to its bounds
                r2 = u2(M, a)[0] if p0 <= a <= p1 - 2 else LD(p0, r1 + 12 - p0, 2)
                if r2 == 8:
                    n += 3; pc = 1; continue

A block that one other block leads to stands inside of it; every other block is a label of the dispatch, and one that
leads back to itself is a loop of its own. `Lines` tells the instruction of each line, for faults.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bpfvm.core.bits import M64, mask, signed
from bpfvm.emulator.contexts.access import rules
from bpfvm.emulator.interp import STACK
from bpfvm.emulator.maps.array import ArrayMap
from bpfvm.emulator.portable import origins
from bpfvm.emulator.portable.expressions import VALUES, operand, test, value
from bpfvm.emulator.portable.kinds import (
    ARGUMENTS,
    CALLING,
    LOOKUP,
    Analysis,
    Facts,
    Fields,
    Kind,
    State,
    analysed,
    stem_of,
)
from bpfvm.emulator.portable.sure import is_sure
from bpfvm.emulator.system import System
from bpfvm.isa.cfg import Cfg, control_flow
from bpfvm.isa.flow import reverse_postorder
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind as Does
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS

ACCESSES = (Does.LOAD, Does.LOAD_SX, Does.LOAD_ACQUIRE, Does.STORE, Does.STORE_RELEASE, Does.ATOMIC)
NEST = 40  # CPython takes 100 levels of indentation
VIEWS = {2: ("H", 1), 4: ("I", 2), 8: ("Q", 3)}  # size -> view of the arena in words, and the shift to its index
TAIL_CALL = HELPERS["tail_call"].id if "tail_call" in HELPERS else 12
SPIN_LOCK = HELPERS["spin_lock"].id
_STILL = """
map_lookup_elem map_update_elem map_delete_elem ktime_get_ns ktime_get_boot_ns ktime_get_tai_ns ktime_get_coarse_ns
jiffies64 get_prandom_u32 get_smp_processor_id get_numa_node_id trace_printk trace_vprintk snprintf strncmp strtol
strtoul probe_read probe_read_kernel probe_read_user probe_read_str probe_read_kernel_str probe_read_user_str spin_lock
spin_unlock
"""
STILL = frozenset(HELPERS[name].id for name in _STILL.split())  # helpers that never move the packet
DIRECT_LOOKUPS = ("hash", "lru_hash", "percpu_hash", "lru_percpu_hash", "lpm_trie", "percpu_array")


@dataclass(slots=True)
class Source:
    """The text of a module. lines: line number -> slot, and instructions executed since `n` was brought up to date.

    functions: slot -> the name of its function. origins: of the arguments of calls.
    """

    text: list[str] = field(default_factory=list)
    lines: dict[int, tuple[int, int]] = field(default_factory=dict)
    functions: dict[int, str] = field(default_factory=dict)
    origins: dict[int, dict[int, Kind]] = field(default_factory=dict)


def translate(
    program: ProgramSpec, system: System, fields: Fields, context_size: int | None, given: Iterable[int]
) -> Source | None:
    """`program` as Python source; None where it may read a register that was never written, and on big-endian hosts.

    given: registers of r1 to r5 that hold numbers at the start. fields: pointers among the context's fields, by
    offset. context_size: bytes, None where inputs choose.
    """
    if sys.byteorder != "little":
        return None
    at = slots(program.insns)
    graph = control_flow(program.insns)
    known = analysed(graph, program.insns, at, fields, given, system.answers)
    if known is None:
        return None
    analysis, facts = known
    source = Source()
    order: list[list[int]] = [[] for _ in graph.functions]
    for block in reverse_postorder(graph.successors, graph.roots):
        if block in facts.before:
            order[graph.blocks[block].function].append(block)
    moves = _moves_packet(program.insns)
    for number, one in enumerate(graph.functions):
        if one.blocks.start in facts.before:
            source.functions[one.slot] = f"f{one.slot}"
            function = _Function(program, system, graph, analysis, facts, number, at, context_size)
            function.write(source, order[number], moves)
    return source


def _moves_packet(insns: Iterable[Insn]) -> bool:
    """Whether anything in the program may move the packet, so that its bounds have to be read again."""
    calls = (one for one in insns if one.op.kind is Does.CALL and one.op.name != "call_local")
    return any(one.op.name == "call_kfunc" or one.imm not in STILL for one in calls)


def calls_functions(insn: Insn) -> bool:
    """Whether functions of the program may run inside of an instruction."""
    return insn.op.name in ("call_local", "call_kfunc") or (insn.op.name == "call" and insn.imm in CALLING)


class _Function:
    """One function on its way to text."""

    def __init__(
        self, program: ProgramSpec, system: System, graph: Cfg, analysis: Analysis, facts: Facts, number: int,
        at: Sequence[int], context_size: int | None,
    ) -> None:  # fmt: skip
        self.program, self.system, self.graph, self.analysis, self.facts = program, system, graph, analysis, facts
        self.insns, self.at, self.context_size = program.insns, at, context_size
        self.rules = rules(program.type, program.section, system.arch)
        self.function, self.number = graph.functions[number], number
        # whether each call of map_lookup_elem has to be made: it is refused under a lock, and may be the user's own
        self.checked = "map_lookup_elem" in system.answers or any(
            one.op.name == "call" and one.imm == SPIN_LOCK for one in self.insns
        )
        self.out = Source()

    def _plan(self, order: Sequence[int]) -> None:
        """Which blocks are labels, and which of them are loops. order: the blocks to write, in reverse postorder."""
        place = {number: index for index, number in enumerate(order)}
        entries: dict[int, int] = {order[0]: 2}
        heads: set[int] = set()
        for number in order:
            for edge in self.graph.blocks[number].edges:
                entries[edge.to] = entries.get(edge.to, 0) + 1
                if place[edge.to] <= place[number]:
                    heads.add(edge.to)
        depth: dict[int, int] = {}
        labels: list[int] = []
        owner: dict[int, int] = {}
        for number in order:
            if entries[number] > 1 or number in heads or depth.get(number, 0) > NEST:
                labels.append(number)
                depth[number], owner[number] = 0, number
            for edge in self.graph.blocks[number].edges:
                if entries[edge.to] == 1 and edge.to not in heads:
                    depth[edge.to] = depth[number] + (edge.way.name == "JUMP")
                    owner[edge.to] = owner[number]
        self.labels = {number: index for index, number in enumerate(labels)}
        self.heads = heads
        backs = ((number, edge.to) for number in order for edge in self.graph.blocks[number].edges)
        self.selves = {goal for number, goal in backs if goal in self.labels and owner.get(number) == goal}
        self.is_flat = len(labels) == 1 and not heads
        self.calls = self.function.slot > 0 or any(calls_functions(insn) for insn in self._own())

    def write(self, source: Source, order: Sequence[int], moves: bool) -> None:
        """Append the function to `source`. order: its blocks that can be reached, in reverse postorder. moves: whether
        the program may move the packet.
        """
        self._plan(order)
        self.out, self.moves = source, moves
        name = source.functions[self.function.slot]
        self._line(0, f"def {name}(r1, r2, r3, r4, r5, d):")
        self._line(1, "if d >= DEPTH: DEEP(d)")
        if self._touches_stack():
            self._line(1, "r10 = TOP[d]")
            self._line(1, f"M[r10 - {STACK}:r10] = RT.poison[d]")
        if self.context_size is None or self._uses_packet():
            self._line(1, "p0, p1, c0, c1 = RT.bounds")
        if self.calls:
            self._line(1, "if RT.n >= RT.left: OVER()", self.function.slot, 0)
        self._line(1, "n = 0")
        if self.is_flat:
            self._tree(self.function.blocks.start, 1, None)
            return
        self._line(1, "pc = 0")
        self._line(1, "while True:")
        self._dispatch(list(self.labels), 2)

    def _dispatch(self, labels: list[int], indent: int) -> None:
        if len(labels) > 1:
            middle = 1 if len(labels) == 2 else len(labels) // 2
            self._line(indent, f"if pc < {self.labels[labels[middle]]}:")
            self._dispatch(labels[:middle], indent + 1)
            self._line(indent, "else:")
            self._dispatch(labels[middle:], indent + 1)
            return
        label = labels[0]
        if label in self.selves:
            self._line(indent, "while True:")
            indent += 1
        if label in self.heads:
            spent = "n + RT.n" if self.calls else "n"
            self._line(indent, f"if {spent} >= RT.left: OVER()", self.graph.blocks[label].start, 0)
        self._tree(label, indent, label if label in self.selves else None)

    def _tree(self, block: int, indent: int, loop: int | None, count: int = 0) -> None:
        """`block` and what stands inside of it. loop: the label whose own loop this is in."""
        while True:
            one = self.graph.blocks[block]
            state = self.facts.before[block].copy()
            ends = self.insns[one.last - 1].op.kind in (Does.JUMP, Does.GOTO, Does.EXIT, Does.MAY_GOTO)
            for place in range(one.first, one.last - ends):
                count += 1
                self._insn(state, place, indent, count)
            fall = next((edge.to for edge in one.edges if edge.way.name == "FALL"), None)
            taken = next((edge.to for edge in one.edges if edge.way.name == "JUMP"), None)
            if ends:
                count += 1
                self._end(state, one.last - 1, indent, count)
            if taken is not None and fall is not None:
                self._goto(taken, indent + 1, loop, count)
            goal = fall if fall is not None else taken
            if goal is None:
                return
            if goal in self.labels:
                self._goto(goal, indent, loop, count)
                return
            block = goal

    def _goto(self, goal: int, indent: int, loop: int | None, count: int) -> None:
        if goal not in self.labels:
            self._tree(goal, indent, loop, count)
            return
        self._line(indent, f"n += {count}")
        if goal == loop:
            self._line(indent, "continue")
            return
        self._line(indent, f"pc = {self.labels[goal]}")
        self._line(indent, "continue" if loop is None else "break")

    def _end(self, state: State, place: int, indent: int, count: int) -> None:
        """The last instruction of a block, where it is an exit or a jump."""
        insn, slot = self.insns[place], self.at[place]
        if insn.op.kind is Does.EXIT:
            self._line(indent, f"RT.n += n + {count}", slot, count)
            written = state.regs[0].tag not in ("none", "maybe")
            self._line(indent, "return r0" if written else "return 0")
        elif insn.op.kind is Does.MAY_GOTO:
            self._line(indent, "RT.patience -= 1", slot, count)
            self._line(indent, "if RT.patience < 0:")
        elif insn.op.kind is Does.JUMP:
            b = state.regs[insn.src]
            self._line(indent, f"if {test(insn, state.regs[insn.dst], b)}:", slot, count)

    def _insn(self, state: State, place: int, indent: int, count: int) -> None:
        """One instruction, and what is known behind it."""
        insn, slot = self.insns[place], self.at[place]
        before = state.copy()
        self.analysis.step(state, insn, slot)
        if calls_functions(insn):  # which go on counting, and end where the budget does
            self._line(indent, f"RT.n += n + {count}; n = -{count}", slot, count)
        for text in self._lines(before, state, insn, slot):
            self._line(indent, text, slot, count)
        if insn.op.kind is Does.PACKET:
            self._line(indent, f"if r0 < 0: RT.n += n + {count}; return 0", slot, count)
        if insn.op.name == "call" and insn.imm == TAIL_CALL:  # what ran so far is off the budget of the rest
            spend = f"RT.left -= n + RT.n + {count}; RT.n, n = 0, -{count}"
            self._line(indent, f"if RT.pending is not None: {spend}; return FOLLOW(d)", slot, count)

    def _lines(self, before: State, after: State, insn: Insn, slot: int) -> list[str]:
        kind, regs = insn.op.kind, before.regs
        if kind is Does.ALU:
            return [f"r{insn.dst} = {value(insn, regs[insn.dst], regs[insn.src], after.regs[insn.dst])}"]
        if kind is Does.IMM64:
            return [f"r{insn.dst} = {self._constant(insn, slot)}"]
        if kind in (Does.LOAD, Does.LOAD_ACQUIRE, Does.LOAD_SX):
            return self._load(regs[insn.src], insn)
        if kind in (Does.STORE, Does.STORE_RELEASE):
            return self._store(regs, insn)
        if kind is Does.ATOMIC:
            return self._atomic(regs, insn)
        if kind is Does.PACKET:
            base = f"r{insn.src} + " if "src" in insn.op.uses else ""
            return [f"r0 = PKT({base}{signed(insn.imm, 32)}, {insn.op.bits // 8})"]
        return self._call(before, insn, slot)

    def _constant(self, insn: Insn, slot: int) -> str:
        step = self.system.code(self.program.name).steps[slot]
        return str(step.value & M64 if isinstance(step.value, int) else step.value.address)

    def _object(self, base: Kind, register: int, off: int) -> str:
        """The place of an access that is looked up: one in its object, where that is known, and the distance."""
        if base.off is not None and base.is_pointer:
            return f"{self._address(register, -base.off)}, {base.off + off}"
        start = {"packet": "p0 - 1" if base.name else "p0", "ctx": "c0", "stack": "r10"}.get(base.tag)
        return f"{start}, {self._address(register, off)} - ({start})" if start else f"r{register}, {off}"

    def _bounds(self, base: Kind) -> tuple[str, str] | None:
        """The ends of an object that an access is held to in place."""
        if base.tag == "packet" and not base.name:
            return "p0", "p1"
        return (f"r10 - {STACK}", "r10") if base.tag == "stack" and base.off is None else None

    def _address(self, register: int, off: int) -> str:
        return f"r{register}" if not off else f"r{register} {'-' if off < 0 else '+'} {abs(off)}"

    def _is_sure(self, base: Kind, off: int, size: int, write: bool) -> bool:
        return is_sure(self.system.maps, self.rules, base, off, size, write)

    def _word(self, base: Kind, register: int, off: int, size: int) -> str:
        """The place of a sure access, as the target or the source of an assignment; "" where it is not aligned."""
        address = self._address(register, off)
        if size == 1:
            return f"M[{address}]"
        view, shift = VIEWS[size]
        return f"{view}[({address}) >> {shift}]" if ((base.off or 0) + off) % size == 0 else ""

    def _load(self, base: Kind, insn: Insn) -> list[str]:
        size, register = insn.op.bits // 8, f"r{insn.dst}"
        address = self._address(insn.src, insn.off)
        lines = []
        bounds = ("c0", "c1") if base.tag == "ctx" and self.context_size is None else self._bounds(base)
        text = f"LD({self._object(base, insn.src, insn.off)}, {size})"
        if self._is_sure(base, insn.off, size, write=False):
            text = self._word(base, insn.src, insn.off, size) or f"u{size}(M, {address})[0]"
        elif bounds is not None:
            lines.append(f"a = {address}")
            inside = "M[a]" if size == 1 else f"u{size}(M, a)[0]"
            text = f"{inside} if {bounds[0]} <= a <= {bounds[1]} - {size} else {text}"
        if insn.op.kind is Does.LOAD_SX:
            half = 1 << (insn.op.bits - 1)
            return [*lines, f"a = {text}", f"{register} = ((a ^ {half}) - {half}) & {M64}"]
        return [*lines, f"{register} = {text}"]

    def _store(self, regs: list[Kind], insn: Insn) -> list[str]:
        size, base, bits = insn.op.bits // 8, regs[insn.dst], insn.op.bits
        address = self._address(insn.dst, insn.off)
        stored = str(insn.imm & mask(bits))
        if insn.op.operand == "src":
            stored = operand(f"r{insn.src}", regs[insn.src], bits)
        if self._is_sure(base, insn.off, size, write=True):
            word = self._word(base, insn.dst, insn.off, size)
            return [f"{word} = {stored}" if word else f"w{size}(M, {address}, {stored})"]
        text, bounds = f"ST({self._object(base, insn.dst, insn.off)}, {size}, {stored})", self._bounds(base)
        if bounds is None:
            return [text]
        inside = f"M[a] = {stored}" if size == 1 else f"w{size}(M, a, {stored})"
        return [f"a = {address}", f"if {bounds[0]} <= a <= {bounds[1]} - {size}: {inside}", f"else: {text}"]

    def _atomic(self, regs: list[Kind], insn: Insn) -> list[str]:
        bits, base = insn.op.bits, regs[insn.dst]
        size = bits // 8
        word = self._word(base, insn.dst, insn.off, size) if self._is_sure(base, insn.off, size, write=True) else ""
        lines = [] if word else [f"a = AT({self._object(base, insn.dst, insn.off)}, {size})"]
        view, shift = VIEWS[size]
        word = word or f"{view}[a >> {shift}]"
        source = operand(f"r{insn.src}", regs[insn.src], bits)
        stem = insn.op.name.removeprefix("atomic_").removeprefix("fetch_").rstrip("0123456789")
        lines.append(f"t = {word}")
        if stem == "cmpxchg":
            return [*lines, f"if t == {operand('r0', regs[0], bits)}: {word} = {source}", "r0 = t"]
        if stem == "xchg":
            lines.append(f"{word} = {source}")
        else:
            text = VALUES[stem]("t", source, bits)
            lines.append(f"{word} = ({text}) & {mask(bits)}" if stem == "add" else f"{word} = {text}")
        return [*lines, f"r{insn.src} = t"] if insn.op.fetches else lines

    def _call(self, before: State, insn: Insn, slot: int) -> list[str]:
        given = [f"r{r}" if before.regs[r].tag not in ("none", "maybe") else "None" for r in ARGUMENTS]
        again = ["p0, p1, c0, c1 = RT.bounds"] if self.moves else []
        if insn.op.name == "call_local":
            passed = ", ".join("0" if text == "None" else text for text in given)
            return [f"r0 = f{slot + 1 + insn.imm}({passed}, d + 1)", *again]
        if insn.op.name == "call" and insn.imm == LOOKUP and before.regs[1].tag == "map":
            text = self._lookup(before)
            if text:
                return text
        lines = [f"RT.depth, RT.slot = d, {slot}"]
        straying = origins.arguments(before)
        if straying:
            self.out.origins[slot] = straying
        if insn.op.name == "call_kfunc":
            return [*lines, f"r0 = KFUNC({slot}, {', '.join(given)})", *again]
        call = "LOOKUP(" if insn.imm == LOOKUP else f"HELP({insn.imm}, "
        lines.append(f"r0 = {call}{', '.join(given)})")
        return [*lines, *(again if insn.imm not in STILL else [])]

    def _lookup(self, before: State) -> list[str]:
        """map_lookup_elem of a map that is known, by a key on the stack."""
        store = self.system.maps.get(before.regs[1].name)
        key = before.regs[2]
        if (
            self.checked
            or store is None
            or not self._is_sure(key, 0, store.spec.key_size, write=False)
            or key.tag != "stack"
        ):
            return []
        if isinstance(store, ArrayMap):
            word = self._word(key, 2, 0, 4) or "u4(M, r2)[0]"
            base, stride = store.values.base, store.stride
            return [f"a = {word}", f"r0 = a * {stride} + {base} if a < {store.spec.max_entries} else 0"]
        if store.spec.type in DIRECT_LOOKUPS:
            return [f"r0 = MAPS[{store.spec.name!r}].lookup(bytes(M[r2:r2 + {store.spec.key_size}]))"]
        return []

    def _own(self) -> list[Insn]:
        first = self.graph.blocks[self.function.blocks.start].first
        return list(self.insns[first : self.graph.blocks[self.function.blocks[-1]].last])

    def _touches_stack(self) -> bool:
        return any(10 in (insn.src, insn.dst) for insn in self._own() if {"src", "dst"} & insn.op.uses)

    def _uses_packet(self) -> bool:
        return any(insn.op.kind in ACCESSES for insn in self._own())

    def _line(self, indent: int, text: str, slot: int | None = None, count: int = 0) -> None:
        self.out.text.append(" " * indent + text)
        if slot is not None:
            self.out.lines[len(self.out.text)] = (slot, count)


__all__ = ["Source", "calls_functions", "stem_of", "translate"]
