"""A function of a random program while it is being written: what its registers hold, and the code so far.

Between two actions every register holds a number, but for `home`, the pointer to the memory that the program was given,
r10, and what a loop keeps for itself (`locked`). An action may use any other register as it likes and leaves a number
in it. Numbers come from memory, so that a verifier knows nothing of them and a JIT has to compute.

The given memory is, by the program's type, the context itself, a packet that is written in place, or a map's value.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from bpfvm.fuzz import edges
from bpfvm.fuzz.edit import Step, closed
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj.model import MapSpec
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

R0, R1, R2, R6, R10 = 0, 1, 2, 6, 10
SCRATCH = frozenset(range(6))  # what calls spoil
DATA = 256  # bytes of the given memory that programs read and write as they like
LOG = 256  # bytes behind them, where registers are noted
SIZE = DATA + LOG
PACKET = 128  # bytes of a packet that its program cannot write, or more
WORD = 8

MEMORY = {"syscall": "context", "xdp": "packet", "sched_cls": "packet", "socket_filter": "value", "cgroup_skb": "value"}

GIVEN = MapSpec("given", "array", 4, SIZE, 1)  # the given memory that is a map's value
VALUE = MapSpec("value", "array", 4, 128, 1)  # addressed directly
TABLE = MapSpec("table", "array", 4, 24, 4)  # looked up


class Code:
    """Instructions with labels, and what all functions of one program share.

    kind: the program's type. waiting: functions that are called and not written yet. planted: offset -> number that
    inputs should have there, because the program compares with it. calls: places that call functions; jumps: branches
    and loops. act: writes some random actions.
    """

    def __init__(self, rng: random.Random, kind: str, act: Callable[[Body, int], None]) -> None:
        self.rng, self.kind, self.act = rng, kind, act
        self.waiting: list[Callee] = []
        self.callees: list[Callee] = []
        self.planted: dict[int, int] = {}
        self.calls = 0
        self.jumps = 0
        self._steps: list[tuple[Insn, int | None]] = []
        self._places: list[int | None] = []
        self._logged = 0

    @property
    def memory(self) -> str:
        """What the given memory is: "context", "packet" or "value"."""
        return MEMORY[self.kind]

    @property
    def has_fields(self) -> bool:
        """Whether the context is one with fields, which functions hand on."""
        return PROGRAM_TYPES[self.kind].context is not None

    @property
    def packet(self) -> int:
        """Bytes of the packet that the program sees, or more; some packets are shorter."""
        return SIZE if self.memory == "packet" else PACKET

    def emit(self, one: Insn, label: int | None = None) -> None:
        """Append an instruction; label: where it leads."""
        self._steps.append((one, label))

    def label(self) -> int:
        """A label without a place."""
        self._places.append(None)
        return len(self._places) - 1

    def place(self, label: int) -> None:
        """The label stands before the next instruction."""
        self._places[label] = len(self._steps)

    def next_log(self) -> int:
        """Where the next register is noted, over older ones when the room is used up."""
        self._logged += 1
        return DATA + (self._logged - 1) * WORD % LOG

    def finish(self) -> tuple[Insn, ...]:
        """The instructions with their distances."""
        return closed([Step(one, None if label is None else self._places[label]) for one, label in self._steps])


@dataclass(frozen=True, slots=True)
class Callee:
    """A function to be called. level: frames above it; it calls only functions of higher levels.

    memory: what the given memory is there. fields: whether it gets the context, in r2. by: the helper that calls it.
    """

    label: int
    level: int
    memory: str
    fields: bool
    by: str | None = None


@dataclass(slots=True)
class Body:
    """home: the register that points to the given memory, which is of the kind `memory`. frame: bytes of stack, all
    written before anything else. fields: whether the context is kept on the stack.

    calls: whether helpers and functions may be called; `home` then is a register that calls keep. narrow: whether
    only 0 and 1 may be returned.
    """

    code: Code
    level: int
    home: int
    memory: str
    fields: bool
    frame: int
    calls: bool
    actions: int
    narrow: bool = False
    locked: set[int] = field(default_factory=set)
    nesting: int = 0
    loops: int = 0

    @property
    def rng(self) -> random.Random:
        return self.code.rng

    @property
    def free(self) -> list[int]:
        """Registers that hold numbers and may be written."""
        return [one for one in range(R10) if one != self.home and one not in self.locked]

    def register(self, without: tuple[int, ...] = ()) -> int:
        """One of the free registers."""
        return edges.register(self.rng, [one for one in self.free if one not in without])

    def source(self, dst: int) -> int:
        """A register with a number, `dst` itself more often than by chance."""
        return dst if self.rng.random() < 0.15 else self.register()

    @property
    def context(self) -> int:
        """Where on the stack, from r10, a function keeps the context."""
        return -self.frame - WORD

    def emit(
        self, name: str, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0, symbol: str | None = None
    ) -> None:
        """Append an instruction by the name of its row."""
        self.code.emit(insn(name, dst, src, off, imm, symbol))

    def data_offset(self, size: int) -> int:
        """An aligned place in the given memory."""
        return self.rng.randrange(0, DATA, size)

    def slot(self, size: int) -> int:
        """An aligned place in the frame, from r10."""
        return -self.rng.randrange(size, self.frame + 1, size)

    def renumber(self, register: int, home: int | None = None) -> None:
        """Put a number into a register, whatever it held. home: what points to the given memory, if it is no other."""
        choice, home = self.rng.random(), self.home if home is None else home
        if choice < 0.7:
            self.emit("ldx64", register, home, self.data_offset(8))
        elif choice < 0.8:
            self.emit("ldx32", register, home, self.data_offset(4))
        elif choice < 0.9:
            self.emit("mov64_k", register, imm=edges.immediate(self.rng))
        else:
            self.emit("lddw", register, imm=edges.number(self.rng))

    def log(self, register: int) -> None:
        """Note a register in the given memory."""
        self.emit("stx64", self.home, register, self.code.next_log())

    def maybe_log(self, register: int) -> None:
        if self.rng.random() < 0.3:
            self.log(register)

    def begin(self) -> None:
        """The frame and every register hold numbers from now on. r1 is the given memory and `home` points to it."""
        if self.fields and self.level:
            self.emit("stx64", R10, R2, self.context)
            self.renumber(R2, R1)
        if self.home != R1:
            self.emit("mov64_x", self.home, R1)
            self.renumber(R1)
        self.fill([one for one in self.free if self.level == 0 or one not in SCRATCH or one == R0])

    def fill(self, fresh: list[int]) -> None:
        """Numbers into the registers that hold nothing yet, and into the frame."""
        for one in fresh:
            self.renumber(one)
        for at in range(WORD, self.frame + 1, WORD):
            if self.rng.random() < 0.2:
                self.emit("st64", R10, 0, -at, edges.immediate(self.rng))
            else:
                self.emit("stx64", R10, self.register(), -at)

    def leave(self) -> None:
        """Return what r0 holds, as far as it may be returned."""
        if self.narrow:
            self.emit("and64_k", R0, imm=int(not self.level or self.rng.random() < 0.3))
        self.emit("exit")

    def end(self) -> None:
        """Note every register and return."""
        for one in self.free:
            self.log(one)
        self.leave()
