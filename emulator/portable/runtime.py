"""Running translated programs: memory in place, the helpers of the reference tier, faults in their place."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

from bpfvm.core.bits import M64
from bpfvm.emulator.access import aligned, kernel_word, place, resolve
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.caller import Operand, Stop, Value
from bpfvm.emulator.code import Code
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.interp import DEPTH, MAY_GOTO, STACK, TAIL_CALLS, Interpreter, poison, stacks_of
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.emulator.portable import origins
from bpfvm.emulator.portable.expressions import sdiv, smod, swapped_bytes
from bpfvm.emulator.portable.kinds import LOOKUP
from bpfvm.emulator.portable.origins import Origins
from bpfvm.emulator.portable.translate import STILL, Source, translate
from bpfvm.emulator.system import System
from bpfvm.tables.ctx import context_of
from bpfvm.tables.helpers import call_name
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

FILE = "<translated program>"
_UNPACK = {size: struct.Struct(f"<{letter}") for size, letter in ((2, "H"), (4, "I"), (8, "Q"))}


class Translated(NamedTuple):
    """functions: of a program, by slot. origins: of the arguments of its calls."""

    functions: dict[int, Callable[..., int]]
    origins: Origins


class Runtime:
    """The Python-source tier: what Interpreter is to the reference tier. Programs that read registers which may not
    have been written go to an Interpreter of their own, which tells of it in words."""

    def __init__(self, system: System, helpers: Mapping[int, Helper], budget: int) -> None:
        self.system, self.helpers, self.budget = system, helpers, budget
        self.code: Code | None = None
        self.context: Context | None = None
        self.slot = self.executed = 0
        self.warnings: dict[int, str] = {}
        self.poison: list[bytes] = []
        self.bounds = (0, 0, 0, 0)  # packet and context, each from its first byte to its end
        self.n = self.depth = self.patience = 0
        self.left = budget
        self.pending: Code | None = None
        self._tails = self._seed = 0
        self._is_placed = False  # whether `slot` is already the place of the fault under way
        self._functions: dict[tuple[str, tuple[int, ...]], Translated | None] = {}
        self._running = Translated({}, {})  # of `code`
        self._sources: dict[str, Source] = {}
        self.stacks = stacks_of(system.arena)
        self._homes = {one.base >> 16: one.base for one in self.stacks}
        self._answered = "map_lookup_elem" in system.answers
        self._reference: Interpreter | None = None
        self._pages: dict[int, tuple[int, int, bool]] = {}

    def run(
        self, code: Code, context: Context, seed: int, registers: Mapping[int, Operand], slot: int = 0
    ) -> int:  # fmt: skip
        """r0 at the end. Raises Stop for a machine fault; `slot` of `code.program` is then its place.

        slot: of the function to run; what a callback's arguments hold is known to no analysis.
        """
        if registers:
            given = tuple(sorted(registers)) if not slot else ()
            found = self._translated(code, given) if max(registers) <= 5 else None
        else:
            found = self._translated(code)
        if found is None:
            return self._by_reference(code, context, seed, registers, slot, self.budget)
        self.code, self.context, self._running, functions = code, context, found, found.functions
        self.poison = poison(seed)
        self.n, self.depth, self.pending, self._tails = 0, 0, None, 0
        self._seed, self._is_placed = seed, False
        self.patience, self.left = MAY_GOTO, self.budget
        self.warnings = {}
        self._pages.clear()
        self.moved()
        try:
            if not registers:
                result = functions[0](context.region.base, 0, 0, 0, 0, 0) & M64
            else:
                first = {1: context.pointer().address, **{at: _plain(one) for at, one in registers.items()}}
                result = functions[slot](*(first.get(register, 0) for register in range(1, 6)), 0) & M64
            if self.n > self.left:
                self.over()
            return result
        except Stop as stop:
            self._place(stop.__traceback__)
            raise
        finally:
            self.executed = self.n + self.budget - self.left

    def moved(self) -> None:
        """Read the bounds of packet and context again."""
        context = self.context
        assert context is not None
        packet, own = context.packet, context.region
        start, end = (packet.base, packet.base + packet.size) if packet is not None else (1, 0)
        self.bounds = (start, end, own.base, own.base + own.size)
        self._pages.clear()

    def number(self, register: int | None, value: Value) -> int:
        """Part of Caller."""
        if value is None:
            raise Stop("uninit", f"r{register} is read before it is written")
        return value if isinstance(value, int) else value.address

    def pointer(self, value: Value, what: str) -> Pointer:
        """Part of Caller."""
        if value is None:
            raise Stop("helper", f"{what} is in a register that was never written")
        return value if isinstance(value, Pointer) else resolve(self.system.arena, value)

    def read(self, value: Value, size: int, what: str) -> bytes:
        """Part of Caller."""
        region, at = place(self.pointer(value, what), 0, size, write=False)
        return bytes(region.data[at : at + size])

    def write(self, value: Value, data: bytes, what: str) -> None:
        """Part of Caller."""
        region, at = place(self.pointer(value, what), 0, len(data), write=True)
        region.data[at : at + len(data)] = data

    def call(self, slot: int, arguments: Sequence[Operand]) -> int:
        """Part of Caller: a callback runs in a frame of its own."""
        assert self.code is not None
        depth = self.depth
        given = [one if isinstance(one, int) else one.address for one in arguments]
        result = self._running.functions[slot](*given, *[0] * (5 - len(given)), depth + 1)
        self.depth = depth
        return result

    def tail_call(self, code: Code) -> bool:
        """Part of Caller: at most TAIL_CALLS in one run."""
        if self._tails >= TAIL_CALLS:
            return False
        self._tails += 1
        self.pending = code
        return True

    def help(self, number: int, *arguments: Value) -> int:
        """r0 of a helper."""
        helper = self.helpers.get(number)
        if helper is None:
            raise Stop("helper", f"{call_name(number)} is not emulated in this version")
        result = helper(self, self._given(arguments))
        if number not in STILL:
            self.moved()
        return result if result.__class__ is int else _plain(result)

    def _origins(self) -> Origins:
        """Of the program that runs."""
        return self._running.origins

    def _given(self, arguments: Sequence[Value]) -> list[Value]:
        """Arguments of the call at `slot`; those as pointers whose addresses may be in other objects than theirs."""
        given = list(arguments)
        for at, kind in self._origins().get(self.slot, {}).items():
            address = given[at]
            assert isinstance(address, int), "translated code has numbers"
            start = origins.start(kind, address, self.bounds, self.stacks[self.depth].base + STACK)
            with suppress(Stop):  # else it is the number that it is
                given[at] = resolve(self.system.arena, start & M64).moved(address - start)
        return given

    def lookup(self, *arguments: Value) -> int:
        """r0 of map_lookup_elem, mostly of a key on the stack."""
        handle, key, *_ = arguments
        store = self.system.handles.get(handle) if handle.__class__ is int else None
        if store is not None and key.__class__ is int and self.system.lock is None and not self._answered:
            home, size = self._homes.get(key >> 16), store.spec.key_size
            if home is not None and home <= key <= home + STACK - size and self.slot not in self._origins():
                return store.lookup(bytes(self.system.arena.view[key : key + size]))
        return self.help(LOOKUP, *arguments)

    def kernel_function(self, slot: int, *arguments: Value) -> int:
        """r0 of a kernel function that users gave."""
        assert self.code is not None
        result = _plain(self.code.steps[slot].value(self, self._given(arguments)))
        self.moved()
        return result

    def follow(self, depth: int) -> int:
        """Go on with the program of a tail call, in the frame at `depth`."""
        code, self.pending = self.pending, None
        assert code is not None
        if self.left <= 0:
            self.over()
        found = self._translated(code)
        if found is None:
            return self._follow_by_reference(code)
        self.code, self._running = code, found
        assert self.context is not None
        return found.functions[0](self.context.pointer().address, 0, 0, 0, 0, depth)

    def _follow_by_reference(self, code: Code) -> int:
        """The rest of a run behind a tail call to a program that reads what may not be written."""
        assert self.context is not None
        try:
            return self._by_reference(code, self.context, self._seed, {}, 0, self.left, self._tails)
        except Stop as stop:
            self._is_placed = True
            if stop.kind == "budget":
                self.over()
            raise
        finally:
            self.n += self.executed

    def load(self, address: int, off: int, size: int) -> int:
        """A read at `off` bytes from an address, which is in the object that is meant."""
        at = address + off
        page = self._pages.get(address >> 16)
        if page is None or not page[0] <= at <= page[1] - size:
            found = kernel_word(self.system, address & M64, off, size)
            if found is not None:
                return found
            pointer = self._resolved(address & M64)
            if self.context is not None and self.context.holds(pointer.region):
                value = self.context.load(pointer.offset + off, size)
                return value if isinstance(value, int) else value.address
            region, at = place(pointer, off, size, write=False)
            return int.from_bytes(region.data[at : at + size], "little")
        return int.from_bytes(self.system.arena.view[at : at + size], "little")

    def store(self, address: int, off: int, size: int, stored: int) -> None:
        """A write at `off` bytes from an address, which is in the object that is meant."""
        at = address + off
        page = self._pages.get(address >> 16)
        if page is None or not page[2] or not page[0] <= at <= page[1] - size:
            pointer = self._resolved(address & M64)
            if self.context is not None and self.context.holds(pointer.region):
                self.context.store(pointer.offset + off, size, stored)
                return
            region, at = place(pointer, off, size, write=True)
            region.data[at : at + size] = stored.to_bytes(size, "little")
        self.system.arena.view[at : at + size] = stored.to_bytes(size, "little")

    def atomic(self, address: int, off: int, size: int) -> int:
        """The address of an atomic access at `off` bytes from an address, checked."""
        region, at = place(resolve(self.system.arena, address & M64), off, size, write=True)
        aligned(region, at, size)
        return address + off & M64

    def packet(self, at: int, size: int) -> int:
        """A legacy packet load, -1 outside of the packet."""
        assert self.context is not None
        found = self.context.legacy(at, size)
        return -1 if found is None else found

    def too_deep(self, depth: int) -> None:
        raise Stop("depth", f"a call makes {depth + 1} frames, the limit is {DEPTH}")

    def over(self) -> None:
        raise Stop("budget", f"{self.budget} instructions were executed without reaching an end")

    def _resolved(self, address: int) -> Pointer:
        """The object at an address; one that is alone on its pages is remembered."""
        pointer = resolve(self.system.arena, address)
        region = pointer.region
        if self._is_alone(region):
            self._pages[address >> 16] = (region.base, region.base + region.size, region.writable)
        return pointer

    def _is_alone(self, region: Region) -> bool:
        """Whether nothing else is on the pages of a region that may be read."""
        if region.kind == "packet":
            frame = self.context.frame if self.context is not None else None
            return region.live and frame is not None and frame.is_alone
        return region.live and region.readable and region.kind not in ("map value", "context", "record")

    def _translated(self, code: Code, given: tuple[int, ...] = ()) -> Translated | None:
        """A program's functions; given: registers that the input sets."""
        key = code.program.name, given
        if key not in self._functions:
            self._functions[key] = self._compile(code, given)
        return self._functions[key]

    def _compile(self, code: Code, given: tuple[int, ...]) -> Translated | None:
        kind = PROGRAM_TYPES[code.program.type]
        layout = context_of(kind, self.system.arch)
        fields = {one.offset: one.pointer for one in layout.fields if one.pointer} if layout else {}
        source = translate(code.program, self.system, fields, layout.size if layout else None, given)
        if source is None:
            return None
        file = f"{FILE} {code.program.name} {given}"
        self._sources[file] = source
        names = self._names()
        exec(compile("\n".join(source.text), file, "exec"), names)
        return Translated({slot: names[name] for slot, name in source.functions.items()}, source.origins)

    def _names(self) -> dict[str, Any]:
        """What translated code refers to."""
        view = self.system.arena.view
        names: dict[str, Any] = {
            "M": view, "RT": self, "DEPTH": DEPTH, "TOP": [one.base + STACK for one in self.stacks],
            "LD": self.load, "ST": self.store, "AT": self.atomic, "PKT": self.packet, "HELP": self.help,
            "KFUNC": self.kernel_function, "LOOKUP": self.lookup,
            "FOLLOW": self.follow, "DEEP": self.too_deep, "OVER": self.over, "MAPS": self.system.maps,
            "SDIV": sdiv, "SMOD": smod, "BE": swapped_bytes,
        }  # fmt: skip
        for size, form in _UNPACK.items():
            names[f"u{size}"], names[f"w{size}"] = form.unpack_from, form.pack_into
        if sys.byteorder == "little":  # else nothing is translated
            names |= {"H": view.cast("H"), "I": view.cast("I"), "Q": view.cast("Q")}
        return names

    def _by_reference(
        self, code: Code, context: Context, seed: int, registers: Mapping[int, Operand], slot: int, left: int,
        tails: int = 0,
    ) -> int:  # fmt: skip
        """Run on the reference tier. left: of the budget. tails: tail calls that were made before."""
        if self._reference is None:
            self._reference = Interpreter(self.system, self.helpers, self.budget, self.stacks)
        interpreter = self._reference
        interpreter.budget, interpreter.tails_before = left, tails
        try:
            return interpreter.run(code, context, seed, registers, slot)
        finally:
            self.code, self.slot, self.executed = interpreter.code, interpreter.slot, interpreter.executed
            self.warnings = interpreter.warnings

    def _place(self, trace: TracebackType | None) -> None:
        """Find the instruction that stopped the run, and count what was executed in frames that did not return."""
        while trace is not None:
            source = self._sources.get(trace.tb_frame.f_code.co_filename)
            if source is not None:
                slot, count = source.lines.get(trace.tb_lineno, (self.slot, 0))
                self.slot = self.slot if self._is_placed else slot
                self.n += trace.tb_frame.f_locals.get("n", 0) + count
            trace = trace.tb_next


def _plain(value: Operand) -> int:
    return value if isinstance(value, int) else value.address


__all__ = ["Runtime"]
