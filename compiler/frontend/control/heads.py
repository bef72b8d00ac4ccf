"""Heads of loops: what goes around them, and what is taken back when a guess about it was wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bpfvm.compiler.frontend.binding import Binding, Growing, part
from bpfvm.compiler.frontend.control import held
from bpfvm.compiler.frontend.numbers import checked
from bpfvm.compiler.frontend.numbers.ranges import ANY
from bpfvm.compiler.frontend.state import Carried, Guess, Heads, Mark
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    INT,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Pointer,
    Reference,
    View,
    placed,
    placeholder,
)
from bpfvm.compiler.ir.build import WORD, Block
from bpfvm.compiler.ir.function import Branch, Goto
from bpfvm.compiler.ir.types import Ptr, Word
from bpfvm.core.span import Span
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.types.interval import U64, Interval, add


def mark(f: Translation) -> Mark:
    """This point, to come back to."""
    block = f.builder.block
    outer = f.loops[-1] if f.loops else None
    return Mark(
        len(f.target.blocks), block, len(block.values), len(f.target.fault_sites), f.state.copy(),
        dict(f.found), dict(f.fault_blocks), dict(f.target.maps), f.work, len(f.target.slots),
        (len(outer.breaks), len(outer.continues)) if outer else (0, 0), frozenset(f.bases),
        len(f.frame.leaving), f.calls, f.steps, f.wasted,
    )  # fmt: skip


def rollback(f: Translation, mark: Mark) -> None:
    """Forget everything since `mark`."""
    f.wasted = mark.wasted + f.steps - mark.steps
    del f.target.blocks[mark.blocks :], mark.block.values[mark.values :]
    del f.target.fault_sites[mark.sites :]
    mark.block.terminator = None
    f.builder.at(mark.block)
    f.state, f.found = mark.state.copy(), dict(mark.diags)
    f.fault_blocks, f.bases = dict(mark.faults), set(mark.bases)
    f.target.maps, f.work = dict(mark.maps), mark.work
    del f.target.slots[mark.slots :], f.frame.leaving[mark.leaving :]
    f.calls = mark.calls
    if f.loops:
        del f.loops[-1].breaks[mark.outer[0] :], f.loops[-1].continues[mark.outer[1] :]


def refused_since(f: Translation, mark: Mark, *codes: str) -> bool:
    """Whether there is an error of these codes that was not there at `mark`."""
    return any(key[0] in codes for key in f.found.keys() - mark.diags.keys())


def open(f: Translation, guesses: Mapping[str, Guess]) -> Heads:
    """Go on at a loop's head, where names are as guessed: those that may change are parameters of its block."""
    block = f.builder.new_block()
    names: dict[str, Binding] = {}
    carried: list[Carried] = []
    for name, guess in guesses.items():
        before, binding = f.state.names.get(name), guess.binding
        if isinstance(binding, Number) and isinstance(before, Number):
            names[name] = _head(f, block, carried, Carried(name, _number), (binding, guess))
        elif isinstance(binding, Reference | Nullable) and isinstance(before, Reference | Nullable | Nothing):
            names[name] = _place_head(f, block, carried, name, binding)
        elif isinstance(binding, View) and isinstance(before, View):
            head = _head(f, block, carried, Carried(name, None), (binding.place, guess))
            names[name] = View(binding.header, 0, head) if isinstance(head, Number) else head
        elif isinstance(binding, Pointer) and isinstance(before, Pointer) and binding != before:
            carried.append(Carried(name, None))
            names[name] = replace(binding, number=Number(INT, U64, f.builder.param(block, Word(U64))))
        elif isinstance(binding, Maybe):
            names[name] = _optional_head(f, block, carried, name, (binding, guess))
        else:
            names[name] = binding
    words = [_carried(f, one) for one in carried]
    if f.state.packet is not None:  # the body may store, which the next turn sees
        f.state.packet = replace(f.state.packet, layers={})
    f.builder.goto(block, *words)
    f.builder.at(block)
    f.state.names.update(names)
    f.state.looked.clear()  # what a later turn does may take it away
    f.state.standing.clear()
    return Heads(block, names, tuple(carried), f.state.copy())


def _place_head(
    f: Translation, block: Block, carried: list[Carried], name: str, guess: Reference | Nullable
) -> Reference | Nullable:  # fmt: skip
    """A value in memory at a loop's head, or what may be one."""
    at = guess.at if isinstance(guess, Nullable) else guess
    if not at.varies:
        return guess
    carried.append(Carried(name, None))
    base = f.builder.param(block, Ptr(at.space, nullable=isinstance(guess, Nullable)))
    return placed(guess, base)


def _optional_head(
    f: Translation, block: Block, carried: list[Carried], name: str, thought: tuple[Maybe, Guess]
) -> Binding:  # fmt: skip
    """A number or None at a loop's head."""
    maybe, guess = thought
    nothing, guess = placeholder([maybe.number]), replace(guess, drift=None)
    there = _head(f, block, carried, Carried(name, lambda one: part(one, nothing)[0]), (maybe.there, guess))
    number = _head(f, block, carried, Carried(name, lambda one: part(one, nothing)[1]), (maybe.number, guess))
    if not isinstance(there, Number) or not isinstance(number, Number):
        return number
    return Maybe(there, number, maybe.pointer)


def _head(
    f: Translation, block: Block, carried: list[Carried], one: Carried, thought: tuple[Number, Guess]
) -> Number | Growing:  # fmt: skip
    """A number at a loop's head."""
    binding, guess = thought
    drift = guess.drift
    if not binding.range.exact and (binding.range == ANY or (drift is None and not guess.counted)):
        return Growing(binding.range)
    param = None
    if binding.range.constant is None or not binding.range.exact:
        carried.append(one)
        param = f.builder.param(block, Word(binding.range) if binding.range.exact else WORD)
    outer: dict[int, Interval] = {}
    if drift is not None:
        before = f.state.names[one.name]
        before = before.place if isinstance(before, View) else before
        if isinstance(before, Number):
            outer = {base: add(by, drift) for base, by in drifts(f, before).items()}
    head = Number(binding.kinds, binding.range, param, drift=outer)
    f.bases.add(head.origin)
    return head


def size_since(f: Translation, mark: Mark) -> tuple[int, int]:
    """How many values were made since `mark`, and how many branches besides those to fault exits."""
    made = f.target.blocks[mark.blocks :]
    size = len(mark.block.values) - mark.values + sum(len(block.values) + 1 for block in made)
    faults = set(map(id, f.fault_blocks.values()))
    ends = (block.terminator for block in made)
    return size, sum(isinstance(one, Branch) and id(one.then) not in faults for one in ends)


def forget(f: Translation, mark: Mark, heads: Heads) -> None:
    """Let the kernel's verifier know nothing of what goes into a loop: it then takes all turns for one.

    A test whose outcome it knows makes it keep the exact values that led there, on every turn.
    """
    end = mark.block.terminator
    assert isinstance(end, Goto), "a loop is entered by the end of the block before it"
    f.builder.at(mark.block)
    mark.block.terminator = None
    made = [arg if isinstance(arg.type, Ptr) else f.builder.op("forget", arg, type=arg.type) for arg in end.args]
    f.builder.goto(heads.block, *made)


def close(f: Translation, heads: Heads, place: Span, spent: str | None = None, *, forgets: bool = False) -> None:
    """Go back to the head, where control comes to the end of a turn; what follows here is never reached.

    place: the loop's. spent: the kernel counts the turns, and this is said where it ends the loop. forgets: let the
    kernel's verifier know nothing of what goes back.
    """
    machine = f.machine
    if f.reachable:
        for name in dict.fromkeys(one.name for one in heads.carried):
            checked.carried(f, name, heads.names[name], place)
        held.turned(f, heads.before)
        back = [_carried(f, one) for one in heads.carried]
        if forgets and (spent is None or machine.may_goto or machine.loop):
            back = [f.builder.op("forget", one, type=one.type) if one.op == "const" else one for one in back]
        if spent is not None and machine.may_goto:
            f.builder.may_goto(heads.block, f.fault_block("LoopLimit", spent, place), *back)
        else:
            f.builder.goto(heads.block, *back)
            if spent is not None and machine.loop:
                _count_by_helper(f, heads.block, f.fault_block("LoopLimit", spent, place))
            elif spent is not None:
                _may_not_end(f, place)
    for one in heads.names.values():
        one = one.moved if isinstance(one, View) and one.moved is not None else one
        numbers = (one.there, one.number) if isinstance(one, Maybe) else (one,) if isinstance(one, Number) else ()
        f.bases -= {number.origin for number in numbers}
    f.leave()


def _count_by_helper(f: Translation, head: Block, spent: Block) -> None:
    """Let bpf_loop make the turns of a loop that is done but for that; to `spent` where it has made all it can."""
    inside, end = f.builder.new_block(), f.end()
    inside.values, inside.terminator = head.values, head.terminator
    head.values, head.terminator = [], None
    f.builder.at(head)
    again = f.builder.op("again", f.number(LIMIT), named="loop")
    f.builder.branch("ne", again, f.number(0), inside, spent)
    f.resume(end)


def _may_not_end(f: Translation, place: Span) -> None:
    """Said of copies of code as well: they are what the verifier walks through."""
    f.error(
        "W141",
        "the target kernel's verifier may not get to the end of this loop",
        place,
        why="it walks through every turn, and this loop makes many, or nobody knows how many; kernels from 5.17 on "
        "count them by bpf_loop, from 6.9 on by may_goto",
        help="for i in range(256): ...  # a constant bound, and a break inside",
    )


def _carried(f: Translation, one: Carried) -> Register:
    """What a name takes along to the head of a loop; anything after an error."""
    binding = f.state.names[one.name]
    if isinstance(binding, Reference | Nullable | Nothing) and one.part is None:
        return f.address(binding)
    if isinstance(binding, Pointer):
        return f.register(binding.number)
    if isinstance(binding, View):
        word = f.register(binding.place)
        return f.op("add", word, f.number(binding.base)) if binding.moved is not None and binding.base else word
    number = one.part(binding) if one.part is not None else None
    return f.register(number) if number is not None else f.number(0)


def drifts(f: Translation, number: Number) -> dict[int, Interval]:
    """From the numbers at the heads of the loops around that `number` comes from: how far from each it is."""
    own = {number.origin: Interval(0, 0)} if number.origin in f.bases else {}
    return {base: by for base, by in number.drift.items() if base in f.bases} | own


def _number(one: Binding) -> Number | None:
    """The number that it is, None after an error."""
    return one if isinstance(one, Number) else None
