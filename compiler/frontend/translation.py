"""One function's translation: the IR that is built, the state at the point reached, the errors met on the way."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from bpfvm.compiler.frontend.control import held
from bpfvm.compiler.frontend.control.learned import Level
from bpfvm.compiler.frontend.functions.frame import Frame
from bpfvm.compiler.frontend.functions.outlined import Outlined
from bpfvm.compiler.frontend.memory import standing
from bpfvm.compiler.frontend.names.scope import Scope
from bpfvm.compiler.frontend.numbers import overflow
from bpfvm.compiler.frontend.numbers.ranges import shown
from bpfvm.compiler.frontend.source.span import Source
from bpfvm.compiler.frontend.state import Diags, End, FaultKey, State
from bpfvm.compiler.frontend.types import (
    BAD,
    INT,
    Bad,
    DiagKey,
    Kinds,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Reference,
    kind_names,
)
from bpfvm.compiler.ir.build import WORD, Block, Builder
from bpfvm.compiler.ir.facts import Conservative, Facts
from bpfvm.compiler.ir.function import Function, constants_map
from bpfvm.compiler.ir.types import Ptr, Type, Value, Word
from bpfvm.core.diag import Diag, Note
from bpfvm.core.span import Span
from bpfvm.lang.hooks import Hook
from bpfvm.lang.target import Target
from bpfvm.lang.types.interval import Interval
from bpfvm.obj.elf.datasec import RODATA
from bpfvm.obj.model import FaultSite

if TYPE_CHECKING:
    from bpfvm.compiler.frontend.control.held import Held
    from bpfvm.compiler.frontend.control.loops import Loop

Register = Value
Body = ast.FunctionDef | ast.Lambda
_TO_WORD = 30  # steps that an error takes as long as


class Translation:
    """Everything that the translation of one program shares. Expressions append at the builder's current block."""

    def __init__(
        self, program: Frame, hook: Hook, target: Function, machine: Target, body: Callable[[Translation, Body], None],
        recorded: bool = False,
    ) -> None:  # fmt: skip
        """target: where the code goes. machine: what it may rely on. body: translates the body of a function.
        recorded: it will be noted which fault ended a run."""
        self.frames: Final = [program]  # functions around this point, the innermost last
        self.hook: Final = hook
        self.target: Final = target
        self.machine: Final = machine
        self.recorded: Final = recorded
        self.body: Final = partial(body, self)
        self.functions: Final = {program.function: None}  # all that were translated
        self.told: Final[dict[int, list[DiagKey]]] = {}  # warnings of captured objects, by the objects' ids
        self.calls = 0  # of functions, that were written out
        self.reads: dict[Hashable, set[int]] = {}  # of what tells which header follows, by place: origins of numbers
        self.moves = 0  # of the packet, by calls that may put it elsewhere
        self.borrowed: dict[Register, Register] = {}  # copies of bytes of the packet that are stored back: to where
        self.before: set[Register] = set()  # addresses in the metadata before the packet
        self._stores = 0  # into memory, or by what is called
        self.spared: set[ast.AST] = set()  # what only gives its low bits, which ints="checked" does not test
        self.steps = self.wasted = 0  # expressions and names at joins; those of them that were taken back
        self.records: dict[Register, Held] = {}  # of rings, sockets of maps, dynptrs and their memory, by address
        self.presence: dict[Register, Register] = {}  # by a record's address, a number that is not 0 where there is one
        self.absent: dict[int, ast.AST] = {}  # by origin, where a value that may be None comes from
        self.discarded: ast.expr | None = None  # the expression of a statement, whose value nobody reads
        self.facts: Final[Facts] = Conservative()
        self.outlined = Outlined()  # shared with the subprograms' own translations
        self.callers: tuple[types.FunctionType, ...] = ()  # around a subprogram, the outermost first
        self.found: Diags = {}  # in this function itself
        self.builder = Builder(target)
        self.fault_blocks: dict[FaultKey, Block] = {}
        self._state: State | None = State()
        self.copies = 0  # bodies around this point that are written out more than once
        self.depth = 0  # of loops that helpers make around this point
        self.loops: list[Loop] = []  # around this point, the innermost last
        self.bases: set[int] = set()  # origins of the numbers at their heads
        self.level = Level()  # what is found of those inside of the innermost
        self.patience = 1 << 10  # for turns of loops that are followed one by one
        self.work = 0  # what loops make the kernel's verifier walk besides what stands in the text, in values

    def inner(self, frame: Frame, target: Function) -> Translation:
        """The translation of a subprogram that is called here."""
        made = Translation(frame, self.hook, target, self.machine, self.body.func, self.recorded)
        made.outlined = self.outlined
        made.callers = (*self.callers, *(one.function for one in self.frames))
        return made

    @property
    def frame(self) -> Frame:
        """The function that is translated here."""
        return self.frames[-1]

    @property
    def scope(self) -> Scope:
        """The names around it."""
        return self.frames[-1].scope

    # The text

    @property
    def source(self) -> Source:
        """The file that it stands in."""
        return self.frames[-1].source

    def span(self, node: ast.AST) -> Span:
        return self.source.span(node)

    def head(self, node: ast.AST) -> Span:
        """A statement's first word where it has a body, else all of the node."""
        return self.source.keyword(node) if isinstance(node, ast.stmt) else self.source.span(node)

    def last_name(self, node: ast.Attribute) -> Span:
        """The name at the end of a chain of attributes."""
        return self.source.last_name(node)

    def quoted(self, node: ast.AST) -> str:
        """A node's text, for messages."""
        return self.source.quoted(node)

    def operand(self, node: ast.AST) -> str:
        """A node's text as an operand, in parentheses where it needs them."""
        return self.source.operand(node)

    def between(self, first: ast.AST, last: ast.AST) -> Span:
        """From the start of one node to the end of another."""
        return self.source.between(first, last)

    def shown(self, range: Interval) -> str:
        """An interval for messages: numbers past 128 bits by their size."""
        return f"[{shown(range.lo)}, {shown(range.hi)}]"

    def lies(self, range: Interval) -> str:
        """Where a value lies, for messages."""
        return f"is {shown(range.lo)}" if range.constant is not None else f"lies in {self.shown(range)}"

    # Errors

    @property
    def diags(self) -> list[Diag]:
        """Everything found, in the order of the source."""
        own = self.frames[0].source.file

        def place(one: Diag) -> tuple[bool, str, int, int, str]:
            at = one.span
            return (at.file != own, at.file, at.line, at.col, one.code) if at else (False, "", 0, 0, one.code)

        return sorted((self.outlined.diags | self.found).values(), key=place)

    def may_be_none(self, node: ast.expr, value: Maybe | Nullable) -> Bad:
        """E030. value: what may be None."""
        text, is_place = self.quoted(node), isinstance(value, Nullable)
        raised = "AttributeError or TypeError" if is_place else "TypeError"
        return self.error(
            "E030",
            f"`{text}` may be None here",
            node,
            why=f"CPython would raise {raised} on the path on which it is None",
            help=f"test it first: if {text} is not None: ..."
            if isinstance(node, ast.Name)
            else f"bind it to a name and test that: x = {text}\nif x is not None: ...",
            notes=self.come_from(value),
        )

    def comes(self, value: object, node: ast.expr) -> None:
        """A value that may be None has come from `node`, where nothing is known of that yet."""
        if isinstance(value, Maybe | Nullable) and not isinstance(node, ast.Name):
            self.absent.setdefault(value.origin if isinstance(value, Nullable) else value.there.origin, node)

    def come_from(self, value: Maybe | Nullable) -> list[tuple[str, ast.AST]]:
        """A note of where what may be None comes from, where that is known."""
        source = self.absent.get(value.origin if isinstance(value, Nullable) else value.there.origin)
        return [] if source is None else [(f"it comes from `{self.quoted(source)}`", source)]

    def error(
        self, code: str, message: str, place: ast.AST | Span, *, why: str = "", help: str = "",
        notes: Sequence[tuple[str, ast.AST]] = (),
    ) -> Bad:  # fmt: skip
        """Note an error, once at each place. Its value is BAD, which silences what is made of it."""
        self.steps += _TO_WORD
        span = place if isinstance(place, Span) else self.span(place)
        beside = tuple(Note(text, self.span(node)) for text, node in notes)
        calls = [frame for frame in self.frames if frame.call is not None]
        beside += tuple(Note(f"in the call of `{one.function.__name__}`", one.call) for one in reversed(calls))
        self.found.setdefault((code, message, span), Diag(code, message, span, why, help, beside))
        return BAD

    def once(
        self, said: list[DiagKey], code: str, message: str, place: ast.AST, *, why: str = "", help: str = ""
    ) -> Bad:  # fmt: skip
        """Note an error unless one of `said` stands: those of translations that were taken back do not."""
        if not any(one in self.found for one in said):
            said.append((code, message, self.span(place)))
            self.error(code, message, place, why=why, help=help)
        return BAD

    def warn(
        self, code: str, message: str, place: ast.AST | Span, *, why: str = "", help: str = "",
        notes: Sequence[tuple[str, ast.AST]] = (),
    ) -> None:  # fmt: skip
        """Note a warning; not of a copy of code, of which more is known than of the code itself."""
        if not self.copies:
            self.error(code, message, place, why=why, help=help, notes=notes)

    def exact(self, number: Number, node: ast.expr) -> bool:
        """Rule R2: whether a register holds the exact value of `node`. E040 where it may not."""
        if number.range.exact:
            return True
        if len(number.kinds) > 1:
            self.disagreement(node, number.kinds, number.range)
            return False
        self.error(
            "E040",
            f"`{self.quoted(node)}` may not fit in 64 bits, and its exact value is needed here",
            node,
            why=overflow.why(self, node, number.range),
            help=overflow.help(self, node, number.range),
        )
        return False

    def disagreement(self, node: ast.AST, kinds: Kinds, exact: Interval) -> Bad:
        """E046: the classes that the value may have give different numbers."""
        names = kind_names(kinds)
        return self.error(
            "E046",
            f"`{self.quoted(node)}` is {names} depending on the path, and they give different numbers here",
            node,
            why=f"it can be anything in {self.shown(exact)}: u64 and s64 wrap what does not fit, int does not",
            help="make it one class on all paths, with u64(...), s64(...) or int(...)",
        )

    # Where the translation stands

    @property
    def stores(self) -> int:
        """How often something was stored so far."""
        return self._stores

    @property
    def reachable(self) -> bool:
        """Whether control can come here."""
        return self._state is not None and not self._state.dead

    @property
    def state(self) -> State:
        """What is known here."""
        assert self._state is not None, "nothing is translated where control cannot come"
        return self._state

    @state.setter
    def state(self, new: State) -> None:
        self._state = new

    def end(self) -> End:
        """This point as an end that a join takes."""
        return End(self.builder.block, self.state)

    def resume(self, end: End) -> None:
        """Go on at `end`."""
        self.builder.at(end.block)
        self._state = end.state

    def leave(self) -> None:
        """What follows is never reached."""
        self._state = None

    def never(self, before: End) -> None:
        """Behind a call that never returns: what follows in the same statement is translated, and never reached."""
        self.resume(End(self.builder.new_block(), before.state.copy()))
        self.state.dead = True

    @contextmanager
    def at(self, node: ast.AST) -> Iterator[None]:
        """Instructions made inside are those of `node`."""
        before = self.builder.span
        self.builder.span = self.source.location(node)
        try:
            yield
        finally:
            self.builder.span = before

    # Instructions

    def op(self, name: str, *args: Register) -> Register:
        """The word that an IR op computes."""
        return self.builder.op(name, *args)

    def number(self, value: int) -> Register:
        """A constant word."""
        return self.builder.const(value)

    def register(self, number: Number) -> Register:
        """The word of a number."""
        if number.constant is not None or number.register is None:
            assert number.constant is not None, "a number without a register is a constant"
            return self.number(number.constant)
        return number.register

    def typed(self, range: Interval, register: Register) -> Register:
        """`register`, whose word is now known to stand for a number in `range` if it was made just here."""
        made = self.builder.block.values
        if range.exact and made and made[-1] is register and register.type is WORD:
            register.type = Word(range)
        return register

    def constant(self, value: int, kinds: Kinds = INT) -> Number:
        """A known number."""
        return Number(kinds, Interval(value, value))

    def split(self, condition: str, a: Register, b: Register) -> tuple[End, End]:
        """Branch on two words: the ends where the condition holds and where it does not."""
        then, other = self.builder.new_block(), self.builder.new_block()
        self.builder.branch(condition, a, b, then, other)
        before = self.state
        self._state = None
        return End(then, before.copy()), End(other, before.copy())

    def meet(self, ends: Sequence[End], ways: Sequence[Sequence[Register]], types: Sequence[Type]) -> list[Register]:
        """Lead all ends into one block; ways: for each end the words that it brings, types: what they are there."""
        block = self.builder.new_block()
        params = [self.builder.param(block, one) for one in types]
        for end, words in zip(ends, ways, strict=True):
            self.builder.at(end.block)
            self.builder.goto(block, *words)
        self.builder.at(block)
        return params

    def fault_if(
        self, condition: str, a: Register, b: Register, kind: str, message: str, place: ast.AST | Span
    ) -> None:
        """End the program by a fault where the condition holds. kind: the exception that CPython raises at `place`."""
        onward = self.builder.new_block()
        self.builder.branch(condition, a, b, self.fault_block(kind, message, place), onward)
        self.builder.at(onward)

    def fault(self, kind: str, message: str, place: ast.AST | Span) -> None:
        """End the program by a fault."""
        self.builder.goto(self.fault_block(kind, message, place))
        self.leave()

    def fault_block(self, kind: str, message: str, place: ast.AST | Span) -> Block:
        span = place if isinstance(place, Span) else self.span(place)
        return self.fault_exit(FaultSite(kind, message, span.location))

    def fault_exit(self, site: FaultSite, number: int | None = None) -> Block:
        """The block that gives back what is held here and ends by the fault. number: NOTED for one of a subprogram."""
        key = (site, self.state.held)
        if key not in self.fault_blocks:
            block, here = self.builder.new_block(), self.end()
            if number is None:
                number = len(self.target.fault_sites)
                self.target.fault_sites.append(site)
            self.resume(End(block, self.state.copy()))
            held.end_of_program(self)
            self.builder.fault(number)
            self.resume(here)
            self.fault_blocks[key] = block
        return self.fault_blocks[key]

    def ret(self, value: Register) -> None:
        """End the program with r0 = value."""
        self.builder.ret(value)
        self._state = None

    # Memory

    def load(self, address: Register, bits: int, offset: int = 0) -> Register:
        """A word of `bits` bits, zero-extended, `offset` bytes behind an address."""
        return self.builder.op(f"load{bits}", address, imm=offset)

    def store(self, address: Register, word: Register, bits: int, offset: int = 0) -> None:
        """Store a word's low bits."""
        self.stored(address, part=(offset, offset + bits // 8))
        self.builder.op(f"store{bits}", address, word, imm=offset)

    def stored(
        self, where: Register | str | None = None, *, part: tuple[int, int] | None = None, maps: bool = True
    ) -> None:
        """Something is stored here: at an address, there from one byte to another where `part` says so, in a space, ""
        for none of the program's, None for anywhere; then `maps` says whether elements of maps may have gone too."""
        self._stores += 1
        if self._state is not None:
            standing.forget(self._state, where, part, maps)

    def stack(self, name: str, size: int, node: ast.AST) -> Register:
        """The address of a new stack object, made at `node`. Its bytes are undefined until they are stored."""
        return self.builder.slot(name, size, source=self.source.location(node))

    def constants(self, data: bytes, align: int) -> tuple[Register, int]:
        """Bytes that are known, in the program's own data section: its address, and their offset from there."""
        name = f"{RODATA}.{self.target.name}"
        spec = self.target.maps.get(name)
        before = spec.initial if spec is not None and spec.initial is not None else b""
        at = next((at for at in range(0, len(before), align) if before.startswith(data, at)), -1)
        if at < 0:
            at = -(-len(before) // align) * align
            self.target.maps[name] = constants_map(name, before.ljust(at, b"\0") + data)
        return self.builder.op("map_value", type=Ptr("map_value"), named=name), at

    def behind(self, address: Register, distance: Register) -> Register:
        """An address so many bytes further."""
        return self.builder.op("add", address, distance, type=address.type)

    def pointer(self, one: Reference) -> Register:
        """The address of a value in memory."""
        return self.behind(one.base, self.number(one.offset)) if one.offset else one.base

    def address(self, one: Reference | Nullable | Nothing) -> Register:
        """The address of a value in memory, 0 for None."""
        if isinstance(one, Nothing):
            return self.builder.op("const", type=Ptr("map_value", nullable=True))
        return one.at.base if isinstance(one, Nullable) else self.pointer(one)

    def atomic(self, name: str, address: Register, word: Register, bits: int) -> None:
        """One atomic operation on memory."""
        self.stored(address)
        self.builder.op(f"atomic_{name}{bits}", address, word)
