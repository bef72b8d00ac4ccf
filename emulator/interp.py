"""The reference tier: one instruction at a time, registers that know what they point to, faults in words.

A register holds None (never written), an unsigned 64-bit int, or a Pointer. Adding to a pointer keeps its region, so an
access is checked against the very object it was made for; any other arithmetic sees the pointer's number. A number
used as an address is looked up. Stack bytes that were never written hold seeded poison, and reading them is noted
among the warnings: the kernel lets privileged programs do it. This tier is slow on purpose and the definition of right
for the faster ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M64, mask, signed
from bpfvm.emulator.access import aligned, kernel_word, place, resolve
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.caller import Operand, Stop, Value
from bpfvm.emulator.code import Code, Step
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.memory import Arena, Pointer, Region
from bpfvm.isa.ops import Kind
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.helpers import call_name

if TYPE_CHECKING:
    from bpfvm.emulator.system import System


STACK = 512  # bytes of a frame (MAX_BPF_STACK)
DEPTH = 8  # frames (MAX_CALL_FRAMES)
TAIL_CALLS = 33  # in one run (MAX_TAIL_CALL_CNT)
MAY_GOTO = 1 << 23  # tests before may_goto falls through; the kernel counts time there
BUDGET = 100_000_000
END = -1  # in place of a slot: nothing goes on


def stacks_of(arena: Arena) -> list[Region]:
    """Stacks for all frames that there can be."""
    return [arena.allocate(f"stack of frame {depth}", STACK, "stack") for depth in range(DEPTH)]


@lru_cache(maxsize=4)
def poison(seed: int) -> list[bytes]:
    """What the stack of each frame holds before the program writes there: bytes of no meaning, the same every time."""
    source = random.Random(seed)
    return [source.randbytes(STACK) for _ in range(DEPTH)]


@dataclass(slots=True)
class Frame:
    """What a call comes back to. slot: END where a helper called the function, and goes on itself."""

    slot: int
    code: Code
    saved: list[Value]
    stack: Region


class Interpreter:
    """Runs programs on a system. `helpers` are by number; `budget` is of instructions, for one run."""

    def __init__(
        self, system: System, helpers: Mapping[int, Helper], budget: int, stacks: Sequence[Region] | None = None
    ) -> None:  # fmt: skip
        """stacks: of the frames, where another tier has them already."""
        self.system, self.arena, self.helpers, self.budget = system, system.arena, helpers, budget
        self.code: Code | None = None
        self.context: Context | None = None
        self.registers: list[Value] = [None] * 11
        self.slot = 0
        self.executed = 0
        self.watch: Callable[[Step, int], None] | None = None  # called before each instruction, with how many ran
        self.warnings: dict[int, str] = {}  # slot -> what is doubtful there, the first time
        self._stacks = stacks or stacks_of(self.arena)
        self._frames: list[Frame] = []
        self._patience = 0
        self._tails = 0
        self.tails_before = 0  # tail calls that another tier made in the run
        self._next: Code | None = None
        self._poison: list[bytes] = []

    def run(
        self, code: Code, context: Context, seed: int, registers: Mapping[int, Operand], slot: int = 0
    ) -> int:  # fmt: skip
        """r0 at the end, an unsigned 64-bit number. registers: what some hold at the start, besides r1 and r10.

        slot: of the function to run.

        Raises Stop for a machine fault; `slot` of `code.program` is then its place.
        """
        self.code, self.context = code, context
        self.registers[:] = [None] * 11
        self.registers[1] = context.pointer()
        for number, value in registers.items():
            self.registers[number] = value
        self._poison = poison(seed)
        self._frames, self._next = [], None
        self._patience, self._tails = MAY_GOTO, self.tails_before
        self.executed = 0
        self.warnings = {}
        self._enter(0)
        return self._loop(slot)

    @property
    def calls(self) -> list[tuple[ProgramSpec, int]]:
        """The frames around the one that runs, innermost first: the program and the slot that each goes back to."""
        return [(frame.code.program, frame.slot) for frame in reversed(self._frames)]

    def call(self, slot: int, arguments: Sequence[Operand]) -> int:
        """Part of Caller: a callback runs in a frame of its own."""
        here, saved = self.slot, self.registers[:]
        self._push(END)
        self.registers[1:6] = *arguments, *[0] * (5 - len(arguments))
        value = self._loop(slot)
        self.registers[:] = saved
        self.slot = here
        return value

    def tail_call(self, code: Code) -> bool:
        """Part of Caller: at most TAIL_CALLS in one run."""
        if self._tails >= TAIL_CALLS:
            return False
        self._tails += 1
        self._next = code
        return True

    def _enter(self, depth: int) -> None:
        """A fresh frame: poisoned stack, r10 at its end. A region of its own, so that what outlives it is told."""
        home = self._stacks[depth]
        home.data[:] = self._poison[depth]
        stack = Region(home.name, home.base, STACK, "stack", home.data, written=0)
        home.within = lambda offset: Pointer(stack, offset)
        self.registers[10] = Pointer(stack, STACK)

    def _loop(self, slot: int) -> int:  # noqa: C901, PLR0915 - calls in it would cost a third of the speed
        """Run from `slot` of the current code to the end of the function that was entered last: its r0."""
        assert self.code is not None
        rows, registers, executed = self.code.rows, self.registers, self.executed
        alu, jump, load, store = Kind.ALU, Kind.JUMP, Kind.LOAD, Kind.STORE
        pause = executed if self.watch is not None else self.budget
        try:
            while True:
                step, kind, slot, dst, src, b, cut, compute, bits = rows[slot]
                if executed >= pause:
                    pause = self._pause(step, executed)
                executed += 1
                if kind is alu:
                    a = registers[dst]
                    if src is not None:
                        b = registers[src]
                    if a.__class__ is int and b.__class__ is int:
                        registers[dst] = compute(a & cut, b & cut, bits) & cut
                    else:
                        registers[dst] = self._alu(step, a, b)
                elif kind is jump:
                    a = registers[dst]
                    if src is not None:
                        b = registers[src]
                    if a.__class__ is not int or b.__class__ is not int:
                        a, b = self.number(dst, a), self.number(src, b)
                    if compute(a & cut, b & cut, bits):
                        slot = step.target
                elif kind is load:
                    a = registers[src]
                    registers[dst] = self._load(step, a) if a.__class__ is Pointer else self._load_at(step)
                elif kind is store:
                    a = registers[dst]
                    if src is not None:
                        b = self._known(src)
                    self._store(step, a if a.__class__ is Pointer else self._address(dst), b)
                else:
                    slot = self._other(step, executed)
                    if slot == END:
                        return self.number(0, registers[0])
                    executed, rows = self.executed, self.code.rows
        finally:
            if executed > self.executed:  # else the place is that of a function called back, or known
                self.slot, self.executed = step.slot, executed

    def _pause(self, step: Step, executed: int) -> int:
        """What is to be done before some instructions: how many are executed at the next such."""
        self.slot, self.executed = step.slot, executed
        if executed >= self.budget:
            raise Stop("budget", f"{self.budget} instructions were executed without reaching an end")
        if self.watch is None:
            return self.budget
        self.watch(step, executed)
        return executed + 1

    def _other(self, step: Step, executed: int) -> int:
        """Executes a rarer instruction; the slot to go on at."""
        self.slot, self.executed = step.slot, executed
        return OTHERS[step.kind](self, step)

    def _goto(self, step: Step) -> int:
        return step.target

    def _may_goto(self, step: Step) -> int:
        self._patience -= 1
        return step.target if self._patience < 0 else step.next

    def _imm64(self, step: Step) -> int:
        self.registers[step.dst] = step.value
        return step.next

    def _call(self, step: Step) -> int:
        if step.op.name == "call_local":
            return self._call_local(step)
        number = signed(step.operand, 32)
        helper = self.helpers.get(number) if step.value is None else step.value
        if helper is None:
            raise Stop("helper", f"{call_name(number)} is not emulated in this version")
        self.registers[0] = helper(self, self.registers[1:6])
        self.registers[1:6] = [None] * 5
        if self._next is None:
            return step.next
        self.code, self._next = self._next, None
        self._leave_stack()
        self._enter(len(self._frames))
        self.registers[1] = self._context().pointer()
        self.registers[6:10] = [None] * 4
        self.registers[0] = None
        return 0

    def _call_local(self, step: Step) -> int:
        self._push(step.next)
        return step.target

    def _push(self, back: int) -> None:
        """A new frame; r1 to r5 stay as arguments."""
        depth = len(self._frames) + 1
        if depth >= DEPTH:
            raise Stop("depth", f"a call makes {depth + 1} frames, the limit is {DEPTH}")
        stack = self.registers[10]
        assert isinstance(stack, Pointer), "r10 is never written"
        assert self.code is not None
        self._frames.append(Frame(back, self.code, self.registers[6:10], stack.region))
        self.registers[6:10] = [None] * 4
        self.registers[0] = None
        self._enter(depth)

    def _exit(self, step: Step) -> int:
        """Leave a function: the slot to go on at, END where the program ends or a helper goes on."""
        if not self._frames:
            return END
        frame = self._frames.pop()
        self._leave_stack()
        self.code = frame.code
        self.registers[6:10] = frame.saved
        self.registers[10] = Pointer(frame.stack, STACK)
        self.registers[1:6] = [None] * 5
        return frame.slot

    def _leave_stack(self) -> None:
        """What still points to the stack of the current frame points to nothing from now on."""
        left = self.registers[10]
        assert isinstance(left, Pointer), "r10 is never written"
        left.region.live = False

    def _context(self) -> Context:
        assert self.context is not None, "a program runs"
        return self.context

    def _load_sx(self, step: Step) -> int:
        value = self._load(step, self._address(step.src))
        self.registers[step.dst] = signed(_plain(value), step.op.bits) & M64
        return step.next

    def _load_acquire(self, step: Step) -> int:
        self.registers[step.dst] = self._load(step, self._address(step.src))
        return step.next

    def _store_release(self, step: Step) -> int:
        self._store(step, self._address(step.dst), self._known(step.src))
        return step.next

    def _atomic(self, step: Step) -> int:
        assert step.src is not None
        assert step.compute is not None
        bits, pointer, value = step.op.bits, self._address(step.dst), self._known(step.src)
        region, at = place(pointer, step.off, bits // 8, write=True)
        aligned(region, at, bits // 8)
        cut = mask(bits)
        old_operand = self._load(step, pointer)
        old = _plain(old_operand) & cut
        if step.op.name.startswith("atomic_cmpxchg"):
            if old == self.number(0, self.registers[0]) & cut:
                self._store(step, pointer, value)
            self.registers[0] = old_operand
            return step.next
        if step.op.name.startswith("atomic_xchg"):
            self._store(step, pointer, value)
        else:
            self._store(step, pointer, step.compute(old, _plain(value) & cut, bits) & cut)
        if step.op.fetches:
            self.registers[step.src] = old_operand
        return step.next

    def _packet(self, step: Step) -> int:
        """Legacy packet load: network order; past the packet's end the function returns 0, as in the kernel."""
        base = 0 if step.src is None else self.number(step.src, self.registers[step.src])
        found = self._context().legacy(base + step.operand, step.op.bits // 8)
        self.registers[0] = 0 if found is None else found
        if found is None:
            return self._exit(step)
        self.registers[1:6] = [None] * 5
        return step.next

    def _alu(self, step: Step, a: Value, b: Value) -> Operand:
        """Arithmetic in which a pointer or an unwritten register takes part."""
        name = step.op.name
        if name.startswith("mov64"):
            return self._written(step.src, b)
        if name.startswith("mov"):
            return self._compute(step, 0, self.number(step.src, b))
        if step.op.bits == 64 and name.startswith(("add64", "sub64")):
            b = self._written(step.src, b)
            a = self._written(step.dst, a)
            moved = _moved(a, b, 1 if name.startswith("add") else -1)
            if moved is not None:
                return moved
        first = self.number(step.dst, a)
        second = self.number(step.src, b) if "src" in step.op.uses or "imm" in step.op.uses else 0
        return self._compute(step, first, second)

    def _compute(self, step: Step, a: int, b: int) -> int:
        assert step.compute is not None
        return int(step.compute(a & step.cut, b & step.cut, step.op.bits)) & step.cut

    def _written(self, register: int | None, value: Value) -> Operand:
        if value is None:
            raise Stop("uninit", f"r{register} is read before it is written")
        return value

    def _known(self, register: int | None) -> Operand:
        assert register is not None
        return self._written(register, self.registers[register])

    def number(self, register: int | None, value: Value) -> int:
        """What a register holds, a pointer as its address; a fault where it was never written."""
        return _plain(self._written(register, value))

    def _address(self, register: int | None) -> Pointer:
        """What a register points to; a plain number is looked up."""
        value = self._known(register)
        return value if isinstance(value, Pointer) else resolve(self.arena, value)

    def _load_at(self, step: Step) -> Operand:
        """A load at a plain number."""
        value = self._known(step.src)
        if isinstance(value, int):
            found = kernel_word(self.system, value, step.off, step.size)
            if found is not None:
                return found
        return self._load(step, self._address(step.src))

    def _load(self, step: Step, pointer: Pointer) -> Operand:
        region, at, size = pointer.region, pointer.offset + step.off, step.size
        if not (0 <= at <= region.size - size and region.live and region.readable):
            place(pointer, step.off, size, write=False)  # says what is wrong
        context = self.context
        if context is not None and region is context.region and context.access is not None:
            return context.load(at, size)
        written = region.written
        if written != -1 and ~(written >> at) & step.touched:
            self._check_written(region, at, size, step.slot)
        value = int.from_bytes(region.data[at : at + size], "little")
        if size == 8 and at in region.shadow and region.shadow[at].address == value:
            return region.shadow[at]
        return value

    def _store(self, step: Step, pointer: Pointer, value: Operand) -> None:
        region, at, size = pointer.region, pointer.offset + step.off, step.size
        if not (0 <= at <= region.size - size and region.live and region.writable):
            if self.context is not None and self.context.holds(region):
                self.context.store(at, size, _plain(value) & step.kept)
                return
            place(pointer, step.off, size, write=True)  # says what is wrong
        if size == 8 and value.__class__ is Pointer:
            region.shadow[at] = value
        if region.written != -1:
            region.written |= step.touched << at
        number = value if value.__class__ is int else _plain(value)
        region.data[at : at + size] = (number & step.kept).to_bytes(size, "little")

    def _check_written(self, region: Region, at: int, size: int, slot: int) -> None:
        """Note a read of bytes that were never written; what is there is poison."""
        missing = ~(region.written >> at) & ((1 << size) - 1)
        if missing and slot not in self.warnings:
            count = missing.bit_count()
            what = "which were" if count == size else f"of which {count} were"
            self.warnings[slot] = f"read of {octets(size)} at {region.name}+{at}, {what} never written"

    def pointer(self, value: Value, what: str) -> Pointer:
        """Part of Caller."""
        if value is None:
            raise Stop("helper", f"{what} is in a register that was never written")
        return value if isinstance(value, Pointer) else resolve(self.arena, value)

    def read(self, value: Value, size: int, what: str) -> bytes:
        """Part of Caller."""
        region, at = place(self.pointer(value, what), 0, size, write=False)
        if region.written != -1:
            self._check_written(region, at, size, self.slot)
        return bytes(region.data[at : at + size])

    def write(self, value: Value, data: bytes, what: str) -> None:
        """Part of Caller."""
        region, at = place(self.pointer(value, what), 0, len(data), write=True)
        if region.written != -1:
            region.written |= ((1 << len(data)) - 1) << at
        region.data[at : at + len(data)] = data


def _plain(value: Operand) -> int:
    return value if isinstance(value, int) else value.address


def _moved(a: Operand, b: Operand, sign: int) -> Operand | None:
    """a + b or a - b where a pointer stays a pointer, or two of one region give a number; else None."""
    if isinstance(a, Pointer) and isinstance(b, int):
        return a.moved(sign * b)
    if isinstance(b, Pointer) and isinstance(a, int) and sign > 0:
        return b.moved(a)
    if isinstance(a, Pointer) and isinstance(b, Pointer) and sign < 0 and a.region is b.region:
        return (a.offset - b.offset) & M64
    return None


OTHERS: Mapping[Kind, Callable[[Interpreter, Step], int]] = {
    Kind.EXIT: Interpreter._exit,
    Kind.GOTO: Interpreter._goto,
    Kind.MAY_GOTO: Interpreter._may_goto,
    Kind.IMM64: Interpreter._imm64,
    Kind.CALL: Interpreter._call,
    Kind.LOAD_SX: Interpreter._load_sx,
    Kind.LOAD_ACQUIRE: Interpreter._load_acquire,
    Kind.STORE_RELEASE: Interpreter._store_release,
    Kind.ATOMIC: Interpreter._atomic,
    Kind.PACKET: Interpreter._packet,
}
