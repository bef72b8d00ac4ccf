"""outline: loops that a helper makes become functions that it calls, and what they share with their callers an object.

Such a loop has an `again` at its head. Its body is a function of its own afterwards, the callback. What the body reads
of values from before the loop, what goes around the loop, and what is read behind it, stands in one object on the
caller's stack, whose address is the callback's context:

    exit       which way out the body has taken, counted from 1; 0 while it has taken none
    values     that the body reads, stored before the call
    carried    the parameters of the head, stored before the call and at the end of each turn
    results    that are read behind the loop, stored where the body is left

A turn ends by 0. A way out is noted, and ends the helper by 1; the caller goes on there. Faults and the program's end
are ways out like others, so that a callback ends by nothing but its turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bpfvm.compiler.ir.function import (
    Block,
    Branch,
    Function,
    Goto,
    Param,
    Return,
    Slot,
    edges,
    replace_operands,
    retarget,
)
from bpfvm.compiler.ir.graph import Dominance, live_in, natural_loop, order
from bpfvm.compiler.ir.ops import holds
from bpfvm.compiler.ir.types import Ptr, Type, Value, Word
from bpfvm.compiler.passes.dce import dce
from bpfvm.lang.helpers.sections import irq_saved, no_preempt, rcu
from bpfvm.lang.types.interval import U64, of_bits
from bpfvm.lang.types.scalars import u64
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.helpers.callbacks import CALLBACKS, places

_WORD = 8
_EXIT = 0  # the offset of the exit's number
_ADDRESS = "an address"
_ANEW = ("const", "map", "map_value", "function", "core")  # made in each function, at no more cost than a load's
_OWN = ("ctx", "slot")  # of one function: others get their addresses
_SECTIONS = (rcu, no_preempt, irq_saved)
_TAKES = ("spin_lock", "ringbuf_reserve", *(one.begin for one in _SECTIONS))
_GIVES = ("spin_unlock", "ringbuf_submit", "ringbuf_discard", *(one.end for one in _SECTIONS))
_TYPES: dict[str, Type] = {
    "number": Word(of_bits(32, signed=False)), "map": Ptr("map"), "key": Ptr("map_value"), "value": Ptr("map_value"),
    "object": Word(U64), "dynptr": Ptr("dynptr"),
}  # fmt: skip


def outline(function: Function) -> bool:
    """Make callbacks of the loops that have an `again`. True when anything changed.

    Needs: SSA.  Keeps: SSA.  The callbacks become callees of the function. An outer loop is taken out before the loops
    in it, which are then loops of its callback.
    """
    waiting, made = [function], list[Function]()
    while waiting:
        part = waiting.pop()
        part.blocks = order(part)
        while (head := next((one for one in part.blocks if _again(one) is not None), None)) is not None:
            callback = _Loop(part, head).outlined()
            made.append(callback)
            waiting.append(callback)
            part.blocks = order(part)
    for part in (function, *made) if made else ():
        _drop_slots(part)
        dce(part)
    return bool(made)


def _again(block: Block) -> Value | None:
    return next((value for value in block.values if value.op == "again"), None)


@dataclass(slots=True)
class _Shared:
    """The object that a caller and its callback share. places: of what stands in it, in bytes."""

    places: dict[Value, int] = field(default_factory=dict)
    size: int = _WORD

    def place(self, value: Value) -> int:
        """Where a value stands."""
        if value not in self.places:
            self.places[value] = self.size
            self.size += _WORD
        return self.places[value]


@dataclass(slots=True)
class _Exit:
    """One way out of the body. args: what it takes along, as the body knows it."""

    target: Block
    args: list[Value]


class _Loop:
    """One loop of `caller`. inside: the first block of its body; behind: where control goes when the helper is done."""

    def __init__(self, caller: Function, head: Block) -> None:
        self.caller, self.head = caller, head
        again = _again(head)
        assert again is not None, "a head has one"
        self.again, self.span = again, again.span
        self._numbers = 1 + max(value.id for block in caller.blocks for value in (*block.params, *block.values))
        self._blocks = 1 + max(block.id for block in caller.blocks)
        self.inside, self.behind, self.behind_args = self._ways()
        self.region = (natural_loop(caller, head) | {self.inside}) - {head}
        self.region |= self._giving_back()
        for block in list(self.region):
            self._split_end(block)
        self.shared = _Shared()
        self.exits: list[_Exit] = []
        self.new: dict[Value, Value] = {}  # what stands in the callback for what the body has read

    def _ways(self) -> tuple[Block, Block, list[Value]]:
        end = self.head.terminator
        assert isinstance(end, Branch), "the head asks whether the loop goes on"
        assert end.a is self.again, "the head asks whether the loop goes on"
        assert end.b.op == "const", "the head asks whether the loop goes on"
        then, other = edges(end)
        onward, behind = (then, other) if holds(end.cond, 1, end.b.imm) else (other, then)
        assert not onward[1], "nothing is passed into the body"
        return onward[0], *behind

    def _giving_back(self) -> set[Block]:
        """Blocks on ways out of the body that give back what it has taken: a callback may end with nothing of it."""
        taking = [one for one in self.region if any(value.name in _TAKES for value in one.values)]
        if not taking:
            return set()
        dominance = Dominance(self.caller)
        rest = [one for one in dominance.order if one not in self.region and one is not self.head]
        below = {one for one in rest if any(dominance.holds(above, one) for above in taking)}
        found = {one for one in below if any(value.name in _GIVES for value in one.values)}
        while more := {one for one in below - found if any(target in found for target, _ in edges(one.terminator))}:
            found |= more
        return found

    def _split_end(self, block: Block) -> None:
        """Where the function ends in the body, that end is a way out."""
        if edges(block.terminator):
            return
        end, rest = block.terminator, Block(self._block())
        if isinstance(end, Return) and end.value in block.values and end.value.op != "const":
            given = Value(self._number(), "param", [], end.value.type)
            rest.params, block.terminator = [given], Goto(rest, [end.value], span=end.span)
            end = Return(given, end.span)
        else:
            if isinstance(end, Return) and end.value.op == "const":
                made = self._value("const", end.value.type, imm=end.value.imm)
                rest.values, end = [made], Return(made, end.span)
            block.terminator = Goto(rest, span=self.span)
        rest.terminator = end
        self.caller.blocks.append(rest)

    # Values and blocks

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers - 1

    def _block(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def _value(self, op: str, type: Type, *args: Value, imm: int = 0, name: str = "") -> Value:
        return Value(self._number(), op, list(args), type, imm, name, self.span)

    def _const(self, number: int) -> Value:
        return self._value("const", Word(of_bits(32, signed=False)), imm=number)

    def _store(self, to: Value, value: Value, place: int) -> list[Value]:
        """Store a value in the shared object; a constant is made anew for it."""
        if value.op == "const":
            again = self._value("const", Word(U64), imm=value.imm)
            return [again, self._value("store64", Word(U64), to, again, imm=place)]
        return [self._value("store64", Word(U64), to, value, imm=place)]

    def _load(self, source: Value, value: Value) -> Value:
        return self._value("load64", value.type, source, imm=self.shared.place(value))

    def _anew(self, value: Value) -> Value:
        return Value(self._number(), value.op, [], value.type, value.imm, value.name, value.span)

    # The callback

    def outlined(self) -> Function:
        """Take the loop out: its callback."""
        live = live_in(self.caller)
        body = [block for block in order(self.caller) if block in self.region]
        made_inside = {value for block in body for value in (*block.params, *block.values)}
        kinds = CALLBACKS[self.again.name].kinds
        entry = Block(self._block(), [self._value("param", _TYPES[kind]) for kind in kinds])
        self.pointer = self._value("param", Ptr("stack"))
        entry.params.append(self.pointer)
        for block in body:
            own = [value for value in block.values if value.op == "given" and value.args == [self.again]]
            self.new |= {value: entry.params[value.imm] for value in own}
        passed = self._read(entry, self._outer(body) - made_inside, body, live)
        tails = self._ends(body, live, made_inside)
        entry.terminator = Goto(self.inside, span=self.span)
        callback = self._function([entry, *body, *tails])
        self.caller.blocks = [block for block in self.caller.blocks if block not in self.region]
        self._call(callback, passed, made_inside)
        for block in callback.blocks:
            block.values = [value for value in block.values if value not in self.new]
            for value in block.values:
                value.args = [self.new.get(arg, arg) for arg in value.args]
            replace_operands(block.terminator, self.new)
        return callback

    def _outer(self, body: Sequence[Block]) -> set[Value]:
        """What the body itself reads; what a way out takes along besides is known to the caller."""
        read = {arg for block in body for value in block.values for arg in value.args}
        for block in body:
            end = block.terminator
            read |= {end.a, end.b} if isinstance(end, Branch) else set()
            read |= {
                value
                for target, args in edges(end)
                for at, value in enumerate(args)
                if target in self.region or (target is self.head and value is not self.head.params[at])
            }
        return read - {self.again}

    def _read(
        self, entry: Block, outer: set[Value], body: Sequence[Block], live: dict[Block, set[Value]]
    ) -> list[tuple[Value, Value]]:  # fmt: skip
        """Load in `entry` what the body reads. What the caller passes: a value of its own, and what it is known by."""
        passed: list[tuple[Value, Value]] = []
        for value in sorted(outer, key=lambda one: one.id):
            if value.op in _ANEW:
                self.new[value] = self._anew(value)
            else:
                self.new[value] = self._load(self.pointer, value)
                passed += [(value, value)] if value not in self.head.params else []
            entry.values.append(self.new[value])
        moved = self._moved(body, live)
        for block in body:
            for value in block.values:
                if value.op == "ctx" or (value.op == "slot" and value.imm not in moved):
                    self.new[value] = self._load(self.pointer, value)
                    entry.values.append(self.new[value])
                    passed.append((self._anew(value), value))
        return passed

    def _moved(self, body: Sequence[Block], live: dict[Block, set[Value]]) -> set[int]:
        """Objects of the stack that the body alone knows: they lie in the callback's part of it."""
        inside = {value for block in body for value in block.values if value.op == "slot"}
        made = {value for block in body for value in (*block.params, *block.values)}
        leaving = {
            value for block in body for target, args in edges(block.terminator) if target not in self.region
            for value in (*live[target], *args) if value in made
        }  # fmt: skip
        if any(value.type == Ptr("stack") and value.op != "slot" for value in leaving):
            return set()
        known = {
            value.imm for block in self.caller.blocks for value in block.values if value.op == "slot"
            if value not in inside or value in leaving
        }  # fmt: skip
        return {value.imm for value in inside} - known

    def _ends(self, body: Sequence[Block], live: dict[Block, set[Value]], inside: set[Value]) -> list[Block]:
        """What stands between the body and where it is left: at the end of a turn, and on each way out."""
        tails: list[Block] = []
        known: dict[Block, Block] = {}
        for block in body:
            for at, (target, args) in enumerate(edges(block.terminator)):
                if target in self.region:
                    continue
                if not args and target in known:
                    retarget(block.terminator, at, known[target])
                    continue
                tail = Block(self._block())
                tails.append(tail)
                if target is self.head:
                    for param, arg in zip(self.head.params, args, strict=True):
                        if arg is not param:
                            tail.values += self._store(self.pointer, arg, self.shared.place(param))
                    result = self._const(0)
                else:
                    self.exits.append(_Exit(target, list(args)))
                    tail.values += self._left(live[target], args, inside)
                    result = self._const(1)
                    known |= {target: tail} if not args else {}
                tail.values.append(result)
                tail.terminator = Return(result, self.span)
                args.clear()
                retarget(block.terminator, at, tail)
        return tails

    def _left(self, live: set[Value], args: Sequence[Value], inside: set[Value]) -> list[Value]:
        """Store which way out is taken, and what of the body is read behind it."""
        number = self._const(len(self.exits))
        made = [number, self._value("store64", Word(U64), self.pointer, number, imm=_EXIT)]
        for value in sorted({*live, *args} & inside, key=lambda one: one.id):
            if value.op not in (*_ANEW, *_OWN):
                made += self._store(self.pointer, value, self.shared.place(value))
        return made

    def _function(self, blocks: list[Block]) -> Function:
        caller, known = self.caller, CALLBACKS[self.again.name]
        base = caller.name.partition("_turn_")[0]
        taken = {base, caller.name, *caller.callees}
        name = next(one for count in range(1, len(taken) + 2) if (one := f"{base}_turn_{count}") not in taken)
        made = Function(
            name, caller.type, caller.section, 0, blocks, maps=caller.maps, fault_sites=caller.fault_sites,
            source=self.span, slots=list(caller.slots), callees=caller.callees, core=caller.core, is_subprogram=True,
            result=int,
        )  # fmt: skip
        made.params = tuple(
            Param(one, u64) if kind == "number" else Param(one, pointer_to=_ADDRESS)
            for one, kind in zip((*known.names, "context"), (*known.kinds, ""), strict=True)
        )
        caller.callees[name] = made
        return made

    # The caller

    def _call(self, callback: Function, passed: Sequence[tuple[Value, Value]], inside: set[Value]) -> None:
        """In place of the loop: store what the callback reads, call the helper, load what it has left, go on there."""
        head, shared = self.head, self.shared
        results = {value: place for value, place in shared.places.items() if value in inside and value.op not in _OWN}
        own = [value for value in head.values if value is not self.again]
        is_used = bool(shared.places or self.exits)
        context = self._value("slot", Ptr("stack"), imm=len(self.caller.slots)) if is_used else self._const(0)
        head.values = [*own, context]
        for value, known in passed:
            head.values += [] if value is known else [value]
            head.values += self._store(context, value, shared.place(known))
        for value in head.params:
            head.values += self._store(context, value, shared.places[value]) if value in shared.places else []
        for place in (_EXIT, *results.values()) if self.exits else ():
            head.values += self._store(context, self._value("const", Word(U64)), place)
        outcome = self._called(callback, context)
        new = self._loaded(context, results)
        for block in self.caller.blocks:
            new |= {value: outcome for value in block.values if value.op == "outcome" and value.args == [self.again]}
        ways = self._dispatched(context, inside, new)
        for block in self.caller.blocks:
            if block is not head:
                _replaced(block, new)
        for block in ways:
            replace_operands(block.terminator, new)
        if is_used:
            self.caller.slots.append(Slot(f"context:{callback.name}", shared.size, source=self.span))
        self.caller.blocks += ways[1:]

    def _called(self, callback: Function, context: Value) -> Value:
        """The call of the helper; its result. What is not given behind the context, the flags, is 0."""
        function = self._value("function", Word(U64), name=callback.name)
        given = list(self.again.args)
        for place, value in zip(places(self.again.name), (function, context), strict=True):
            given.insert(place, value)
        flags = [self._const(0) for _ in HELPERS[self.again.name].args[len(given) :]]
        made = self._value("helper", Word(U64), *given, *flags, name=self.again.name)
        self.head.values += [function, *flags, made]
        return made

    def _loaded(self, context: Value, results: dict[Value, int]) -> dict[Value, Value]:
        """What stands in the caller for values of the loop."""
        new = {}
        for value in (*self.head.params, *results):
            if value in self.shared.places:
                new[value] = self._load(context, value)
                self.head.values.append(new[value])
        return new

    def _dispatched(self, context: Value, inside: set[Value], new: dict[Value, Value]) -> list[Block]:
        """Blocks that go on where the body was left, the head first."""
        blocks = [self.head]
        if not self.exits:
            self.head.terminator = Goto(self.behind, self.behind_args, self.span)
            return blocks
        exit = self._value("load64", Word(U64), context, imm=_EXIT)
        self.head.values.append(exit)
        used = {arg for one in self.exits for arg in one.args} | self._outside(inside)
        for value in sorted(used & inside, key=lambda one: one.id):
            if value.op in (*_ANEW, *_OWN):
                new[value] = self._anew(value)
                self.head.values.append(new[value])
        for number, one in enumerate(self.exits, 1):
            block = blocks[-1]
            known = self._const(number)
            following = Block(self._block())
            block.values.append(known)
            block.terminator = Branch("eq", exit, known, one.target, following, one.args, [], self.span)
            blocks.append(following)
        blocks[-1].terminator = Goto(self.behind, self.behind_args, self.span)
        return blocks

    def _outside(self, inside: set[Value]) -> set[Value]:
        """Values of the body that are read behind it."""
        read = {arg for block in self.caller.blocks for value in block.values for arg in value.args}
        for block in self.caller.blocks:
            end = block.terminator
            read |= {value for _, args in edges(end) for value in args}
            read |= {end.a, end.b} if isinstance(end, Branch) else {end.value} if isinstance(end, Return) else set()
        return read & inside


def _replaced(block: Block, new: dict[Value, Value]) -> None:
    block.values = [value for value in block.values if value not in new]
    for value in block.values:
        value.args = [new.get(arg, arg) for arg in value.args]
    replace_operands(block.terminator, new)


def _drop_slots(function: Function) -> None:
    """Leave out objects of the stack that nothing names."""
    used = sorted({value.imm for value in function.values() if value.op == "slot"})
    number = {old: new for new, old in enumerate(used)}
    for value in function.values():
        if value.op == "slot":
            value.imm = number[value.imm]
    function.slots = [function.slots[old] for old in used]
