"""Loops: what holds at their heads, found by translating the body until nothing changes any more.

A name that the body binds may be another number on each turn. What it can be is guessed, the body is translated under
the guess, and what comes back is compared with it. A guess that covers what came back, and what the name was before the
loop, holds on every turn. The last translation stays; all others are taken back. A number is covered in either way:

    bounds   what comes back lies in the guess
    drift    what comes back is the number itself plus at most d, the loop makes at most n turns, and
             what it was before, plus n * d, lies in the guess
    turns    the loop makes at most n turns, few of them, and the guess is what n turns make, joined one after the other
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from bpfvm.compiler.frontend.binding import Binding, Conflict, Growing, Unbound, part
from bpfvm.compiler.frontend.control import flow, heads, tuples
from bpfvm.compiler.frontend.control.learned import Inside, Key, Learned, Level
from bpfvm.compiler.frontend.control.tuples import Tuples
from bpfvm.compiler.frontend.numbers import checked
from bpfvm.compiler.frontend.numbers.kinds import wrapped
from bpfvm.compiler.frontend.numbers.ranges import ANY, bounded
from bpfvm.compiler.frontend.packets.window import is_of_packet
from bpfvm.compiler.frontend.state import Ends, Guess, Heads, Mark
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BOOLEAN,
    INT,
    Bad,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Pointer,
    Reference,
    View,
    constant,
    kinds_of,
    placeholder,
)
from bpfvm.core.bits import M8, M32, M64, S64_MAX, S64_MIN
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.packets.headers import FARTHEST
from bpfvm.lang.types.interval import U64, Interval, add

_DRIFTS = 4  # guesses by drift, before only bounds count
_TURNS = 64  # of a loop that is followed turn by turn, where a number would grow out of 64 bits else
_PATIENT = 2  # guesses by bounds that take what comes back as it is
# Then bounds that grow go to one of these, one after the other, and at last to "any number"
_STOPS = (Interval(0, M8), Interval(-1 << 31, M32), Interval(S64_MIN, S64_MAX), Interval(S64_MIN, M64), ANY)
_NONE = Interval(0, 0)
# What the verifier may walk of one loop, in values of the IR (its limit is 1,000,000 instructions for a program), turns
# that are few although ways fork in them, and how often it walks through a loop that is one state to it
_WALK, _FEW, _PATIENCE = 60_000, 16, 8
_COSTLY, _LIMIT = 250_000, 1_000_000  # instructions of one loop that are told of, and BPF_COMPLEXITY_LIMIT_INSNS

Guesses = dict[str, Guess]


@dataclass(slots=True)
class Loop:
    """A loop that is being translated: where `break` and `continue` leave from."""

    breaks: Ends = field(default_factory=list)
    continues: Ends = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Body:
    """node: the statement. turn: translates one turn from the head on; where control can come to its end it goes back
    to the head, and the ends that leave the loop are its result. names: what it may bind. turns: how often it comes
    back at most; walk: as far as the kernel's verifier knows. known: ranges of names that need no guess. called: a
    helper makes the turns (control.called). tuples: names of tuples, with those that their items have at the head."""

    node: ast.AST
    turn: Callable[[], Ends]
    names: Iterable[str]
    turns: int = LIMIT
    walk: int = LIMIT
    known: Mapping[str, Interval] = field(default_factory=dict)
    called: bool = False
    tuples: Tuples = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Trial:
    """The body translated under a guess. after: the names where it goes back, None where it never does. odd: names of
    tuples that are something else there. inside: what was found of the loops inside."""

    guess: Guesses
    mark: Mark
    heads: Heads
    exits: Ends
    after: Mapping[str, Binding] | None
    odd: frozenset[str]
    inside: Inside


# Steps (Translation.steps) that were taken back: so many in a function, and so many for each that stays
_WASTE, _WASTE_FOR_EACH = 6_000, 3
_WASTE_OF_ONE = 12  # for each that stays of a loop that stands in no other one: these come after one another


def run(f: Translation, body: Body) -> Ends:
    """Translate a loop at the point reached; the ends that leave it."""
    steps, wasted = f.steps, f.wasted
    exits = _run(f, body, f.level.next(body.node))
    if not f.loops:  # what a loop that stands in no other one takes is in proportion to it
        waste = f.wasted - wasted
        f.wasted -= min(waste, _WASTE_OF_ONE * (f.steps - steps - waste))
    return exits


def _run(f: Translation, body: Body, key: Key, whole: frozenset[str] = frozenset()) -> Ends:
    """key: of what the last translation of the loop around it found. whole: tuples that another turn leaves as
    something else."""
    outer = body
    apart, names = tuples.apart(f, (*body.names, *f.frame.rebound), whole)
    body = replace(body, names=names, tuples=apart)
    before: dict[str, Binding] = {name: flow.known(f.state, f.state.names.get(name)) for name in names}
    entered = before
    learned, before, guess = _begun(f, body, before, f.level.earlier.get(key))
    moves, inside = (learned.moves, learned.inside) if learned is not None else (False, {})
    least, round = inside, 0
    while True:
        so_far = f.moves
        trial = _trial(f, body, guess, inside)
        if trial.odd:
            heads.rollback(f, trial.mark)
            tuples.forget(f, apart)
            return _run(f, outer, key, whole | trial.odd)
        inside = trial.inside
        least = least or inside
        if f.moves > so_far and not moves:  # what was known of the packet before the loop holds on the first turn only
            moves = True
            heads.rollback(f, trial.mark)
            before = before | _of_packet(f, guess)
            guess = {name: guess.get(name) or _first(one, None) for name, one in before.items()}
            continue
        grown = {name: _grown(f, trial, name, before[name], guess[name], body.turns, round) for name in guess}
        if all(grown[name] is guess[name] for name in guess) or _wasteful(f):
            break
        heads.rollback(f, trial.mark)
        guess, round = grown, round + 1
        before = dict(_entered(f, body, before, guess))
    if _wasteful(f):
        _too_often(f, body)
    trial, is_followed = _followed(f, body, before, trial)
    if not is_followed:
        trial = _tightened(f, body, before, trial, least)
        f.level.found[key] = Learned(entered, trial.guess, body.turns, moves, trial.inside)
    _close(f, body, trial)
    return trial.exits


def _begun(
    f: Translation, body: Body, before: dict[str, Binding], learned: Learned | None
) -> tuple[Learned | None, dict[str, Binding], Guesses]:  # fmt: skip
    """What was found of the loop before, where it counts; the names before the loop, and the first guess."""
    guess = {name: _first(one, body.known.get(name)) for name, one in before.items()}
    if learned is None or not learned.holds(before, body.turns):
        return None, before, guess
    if learned.moves:
        around = _of_packet(f, guess)
        before, guess = before | around, guess | {name: _first(one, None) for name, one in around.items()}
    guess = _resumed(f, learned, guess)
    return learned, dict(_entered(f, body, before, guess)), guess


def _resumed(f: Translation, learned: Learned, first: Guesses) -> Guesses:
    """What to begin by where something was found of a loop: numbers as far from what they are before it as they were
    then, or as large as they were; names that only had a value after a turn. Others begin as any do, by `first`."""
    made = dict(first)
    for name, guess in first.items():
        then = learned.guess.get(name)
        if then is None or then.counted:
            continue
        if isinstance(guess.binding, Unbound) and isinstance(then.binding, Unbound):
            made[name] = then
        elif isinstance(guess.binding, Number) and guess.drift is not None:
            made[name] = _resumed_number(f, guess, guess.binding, learned.before.get(name), then)
    return made


def _resumed_number(f: Translation, first: Guess, now: Number, before: Binding | None, then: Guess) -> Guess:
    """now, before: what it is before the loop, and was then."""
    was, drift = then.binding, then.drift
    if not isinstance(was, Number) or not isinstance(before, Number):
        return first
    kinds, range = now.kinds | was.kinds, now.range.union(was.range)
    if drift is None:
        return Guess(Number(kinds, checked.clipped(f, kinds, wrapped(kinds, range))), None)
    reach = add(now.range, drift)
    if not checked.reached(f, kinds, reach) or (drift == _NONE and kinds == now.kinds):
        return first
    is_tightened = not add(before.range, drift).within(was.range)
    return Guess(Number(kinds, bounded(range if is_tightened else reach.union(now.range))), drift)


def _close(f: Translation, body: Body, trial: _Trial) -> None:
    """Go back to the head, in the way that the kernel's verifier takes."""
    work = trial.mark.work
    size, ways = heads.size_since(f, trial.mark)
    inside = size + f.work - work
    if not body.called and _walked(body.walk, inside, ways):
        f.work = work + body.walk * inside - size
        heads.close(f, trial.heads, f.head(body.node))
    else:
        f.work = work + _PATIENCE * inside - size
        here = f.end() if f.reachable else None
        if f.machine.may_goto or f.machine.loop:  # else it walks through all turns, as far as it gets
            heads.forget(f, trial.mark, trial.heads)
        if here is not None:
            f.resume(here)
        spent = None if body.called else "the loop has used up the kernel's patience"
        heads.close(f, trial.heads, f.head(body.node), spent, forgets=True)
    walked = f.work - work + size
    if walked > _COSTLY and not f.loops:
        f.warn(
            "W140",
            f"this loop makes the kernel's verifier walk through some {walked} instructions",
            f.head(body.node),
            why=f"it gives up after {_LIMIT} instructions of one program",
            help="bound the loop by a smaller constant, or move what it does inside into a function: @bpf.func",
        )


def _wasteful(f: Translation) -> bool:
    """Whether bodies of loops were translated so often that it takes too long: then nothing is looked at twice. Each
    loop inside of another one multiplies how often."""
    return f.wasted > _WASTE + _WASTE_FOR_EACH * (f.steps - f.wasted)


def _of_packet(f: Translation, guess: Guesses) -> dict[str, Binding]:
    """Names for places in the packet that the body does not bind, but may leave without a meaning."""
    f.state.packet = None
    return {name: one for name, one in f.state.names.items() if name not in guess and is_of_packet(one)}


def _too_often(f: Translation, body: Body) -> None:
    f.error(
        "E063",
        "too many loops inside of one another, for this version",
        f.head(body.node),
        why=f"what holds in a loop is found by looking at its body several times, here at {f.wasted} expressions",
        help="move inner loops into a function that is compiled once: @bpf.func",
    )


def _walked(turns: int, size: int, ways: int) -> bool:
    """Whether the kernel's verifier is to walk through all turns one by one: where they are few, and no way forks.

    It knows each value exactly then. Else it takes the head of the loop as one state, of which it knows less.
    """
    return (turns <= _FEW and turns * size * (ways + 1) <= _WALK) or (ways <= 1 and turns * size <= _WALK)


def _first(before: Binding, known: Interval | None) -> Guess:
    if known is not None and isinstance(before, Number):
        return Guess(Number(before.kinds, known), None)
    return Guess(before, _NONE)


def _trial(f: Translation, body: Body, guess: Guesses, inside: Inside) -> _Trial:
    """inside: what was found of the loops inside, under a guess that is no more than this one."""
    mark = heads.mark(f)
    opened = heads.open(f, guess)
    tuples.gather(f, body.tuples)
    around, f.level = f.level, Level(inside)
    exits = body.turn()
    found, f.level = f.level.found, around
    odd = tuples.spread(f, body.tuples) if f.reachable else frozenset()
    after = {name: flow.known(f.state, f.state.names.get(name)) for name in guess} if f.reachable else None
    return _Trial(guess, mark, opened, exits, after, odd, found)


def _tightened(
    f: Translation, body: Body, before: Mapping[str, Binding], held: _Trial, inside: Inside
) -> _Trial:  # fmt: skip
    """Once more under what came back, where that is less than what was guessed; `held` again where it does not hold."""
    guess = held.guess
    tighter = {name: _tighter(held, name, before[name], guess[name]) for name in guess}
    if all(tighter[name] is guess[name] for name in guess) or _wasteful(f):
        return held
    heads.rollback(f, held.mark)
    trial = _trial(f, body, tighter, inside)
    grown = (_grown(f, trial, name, before[name], tighter[name], body.turns, 0) for name in guess)
    if not trial.odd and all(one is tighter[name] for name, one in zip(guess, grown, strict=True)):
        return trial
    heads.rollback(f, trial.mark)
    return _trial(f, body, guess, held.inside)


def _followed(
    f: Translation, body: Body, before: Mapping[str, Binding], held: _Trial
) -> tuple[_Trial, bool]:  # fmt: skip
    """The body under what its turns make of names, followed one by one, and True; `held` again where nothing grew too
    large, where the turns are too many, or where 64 bits do not hold what they make."""
    grew = any(isinstance(one, Growing) for one in held.heads.names.values())
    grew = grew or heads.refused_since(f, held.mark, "E040", "E046")
    if not grew or not 0 < body.turns <= min(_TURNS, f.patience) or _wasteful(f):
        return held, False
    heads.rollback(f, held.mark)
    f.patience -= body.turns
    now: Guesses = {name: _first(one, body.known.get(name)) for name, one in before.items()}
    inside: Inside = {}
    for _ in range(body.turns):
        trial = _trial(f, body, now, inside)
        heads.rollback(f, trial.mark)
        made = {name: _joined(f, trial, name, one.binding) for name, one in now.items()}
        if trial.odd or any(one is None for one in made.values()):
            return _trial(f, body, held.guess, held.inside), False
        now = {name: Guess(one, None, counted=True) for name, one in made.items() if one is not None}
        inside = trial.inside
    trial = _trial(f, body, now, inside)
    if trial.odd:
        heads.rollback(f, trial.mark)
        return _trial(f, body, held.guess, held.inside), False
    return trial, True


def _joined(f: Translation, trial: _Trial, name: str, known: Binding) -> Binding | None:
    """What a name is at the head before a turn or after it; None where nobody knows how large it gets, or where 64
    bits have to hold it and do not, or after an error."""
    after = trial.after[name] if trial.after is not None else trial.heads.names[name]
    if after == trial.heads.names[name]:
        return known
    if isinstance(known, Number) and isinstance(after, Number):
        reach, kinds = known.range.union(after.range), known.kinds | after.kinds
        is_held = reach.exact or (f.hook.ints != "checked" and bounded(reach) != ANY)
        return Number(kinds, wrapped(kinds, reach)) if is_held else None
    if isinstance(known, Pointer) and isinstance(after, Pointer) and known.place == after.place:
        return replace(known, number=Number(INT, U64), trusted=False)
    return None if isinstance(after, Growing | Bad) else flow.met([known, after])


def _entered(
    f: Translation, body: Body, before: Mapping[str, Binding], guess: Guesses
) -> Mapping[str, Binding]:  # fmt: skip
    """What names are before the loop, after the tests of those that it holds as s64 (ints="checked")."""
    if f.hook.ints != "checked":
        return before
    for name, one in guess.items():
        checked.carried(f, name, one.binding, f.head(body.node))
    return {name: flow.known(f.state, f.state.names.get(name)) for name in before}


def _grown(
    f: Translation, trial: _Trial, name: str, before: Binding, guess: Guess, turns: int, round: int
) -> Guess:  # fmt: skip
    """`guess` where it covers what came back, else the next one."""
    if trial.after is None:
        return guess
    head, after = trial.heads.names[name], trial.after[name]
    if _is_optional(before, after, guess.binding):
        return _optional(before, after, guess, round)
    if not (isinstance(before, Number) and isinstance(after, Number) and isinstance(guess.binding, Number)):
        if isinstance(after, Growing | Bad) or after == head:  # an error was said where it was made
            return guess
        moved = _moved(f, head, (before, after), guess, turns, round)
        if moved is not None:
            return moved
        pointer = _pointer(before, after, guess)
        if pointer is not None:
            return pointer
        place = guess.binding if isinstance(guess.binding, Reference | Nullable | Nothing) else None
        if place is not None and isinstance(after, Reference | Nullable) and _made_in(trial, after):
            return Guess(Conflict(place, after, earlier=True), None)
        met = flow.met([guess.binding, after])
        return Guess(met, None) if met != guess.binding else guess
    return _number(f, head, (before, after), guess, guess.binding, turns, round)


def _pointer(before: Binding, after: Binding, guess: Guess) -> Guess | None:
    """Pointers to one kind of thing: any address, from the second guess on, of which the verifier knows nothing. None
    for anything else."""
    known = guess.binding
    if not (isinstance(before, Pointer) and isinstance(after, Pointer) and isinstance(known, Pointer)):
        return None
    if after.place != known.place:
        return None
    return guess if known != before else Guess(replace(known, number=Number(INT, U64), trusted=False), None)


def _moved(
    f: Translation, head: Binding, ways: tuple[Binding, Binding], guess: Guess, turns: int, round: int
) -> Guess | None:  # fmt: skip
    """Views of one header: they move as numbers do, within what programs see of a packet. None for anything else."""
    (before, after), known = ways, guess.binding
    if not (
        isinstance(head, View) and isinstance(before, View) and isinstance(after, View) and isinstance(known, View)
    ):
        return None
    if len({one.header for one in (head, before, after, known)}) > 1:
        return None
    place = known.place
    wider = _number(f, head.place, (before.place, after.place), guess, place, turns, round)
    if wider is guess or not isinstance(wider.binding, Number):
        return guess
    range = wider.binding.range.meet(Interval(0, FARTHEST)) or place.range
    return Guess(View(known.header, 0, Number(INT, range)), wider.drift)


def _number(
    f: Translation, head: Binding, ways: tuple[Number, Number], guess: Guess, binding: Number, turns: int, round: int
) -> Guess:  # fmt: skip
    """`guess`, of which `binding` is the number, where it covers what comes in and back by `ways`; else the next."""
    before, after = ways
    known, kinds = binding.range, before.kinds | after.kinds | binding.kinds
    bounds = checked.clipped(f, kinds, before.range.union(after.range))
    drift = _drift(head, after, turns) if guess.drift is not None else None
    if drift is not None and guess.drift is not None:
        reach = add(before.range, drift)
        drifts = checked.reached(f, kinds, reach)
        covered = drifts and (bounds.within(known) or reach.within(known))
        if covered and drift.within(guess.drift) and kinds == binding.kinds:
            return guess
        if drifts and round < _DRIFTS:
            return Guess(Number(kinds, bounded(reach.union(known))), drift.union(guess.drift))
    elif guess.drift is None and bounds.within(known) and kinds == binding.kinds:
        return guess
    wider = _wider(known, bounds, round - _DRIFTS)
    return Guess(Number(kinds, checked.clipped(f, kinds, wrapped(kinds, wider))), None)


def _is_optional(*bindings: Binding) -> bool:
    """Whether they are numbers on some turns, and None on others; or pointers to one place, and None."""
    found = flow.there(bindings)
    pointers = [one for one in found if isinstance(one, Pointer)]
    alike = len({one.place for one in pointers}) == 1 if pointers else True
    return (
        alike
        and all(isinstance(one, Pointer if pointers else Number) for one in found)
        and (any(isinstance(one, Maybe) for one in bindings) or 0 < len(found) < len(bindings))
    )


def _optional(before: Binding, after: Binding, guess: Guess, round: int) -> Guess:
    """A number or None: what there is of it on any turn, by bounds alone. A pointer that no verifier knows, or None."""
    known = guess.binding
    ways = (before, after, known)
    found = flow.there(ways)
    pointer = next((replace(one, trusted=False) for one in found if isinstance(one, Pointer)), None)
    numbers = [part(one, constant(0))[1] for one in found]
    nothing = placeholder(numbers)
    there = reduce(Interval.union, (part(one, nothing)[0].range for one in ways))
    kinds = kinds_of(numbers)
    bounds = reduce(Interval.union, (one.range for one in numbers))
    if isinstance(known, Maybe):
        fits = bounds.within(known.number.range) and there.within(known.there.range)
        if fits and kinds == known.number.kinds and (known.pointer is None or not known.pointer.trusted):
            return guess
        bounds = _wider(known.number.range, bounds, round)
    number = Number(kinds, wrapped(kinds, bounds) if pointer is None else U64)
    return Guess(Maybe(Number(BOOLEAN, there), number, pointer), None)


def _made_in(trial: _Trial, one: Reference | Nullable) -> bool:
    """Whether it may lie in an object that the loop's body makes anew on each turn."""
    at = one.at if isinstance(one, Nullable) else one
    return any(number >= trial.mark.slots for number in at.objects)


def _drift(head: Binding, after: Number, turns: int) -> Interval | None:
    """How far the number can have moved after all turns, or None where what comes back is not itself plus something."""
    if not isinstance(head, Number):
        return None
    if after.origin == head.origin:
        return _NONE
    step = after.drift.get(head.origin)
    return None if step is None else Interval(turns * min(step.lo, 0), turns * max(step.hi, 0))


def _wider(known: Interval, wanted: Interval, round: int) -> Interval:
    both = bounded(known.union(wanted))
    if round < _PATIENT or both == known:
        return both
    stop = _STOPS[min(round - _PATIENT, len(_STOPS) - 1)]
    return Interval(
        known.lo if both.lo >= known.lo else 0 if both.lo >= 0 else min(both.lo, stop.lo),
        known.hi if both.hi <= known.hi else max(both.hi, stop.hi),
    )


def _tighter(trial: _Trial, name: str, before: Binding, guess: Guess) -> Guess:
    after = trial.after[name] if trial.after is not None else None
    if not (isinstance(before, Number) and isinstance(after, Number) and isinstance(guess.binding, Number)):
        return guess
    range = before.range.union(after.range)
    if range == guess.binding.range or not range.within(guess.binding.range):
        return guess
    return Guess(Number(guess.binding.kinds, range), guess.drift)
