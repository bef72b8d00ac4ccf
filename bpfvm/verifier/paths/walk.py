"""What a walk over a program keeps: the program, the path that it is on, what is left to walk, what was seen.

Functions of the other modules take it as their first argument; `explore` moves it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.view import TypeView
from bpfvm.tables.progs import ProgramType
from bpfvm.verifier.domain.regs import NONE, NOT_SET, MapInfo, Reg
from bpfvm.verifier.domain.state import FP, State, Step
from bpfvm.verifier.errors import Rejected, Undecided
from bpfvm.verifier.paths.stacklive import StackLiveness
from bpfvm.verifier.program.code import Code, Marks
from bpfvm.verifier.report.log import Log, frame_text
from bpfvm.verifier.structures.fields import Record

LIMIT = 1_000_000  # instructions that are walked
BRANCHES = 8192  # that wait to be walked
EVERY = 2048  # instructions walked between words on the progress
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Traced:
    """What a program is loaded for that the kernel's types tell: a tracepoint, an iterator, or a member of a table.

    table: "tracepoint", "iterator", or the structure that the member stands in. name: of it. params: ids of types.
    is_void: it returns nothing.
    """

    table: str
    name: str
    types: TypeView
    params: tuple[int, ...]
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What a program is loaded as. maps: by the slot of the instruction that names one.

    gpl: its license is compatible. strict: BPF_F_STRICT_ALIGNMENT. sleepable: it may sleep. cpus: that the kernel
    numbers (nr_cpu_ids). btf: the program's types. types: the kernel's. traced: of
    programs whose context is a list of arguments. catcher: the first instruction of the function
    that takes what is thrown.
    """

    row: ProgramType
    attach_type: str | None
    maps: Mapping[int, MapInfo]
    gpl: bool = True
    strict: bool = False
    sleepable: bool = False
    cpus: int = 64
    btf: Btf | None = None
    types: TypeView | None = None
    catcher: int | None = None
    traced: Traced | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A branch that is to be walked: its state, its first instruction, where it came from, how long the log was."""

    state: State
    at: int
    before: int
    log: int


@dataclass(slots=True, eq=False)
class Loop:
    """One that paths come back to (loops.py). first: the state that entered it. edges: states that were covered by one
    inside, where, and that one."""

    first: State | None = None
    edges: list[tuple[State, int, State]] = field(default_factory=list)


class Walk:
    """at: the instruction that is walked. before: the one before it on this path. processed: how many were walked."""

    def __init__(
        self, code: Code, marks: Marks, setting: Setting, log: Log, budget: int, progress: Progress | None = None
    ) -> None:
        self.code, self.marks, self.setting, self.log, self.budget = code, marks, setting, log, budget
        self.progress = progress
        self.pause = 0  # instructions walked, when to look at limits and tell the progress
        self.state = State()
        self.at, self.before = 0, -1
        self.processed, self.jumps = 0, 0
        self.kept_processed, self.kept_jumps = 0, 0
        self.last_id = 0
        self.waiting: list[Waiting] = []
        self.seen: dict[tuple[int, int], list[State]] = {}
        self.states, self.most_states, self.peak_states = 0, 0, 0
        self.step: Step | None = None
        self.stack = StackLiveness(code, marks)
        self.touched_regs: set[int] = set(range(11))
        self.touched_slots: set[int] = set(range(64))
        self.visits = [0] * len(code)
        self.stack_depth: dict[int, int] = {}
        self.calls: dict[int, set[int]] = {}
        self.accessed: dict[int, str] = {}  # the kind of pointer that each load and store follows
        self.bad: Mapping[int, str] = {}  # words for instructions with fields that they do not have
        self.inline: dict[int, tuple[bool, int]] = {}
        self.loops: dict[tuple[int, ...], Loop] = {}
        self.edges = 0  # of all loops
        self.called: set[int] = set()  # functions that are verified by themselves
        self.records: dict[int, Record] = {}  # the kernel's fields in structures of the program

    # Words

    def say(self, line: str) -> None:
        """A line before the last of a refusal."""
        self.log.reason(line)

    def refuse(self, message: str) -> NoReturn:
        """The program is refused at this instruction, in the kernel's words."""
        self.log.reason(message)
        raise Rejected(message, self.at)

    def undecided(self, feature: str) -> NoReturn:
        """The program uses something that the model does not know."""
        raise Undecided(f"uses {feature}")

    def show(self) -> None:
        """Log what the last instruction changed."""
        if self.log.level:
            self.log.after(self.at, frame_text(self.state, len(self.state.frames) - 1,
                                               self.touched_regs, self.touched_slots))  # fmt: skip
            self.touched_regs.clear()
            self.touched_slots.clear()

    def touch_all(self) -> None:
        """The next line of the log shows everything."""
        self.touched_regs.update(range(11))
        self.touched_slots.update(range(64))

    # Registers of the innermost frame

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def source(self, number: int) -> Reg:
        """A register that is read."""
        self.touched_regs.add(number)
        reg = self.state.frames[-1].regs[number]
        if reg.kind == NONE:
            self.refuse(f"R{number} !read_ok")
        return reg

    def target(self, number: int) -> None:
        """A register that is going to be set."""
        self.touched_regs.add(number)
        if number == FP:
            self.refuse("frame pointer is read only")

    def set(self, number: int, reg: Reg) -> None:
        self.state.frames[-1].regs[number] = reg

    def clobber(self, numbers: Sequence[int]) -> None:
        """A call leaves nothing in them."""
        regs = self.state.frames[-1].regs
        for number in numbers:
            regs[number] = NOT_SET

    # Steps

    def remember(self, stack: tuple[int, int] | None = None, linked: tuple[tuple[int, bool, int], ...] = ()) -> None:
        """Note how the path came to this instruction, and what precision has to follow through it."""
        old = self.step
        history = self.state.history
        if old is not None:
            self.step = Step(old.at, old.before, old.stack or stack, old.linked or linked)
            history[-1] = self.step
            return
        self.step = Step(self.at, self.before, stack, linked)
        history.append(self.step)

    def every_reg(self, state: State) -> list[tuple[int, bool, int, Reg]]:
        """All registers and spilled ones: (frame, is a register, which, what it is)."""
        found: list[tuple[int, bool, int, Reg]] = []
        for number, frame in enumerate(state.frames):
            found += [(number, True, at, reg) for at, reg in enumerate(frame.regs) if reg.kind != NONE]
            found += [(number, False, at, slot.reg) for at, slot in frame.stack.items()
                      if slot.types[0] == 3 and slot.reg.kind != NONE]  # fmt: skip
        return found


def put(state: State, frame: int, is_reg: bool, at: int, reg: Reg) -> None:
    """Put `reg` where `every_reg` found one."""
    from bpfvm.verifier.domain.state import Slot

    if is_reg:
        state.frames[frame].regs[at] = reg
    else:
        state.frames[frame].stack[at] = Slot(state.frames[frame].stack[at].types, reg)
