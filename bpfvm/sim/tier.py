"""The tier that is CPython: a run is a call of the user's function, and helpers are those of the emulator.

What a function asks for while it runs (bpfvm.lang.active.Machine) goes the way of compiled code: a helper gets numbers
and addresses in the arena, and memory is the arena's. So maps, packets, contexts and helpers have one meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import M64, mask
from bpfvm.core.errors import Unavailable
from bpfvm.emulator.access import resolve
from bpfvm.emulator.answers import kernel_function
from bpfvm.emulator.arguments import Helper, map_of
from bpfvm.emulator.caller import Operand, Stop, Value
from bpfvm.emulator.code import Code
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.contexts.frame import Frame
from bpfvm.emulator.helpers import IMPLEMENTED
from bpfvm.emulator.interp import TAIL_CALLS, Interpreter, poison
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.emulator.system import System
from bpfvm.lang.faults import PacketError
from bpfvm.lang.functions.signature import RESULT_OFFSET, WORD
from bpfvm.lang.maps import Map, timers
from bpfvm.lang.packets.headers import FARTHEST
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.helpers import BY_NAME, Arg
from bpfvm.tables.helpers.callbacks import places
from bpfvm.tables.progs import ProgramType

_SCRATCH = 1 << 16  # bytes for objects that helpers get the address of; the oldest make room


class Jump(BaseException):
    """A tail call: the function that made it is left, whatever it would do next."""

    def __init__(self, code: Code) -> None:
        super().__init__()
        self.code = code


class Function(Interpreter):
    """Calls a function where other tiers execute its instructions.

    enter: calls it, and gives r0. handles: of declared maps, by identity, the address that is the map for helpers.
    """

    def __init__(
        self, system: System, table: Mapping[int, Helper], budget: int, enter: Callable[[Function], int],
        handles: Callable[[], Mapping[int, int]], program_type: ProgramType, declared: Mapping[str, Map],
    ) -> None:  # fmt: skip
        super().__init__(system, table, budget)
        self._enter_function, self._handles, self._type = enter, handles, program_type
        self._declared = declared
        self.due: Callable[[], None] | None = None  # the callback of a timer, while that runs
        self._scratch: Region | None = None
        self._used = 0
        self.probe_faults, self.direct = False, program_type.direct
        self._records: set[int] = set()  # of rings, that the program has yet to give back
        self._dynptrs: set[int] = set()  # to such records
        self._kept: list[Region] = []  # objects of runs that are over
        self._used_up: list[Region] = []  # and of this one
        self._constants: dict[bytes, int] = {}
        self._turns: list[Callable[..., int]] = []  # of helpers that call functions, the innermost last

    def tail_call(self, code: Code) -> bool:
        """Part of Caller: leave the function that runs, for another program's. At most TAIL_CALLS in one run."""
        if self._tails >= TAIL_CALLS:
            return False
        self._tails += 1
        raise Jump(code)

    def run(
        self, code: Code, context: Context, seed: int, registers: Mapping[int, Operand], slot: int = 0
    ) -> int:  # fmt: skip
        """r0 of the function as an unsigned 64-bit number. Raises Stop for what a program must not do."""
        self.code, self.context, self.slot = code, context, slot
        self._poison, self._frames = poison(seed), []
        self.executed, self.warnings, self._used, self._tails = 0, {}, 0, 0
        self._kept, self._used_up = [*self._kept, *self._used_up], []
        self.due = self._callback(slot, registers) if slot else None
        return self._enter_function(self) & M64

    def _callback(self, slot: int, registers: Mapping[int, Operand]) -> Callable[[], None]:
        """A call of what `start_timer` was given. registers: r2 and r3 are the key and the value."""
        function, owner = self.system.timers.functions[slot - 1]
        key, value = (self.number(None, registers[number]) for number in (2, 3))
        return partial(timers.fire, self, function, owner, key, value)

    def arguments(self) -> bytes:
        """The words of a function of scalars."""
        return bytes(self._context().region.data)

    def give(self, result: int) -> None:
        """Store the result of a function of scalars."""
        self._context().region.data[RESULT_OFFSET : RESULT_OFFSET + WORD] = result.to_bytes(WORD, "little")

    def give_back(self) -> None:
        """Do what a fault exit does with what a program holds: sections that it began end."""
        self.system.sections.clear()
        self.system.lock = None
        for address in list(self._records):
            self.helper("ringbuf_discard", address, 0)
        for address in list(self._dynptrs):
            self.helper("ringbuf_discard_dynptr", address, 0)
        sockets = {one.base for one in self.system.sockets.values()}
        for address in [one & M64 for one in self.system.owned if one & M64 in sockets]:
            self.helper("sk_release", address)

    # Part of bpfvm.lang.active.Machine

    def handle(self, declared: Any) -> int:
        return self._handles()[id(declared)]

    def helper(self, name: str, *arguments: int) -> int:
        row = BY_NAME[name]
        given: list[Value] = [*(one & M64 for one in arguments), *[None] * (5 - len(arguments))]
        result = self.number(0, self.helpers[row.id](self, given))
        if name == "ringbuf_reserve" and result:
            self._records.add(result)
        elif name in ("ringbuf_submit", "ringbuf_discard"):
            self._records.discard(arguments[0])
        elif name == "ringbuf_reserve_dynptr":
            self._dynptrs.add(arguments[3])
        elif name in ("ringbuf_submit_dynptr", "ringbuf_discard_dynptr"):
            self._dynptrs.discard(arguments[0])
        return result

    def walk(self, handle: int) -> Iterator[tuple[int, int]]:
        return map_of(self, handle, "a map").walk()

    def called(self, name: str, words: Sequence[int], turn: Callable[..., int]) -> int:
        given = list(words)
        for place, value in zip(places(name), (len(self._turns), 0), strict=True):
            given.insert(place, value)
        row = BY_NAME[name]
        decoded: list[Any] = [*given, *[0] * (len(row.args) - len(given))]
        for at, kind in enumerate(row.args):
            if kind is Arg.MAP:
                decoded[at] = map_of(self, decoded[at] & M64, f"argument {at + 1} of {row.called}")
            elif kind is Arg.ANY:
                decoded[at] &= M64
        self._turns.append(turn)
        try:
            return self.number(0, IMPLEMENTED[name](self, *decoded) or 0)
        finally:
            self._turns.pop()

    def call(self, slot: int, arguments: Sequence[Operand]) -> int:
        """Part of Caller: a callback, of those that run now."""
        return self._turns[slot](*(self.number(None, one) for one in arguments[:-1]))

    def start_timer(self, address: int, callback: Callable[..., Any], after: int) -> bool:
        at = resolve(self.arena, address)
        home = at.region.owner.handle.base
        owner = next(one for one in self._declared.values() if self._handles()[id(one)] == home)
        self.helper("timer_init", address, home, timers.CLOCK_MONOTONIC)
        given, row = self.system.timers.functions, (callback, owner)
        if row not in given:
            given.append(row)
        IMPLEMENTED["timer_set_callback"](self, at, given.index(row) + 1)
        return self.helper("timer_start", address, after, 0) == 0

    def kfunc(self, name: str, *arguments: int) -> int:
        assert self.code is not None, "a program runs"
        found = self._answered(name) or self.system.kfuncs(name, self.code.program.type)
        if found is None:
            raise Unavailable(f"engine cpython calls {name}, a kernel function that is not emulated in this version")
        given: list[Value] = [*(one & M64 for one in arguments), *[None] * (5 - len(arguments))]
        return self.number(0, found(self, given))

    def _answered(self, name: str) -> Helper | None:
        """The user's function in place of a kernel function."""
        given, extern = self.system.answers.get(name), self.system.spec.externs.get(name)
        return kernel_function(extern, self.system.spec, given) if given is not None and extern is not None else None

    def context_address(self) -> int:
        return self._context().region.base

    def program_type(self) -> str:
        assert self.code is not None, "a program runs"
        return self.code.program.type

    def load(self, address: int, size: int) -> bytes:
        return self.read(address, size, "an address")

    def store(self, address: int, data: bytes) -> None:
        self.write(address, data, "an address")

    def place(self, data: bytes) -> int:
        if self._scratch is None:
            self._scratch = self.arena.allocate("the stack", _SCRATCH, "stack")
        room = -(-len(data) // 8) * 8
        if room > _SCRATCH:
            raise Stop("access", f"an object of {octets(len(data))} does not fit the stack")
        if self._used + room > _SCRATCH:
            self._used = 0
        at, self._used = self._used, self._used + room
        self._scratch.data[at : at + len(data)] = data
        return self._scratch.base + at

    def keep(self, size: int) -> int:
        room = next((one for one in self._kept if one.size == size), None)
        if room is None:
            room = self.arena.allocate("the stack", size, "stack")
        else:
            self._kept.remove(room)
            room.data[:] = bytes(size)
        self._used_up.append(room)
        return room.base

    def constant(self, data: bytes) -> int:
        if data not in self._constants:
            region = self.arena.allocate("a constant", len(data), "map value", writable=False)
            region.data[:] = data
            self._constants[data] = region.base
        return self._constants[data]

    def trace(self, line: str) -> None:
        self.system.trace.append(line)

    def field(self, offset: int, size: int) -> int:
        return self.number(1, self._context().load(offset, size))

    def set_field(self, offset: int, size: int, value: int) -> None:
        self._context().store(offset, size, value & mask(8 * size))

    @property
    def layer(self) -> str:
        return self._type.layer or "eth"

    def packet_length(self) -> int:
        frame = self._context().frame
        if frame is None:
            return 0
        tells = CONTEXTS[self._type.context or ""].open("len", False, self._type.name, None) is not None
        return frame.size if tells or not self.direct else frame.packet.size

    def packet_call(self, name: str, *arguments: int) -> int:
        given: list[Value] = [Pointer(self._context().region, 0), *arguments]
        return self.number(0, self.helpers[BY_NAME[name].id](self, [*given, *[None] * (5 - len(given))]))

    def packet_read(self, offset: int, size: int) -> bytes:
        return self._frame("read", offset, size).read(offset, size)

    def packet_write(self, offset: int, data: bytes) -> None:
        self._frame("write", offset, len(data)).write(offset, data)

    def meta_length(self) -> int:
        layout = CONTEXTS[self._type.context or ""]
        if layout.open("data_meta", False, self._type.name, None) is None:
            raise AttributeError(f"{an(self._type.name)} program sees no metadata before the packet")
        frame = self._context().frame
        return frame.start - frame.meta if frame is not None else 0

    def meta_read(self, offset: int, size: int) -> bytes:
        frame, at = self._before("read", offset, size)
        return frame.read(at, size)

    def meta_write(self, offset: int, data: bytes) -> None:
        frame, at = self._before("write", offset, len(data))
        frame.write(at, data)

    def _before(self, verb: str, offset: int, size: int) -> tuple[Frame, int]:
        """The packet, whose metadata must hold these bytes, and their place from its start on."""
        length, frame = self.meta_length(), self._context().frame
        if frame is None or offset < 0 or offset + size > length:
            raise PacketError(f"{size}-byte {verb} at metadata+{offset}, it is {octets(length)}")
        return frame, offset - length

    def _frame(self, verb: str, offset: int, size: int) -> Frame:
        """The packet, which must hold these bytes where the program reaches them: at addresses, it is what lies in one
        piece."""
        frame = self._context().frame
        length = 0 if frame is None else frame.packet.size if self.direct else frame.size
        if frame is None or offset < 0 or offset + size > min(length, FARTHEST):
            raise PacketError(f"{size}-byte {verb} at packet+{offset}, packet is {octets(length)}")
        return frame
