"""One function's translation: the IR that is built, the state at the point reached, the errors met on the way."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from bpfvm.compiler.frontend import overflow
from bpfvm.compiler.frontend.frame import Frame
from bpfvm.compiler.frontend.outlined import Outlined
from bpfvm.compiler.frontend.ranges import shown
from bpfvm.compiler.frontend.scope import Scope
from bpfvm.compiler.frontend.span import Source
from bpfvm.compiler.frontend.state import Carried, Diags, End, Guess, Heads, Mark, PacketEnds, State
from bpfvm.compiler.frontend.types import (
    BAD,
    INT,
    Bad,
    Binding,
    Growing,
    Kinds,
    Maybe,
    Number,
    Reference,
    kind_names,
    part,
    placeholder,
)
from bpfvm.compiler.ir.build import WORD, Block, Builder
from bpfvm.compiler.ir.facts import Conservative, Facts
from bpfvm.compiler.ir.function import NOTED, Branch, Function, Goto, constants_map
from bpfvm.compiler.ir.types import Ptr, Type, Value, Word
from bpfvm.core.diag import Diag, Note
from bpfvm.core.machine import Location
from bpfvm.core.span import Span
from bpfvm.lang.hooks import Hook
from bpfvm.lang.interval import Interval, add
from bpfvm.lang.target import Target
from bpfvm.obj.datasec import RODATA
from bpfvm.obj.model import FaultSite, MapSpec
from bpfvm.tables.ctx import CONTEXTS

if TYPE_CHECKING:
    from bpfvm.compiler.frontend.loops import Loop

Register = Value
Body = ast.FunctionDef | ast.Lambda
_STATUS = "status"


class Translation:
    """Everything that the translation of one program shares. Expressions append at the builder's current block."""

    def __init__(
        self, program: Frame, hook: Hook, target: Function, machine: Target, body: Callable[[Translation, Body], None]
    ) -> None:  # fmt: skip
        """target: where the code goes. machine: what it may rely on. body: translates the body of a function."""
        self.frames: Final = [program]  # functions around this point, the innermost last
        self.hook: Final = hook
        self.target: Final = target
        self.machine: Final = machine
        self.body: Final = partial(body, self)
        self.functions: Final = {program.function: None}  # all that were translated
        self.told: Final[set[int]] = set()  # ids of captured objects that a warning was given of
        self.calls = 0  # of functions, that were written out
        self.trials = self.stores = 0  # of bodies of loops under a guess; into memory, or by what is called
        self.discarded: ast.expr | None = None  # the expression of a statement, whose value nobody reads
        self.facts: Final[Facts] = Conservative()
        self.outlined = Outlined()  # shared with the subprograms' own translations
        self.callers: tuple[types.FunctionType, ...] = ()  # around a subprogram, the outermost first
        self._diags: Diags = {}
        self._builder = Builder(target)
        self._fault_blocks: dict[FaultSite, Block] = {}
        self._state: State | None = State()
        self.copies = 0  # bodies around this point that are written out more than once
        self.loops: list[Loop] = []  # around this point, the innermost last
        self._bases: set[int] = set()  # origins of the numbers at their heads
        self.patience = 1 << 10  # for turns of loops that are followed one by one
        self.work = 0  # what loops make the kernel's verifier walk besides what stands in the text, in values

    def inner(self, frame: Frame, target: Function) -> Translation:
        """The translation of a subprogram that is called here."""
        made = Translation(frame, self.hook, target, self.machine, self.body.func)
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

        return sorted((self.outlined.diags | self._diags).values(), key=place)

    @property
    def found(self) -> Diags:
        """What was found in this function itself."""
        return self._diags

    def may_be_none(self, node: ast.expr) -> Bad:
        """E030."""
        text = self.quoted(node)
        return self.error(
            "E030",
            f"`{text}` may be None here",
            node,
            why="CPython would raise TypeError on the path on which it is None",
            help=f"test it first: if {text} is not None: ..."
            if isinstance(node, ast.Name)
            else f"bind it to a name and test that: x = {text}\nif x is not None: ...",
        )

    def error(
        self, code: str, message: str, place: ast.AST | Span, *, why: str = "", help: str = "",
        notes: Sequence[tuple[str, ast.AST]] = (),
    ) -> Bad:  # fmt: skip
        """Note an error, once at each place. Its value is BAD, which silences what is made of it."""
        span = place if isinstance(place, Span) else self.span(place)
        beside = tuple(Note(text, self.span(node)) for text, node in notes)
        calls = [frame for frame in self.frames if frame.call is not None]
        beside += tuple(Note(f"in the call of `{one.function.__name__}`", one.call) for one in reversed(calls))
        self._diags.setdefault((code, message, span), Diag(code, message, span, why, help, beside))
        return BAD

    def warn(self, code: str, message: str, place: ast.AST | Span, *, why: str = "", help: str = "") -> None:
        """Note a warning; not of a copy of code, of which more is known than of the code itself."""
        if not self.copies:
            self.error(code, message, place, why=why, help=help)

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
            why=f"the exact value lies in {self.shown(exact)}: u64 and s64 wrap what does not fit, int does not",
            help="make it one class on all paths, with u64(...), s64(...) or int(...)",
        )

    # Where the translation stands

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
        return End(self._builder.block, self.state)

    def resume(self, end: End) -> None:
        """Go on at `end`."""
        self._builder.at(end.block)
        self._state = end.state

    def leave(self) -> None:
        """What follows is never reached."""
        self._state = None

    def never(self, before: End) -> None:
        """Behind a call that never returns: what follows in the same statement is translated, and never reached."""
        self.resume(End(self._builder.new_block(), before.state.copy()))
        self.state.dead = True

    @contextmanager
    def at(self, node: ast.AST) -> Iterator[None]:
        """Instructions made inside are those of `node`."""
        before = self._builder.span
        self._builder.span = self.span(node).location
        try:
            yield
        finally:
            self._builder.span = before

    # Loops

    def mark(self) -> Mark:
        """This point, to come back to."""
        block = self._builder.block
        outer = self.loops[-1] if self.loops else None
        return Mark(
            len(self.target.blocks), block, len(block.values), len(self.target.fault_sites), self.state.copy(),
            dict(self._diags), dict(self._fault_blocks), dict(self.target.maps), self.work, len(self.target.slots),
            (len(outer.breaks), len(outer.continues)) if outer else (0, 0), frozenset(self._bases),
            len(self.frame.leaving), self.calls,
        )  # fmt: skip

    def rollback(self, mark: Mark) -> None:
        """Forget everything since `mark`."""
        del self.target.blocks[mark.blocks :], mark.block.values[mark.values :]
        del self.target.fault_sites[mark.sites :]
        mark.block.terminator = None
        self._builder.at(mark.block)
        self._state, self._diags = mark.state.copy(), dict(mark.diags)
        self._fault_blocks, self._bases = dict(mark.faults), set(mark.bases)
        self.target.maps, self.work = dict(mark.maps), mark.work
        del self.target.slots[mark.slots :], self.frame.leaving[mark.leaving :]
        self.calls = mark.calls
        if self.loops:
            del self.loops[-1].breaks[mark.outer[0] :], self.loops[-1].continues[mark.outer[1] :]

    def refused_since(self, mark: Mark, *codes: str) -> bool:
        """Whether there is an error of these codes that was not there at `mark`."""
        return any(key[0] in codes for key in self._diags.keys() - mark.diags.keys())

    def open_loop(self, guesses: Mapping[str, Guess]) -> Heads:
        """Go on at a loop's head, where names are as guessed: those that may change are parameters of its block."""
        block = self._builder.new_block()
        names: dict[str, Binding] = {}
        carried: list[Carried] = []
        for name, guess in guesses.items():
            before, binding = self.state.names.get(name), guess.binding
            if isinstance(binding, Number) and isinstance(before, Number):
                names[name] = self._head(block, carried, Carried(name, _number), (binding, guess.drift))
            elif isinstance(binding, Reference) and isinstance(before, Reference) and binding.varies:
                carried.append(Carried(name, None))
                base = self._builder.param(block, Ptr(binding.space))
                names[name] = replace(binding, base=base, offset=0, varies=False)
            elif isinstance(binding, Maybe):
                names[name] = self._optional_head(block, carried, name, binding)
            else:
                names[name] = binding
        words = [self._carried(one) for one in carried]
        self._builder.goto(block, *words)
        self._builder.at(block)
        self.state.names.update(names)
        return Heads(block, names, tuple(carried))

    def _optional_head(self, block: Block, carried: list[Carried], name: str, guess: Maybe) -> Binding:
        """A number or None at a loop's head."""
        nothing = placeholder([guess.number])
        there = self._head(block, carried, Carried(name, lambda one: part(one, nothing)[0]), (guess.there, None))
        number = self._head(block, carried, Carried(name, lambda one: part(one, nothing)[1]), (guess.number, None))
        if not isinstance(there, Number) or not isinstance(number, Number):
            return number
        return Maybe(there, number)

    def _head(
        self, block: Block, carried: list[Carried], one: Carried, guess: tuple[Number, Interval | None]
    ) -> Number | Growing:  # fmt: skip
        """A number at a loop's head."""
        binding, drift = guess
        if not binding.range.exact:
            return Growing(binding.range)
        param = None
        if binding.range.constant is None:
            carried.append(one)
            param = self._builder.param(block, Word(binding.range))
        outer: dict[int, Interval] = {}
        if drift is not None:
            before = self.state.names[one.name]
            if isinstance(before, Number):
                outer = {base: add(by, drift) for base, by in self.drifts(before).items()}
        head = Number(binding.kinds, binding.range, param, drift=outer)
        self._bases.add(head.origin)
        return head

    def size_since(self, mark: Mark) -> tuple[int, int]:
        """How many values were made since `mark`, and how many branches besides those to fault exits."""
        made = self.target.blocks[mark.blocks :]
        size = len(mark.block.values) - mark.values + sum(len(block.values) + 1 for block in made)
        faults = set(map(id, self._fault_blocks.values()))
        ends = (block.terminator for block in made)
        return size, sum(isinstance(one, Branch) and id(one.then) not in faults for one in ends)

    def forget(self, mark: Mark, heads: Heads) -> None:
        """Let the kernel's verifier know nothing of what goes into a loop: it then takes all turns for one.

        A test whose outcome it knows makes it keep the exact values that led there, on every turn.
        """
        end = mark.block.terminator
        assert isinstance(end, Goto), "a loop is entered by the end of the block before it"
        self._builder.at(mark.block)
        mark.block.terminator = None
        made = [
            arg if isinstance(arg.type, Ptr) else self._builder.op("forget", arg, type=arg.type) for arg in end.args
        ]
        self._builder.goto(heads.block, *made)

    def close_loop(self, heads: Heads, spent: tuple[str, Span] | None = None) -> None:
        """Go back to the head, where control comes to the end of a turn; what follows here is never reached.

        spent: go back by may_goto, and say this, there, where the kernel ends the loop.
        """
        if self.reachable:
            back = [self._carried(one) for one in heads.carried]
            if spent is None or not self.machine.may_goto:
                self._builder.goto(heads.block, *back)
            else:
                back = [self._builder.op("forget", one, type=one.type) if one.op == "const" else one for one in back]
                self._builder.may_goto(heads.block, self._fault_block("LoopLimit", *spent), *back)
        for one in heads.names.values():
            numbers = (one.there, one.number) if isinstance(one, Maybe) else (one,) if isinstance(one, Number) else ()
            self._bases -= {number.origin for number in numbers}
        self.leave()

    def _carried(self, one: Carried) -> Register:
        """What a name takes along to the head of a loop; anything after an error."""
        binding = self.state.names[one.name]
        if isinstance(binding, Reference):
            return self.pointer(binding)
        number = one.part(binding) if one.part is not None else None
        return self.register(number) if number is not None else self.number(0)

    def drifts(self, number: Number) -> dict[int, Interval]:
        """From the numbers at the heads of the loops around that `number` comes from: how far from each it is."""
        own = {number.origin: Interval(0, 0)} if number.origin in self._bases else {}
        return {base: by for base, by in number.drift.items() if base in self._bases} | own

    # Instructions

    def op(self, name: str, *args: Register) -> Register:
        """The word that an IR op computes."""
        return self._builder.op(name, *args)

    def number(self, value: int) -> Register:
        """A constant word."""
        return self._builder.const(value)

    def register(self, number: Number) -> Register:
        """The word of a number."""
        if number.constant is not None or number.register is None:
            assert number.constant is not None, "a number without a register is a constant"
            return self.number(number.constant)
        return number.register

    def typed(self, range: Interval, register: Register) -> Register:
        """`register`, whose word is now known to stand for a number in `range` if it was made just here."""
        made = self._builder.block.values
        if range.exact and made and made[-1] is register and register.type is WORD:
            register.type = Word(range)
        return register

    def constant(self, value: int, kinds: Kinds = INT) -> Number:
        """A known number."""
        return Number(kinds, Interval(value, value))

    def split(self, condition: str, a: Register, b: Register) -> tuple[End, End]:
        """Branch on two words: the ends where the condition holds and where it does not."""
        then, other = self._builder.new_block(), self._builder.new_block()
        self._builder.branch(condition, a, b, then, other)
        before = self.state
        self._state = None
        return End(then, before.copy()), End(other, before.copy())

    def meet(self, ends: Sequence[End], ways: Sequence[Sequence[Register]], types: Sequence[Type]) -> list[Register]:
        """Lead all ends into one block; ways: for each end the words that it brings, types: what they are there."""
        block = self._builder.new_block()
        params = [self._builder.param(block, one) for one in types]
        for end, words in zip(ends, ways, strict=True):
            self._builder.at(end.block)
            self._builder.goto(block, *words)
        self._builder.at(block)
        return params

    def fault_if(
        self, condition: str, a: Register, b: Register, kind: str, message: str, place: ast.AST | Span
    ) -> None:
        """End the program by a fault where the condition holds. kind: the exception that CPython raises at `place`."""
        onward = self._builder.new_block()
        self._builder.branch(condition, a, b, self._fault_block(kind, message, place), onward)
        self._builder.at(onward)

    def fault(self, kind: str, message: str, place: ast.AST | Span) -> None:
        """End the program by a fault."""
        self._builder.goto(self._fault_block(kind, message, place))
        self.leave()

    def _fault_block(self, kind: str, message: str, place: ast.AST | Span) -> Block:
        span = place if isinstance(place, Span) else self.span(place)
        site = FaultSite(kind, message, span.location)
        if site not in self._fault_blocks:
            block = self._builder.new_block()
            self.target.fault_sites.append(site)
            here, self._builder.block = self._builder.block, block
            self._builder.fault(len(self.target.fault_sites) - 1)
            self._builder.block = here
            self._fault_blocks[site] = block
        return self._fault_blocks[site]

    def noted_fault(self) -> None:
        """End by the fault that a subprogram has ended by."""
        self._builder.goto(self._noted())
        self.leave()

    def _noted(self) -> Block:
        site = FaultSite("", "in a subprogram", Location("", 0))
        if site not in self._fault_blocks:
            block = self._fault_blocks[site] = self._builder.new_block()
            here, self._builder.block = self._builder.block, block
            self._builder.fault(NOTED)
            self._builder.block = here
        return self._fault_blocks[site]

    def ret(self, value: Register) -> None:
        """End the program with r0 = value."""
        self._builder.ret(value)
        self._state = None

    # Subprograms

    def parameter(self, type: Type) -> Register:
        """A parameter more of the subprogram that is translated."""
        return self._builder.param(self.target.blocks[0], type)

    def call(self, callee: Function, arguments: Sequence[Register], *, needs_context: bool) -> Register:
        """Call a subprogram with its hidden arguments, and go on where it has not ended by a fault."""
        self.stores += 1
        builder, words = self._builder, list(arguments)
        if needs_context:
            words.append(builder.ctx())
        status = self._status() if callee.has_status else None
        if status is not None:
            builder.op("store64", status, self.number(0))
            words.append(status)
        result = builder.call(callee, *words)
        if status is not None:
            onward = builder.new_block()
            builder.branch("ne", builder.op("load64", status), self.number(0), self._noted(), onward)
            builder.at(onward)
        return result

    def _status(self) -> Register:
        """The word of the stack in which subprograms tell that they have ended by a fault."""
        known = next((place for place, one in enumerate(self.target.slots) if one.name == _STATUS), None)
        made = self._builder
        return made.slot(_STATUS, 8) if known is None else made.op("slot", type=Ptr("stack"), imm=known)

    # Memory

    def load_context(self, offset: int, bits: int) -> Register:
        """A word of the context, zero-extended."""
        return self._builder.op(f"load{bits}", self._builder.ctx(), imm=offset)

    def store_context(self, offset: int, word: Register) -> None:
        """Store a u64 into the context."""
        self._builder.op("store64", self._builder.ctx(), word, imm=offset)

    def load_packet(self, offset: int, bits: int, message: str, place: Span) -> Register:
        """A number of the packet as it is stored, zero-extended; PacketError where the packet ends before it."""
        ends = self._packet()
        limit = offset + bits // 8
        if ends.proven < limit:
            past = self._builder.op("add", ends.data, self.number(limit), type=Ptr("packet"))
            self.fault_if("ugt", past, ends.end, "PacketError", message, place)
            self.state.packet = PacketEnds(ends.data, ends.end, limit)
        return self._builder.op(f"load{bits}", ends.data, imm=offset)

    def packet_length(self) -> Register:
        """Bytes of the packet."""
        ends = self._packet()
        return self.op("sub", ends.end, ends.data)

    def _packet(self) -> PacketEnds:
        """Where the packet starts and ends, loaded once on each way: nothing here moves it."""
        if self.state.packet is None:
            structure = CONTEXTS[self.hook.program_type.context or ""]
            fields = {one.pointer: one for one in structure.fields if one.pointer}
            data, end = (
                self._builder.op(f"load{one.size * 8}", self._builder.ctx(), type=Ptr(space), imm=one.offset)
                for space, one in ((space, fields[space]) for space in ("packet", "packet_end"))
            )
            self.state.packet = PacketEnds(data, end, 0)
        return self.state.packet

    def lookup(self, spec: MapSpec, key: Register, message: str, place: ast.AST) -> Register:
        """The address of a map's value. The test for null is the verifier's; a null is an IndexError."""
        self.target.maps[spec.name] = spec
        declared = self._builder.op("map", type=Ptr("map"), named=spec.name)
        address = self._builder.op("lookup", declared, key, type=Ptr("map_value", nullable=True))
        self.fault_if("eq", address, self.number(0), "IndexError", message, place)
        return address

    def load(self, address: Register, bits: int, offset: int = 0) -> Register:
        """A word of `bits` bits, zero-extended, `offset` bytes behind an address."""
        return self._builder.op(f"load{bits}", address, imm=offset)

    def store(self, address: Register, word: Register, bits: int, offset: int = 0) -> None:
        """Store a word's low bits."""
        self.stores += 1
        self._builder.op(f"store{bits}", address, word, imm=offset)

    def stack(self, name: str, size: int, node: ast.AST) -> Register:
        """The address of a new stack object, made at `node`. Its bytes are undefined until they are stored."""
        return self._builder.slot(name, size, source=self.span(node).location)

    def constants(self, data: bytes, align: int) -> tuple[Register, int]:
        """Bytes that are known, in the program's own data section: its address, and their offset from there."""
        name = f"{RODATA}.{self.target.name}"
        spec = self.target.maps.get(name)
        before = spec.initial if spec is not None and spec.initial is not None else b""
        at = next((at for at in range(0, len(before), align) if before.startswith(data, at)), -1)
        if at < 0:
            at = -(-len(before) // align) * align
            self.target.maps[name] = constants_map(name, before.ljust(at, b"\0") + data)
        return self._builder.op("map_value", type=Ptr("map_value"), named=name), at

    def behind(self, address: Register, distance: Register) -> Register:
        """An address so many bytes further."""
        return self._builder.op("add", address, distance, type=address.type)

    def pointer(self, one: Reference) -> Register:
        """The address of a value in memory."""
        return self.behind(one.base, self.number(one.offset)) if one.offset else one.base

    def atomic(self, name: str, address: Register, word: Register, bits: int) -> None:
        """One atomic operation on memory."""
        self.stores += 1
        self._builder.op(f"atomic_{name}{bits}", address, word)


def _number(one: Binding) -> Number | None:
    """The number that it is, None after an error."""
    return one if isinstance(one, Number) else None
