"""Where ways meet: what names are after a join, and which values need a register of their own."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from bpfvm.compiler.frontend.binding import Binding, Conflict, Growing, Stale, Unbound, part
from bpfvm.compiler.frontend.control import held
from bpfvm.compiler.frontend.control.heads import drifts
from bpfvm.compiler.frontend.maps import lookups
from bpfvm.compiler.frontend.memory import standing
from bpfvm.compiler.frontend.numbers.ranges import bounded
from bpfvm.compiler.frontend.state import End, PacketEnds, State
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    BOOLEAN,
    Bad,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Pointer,
    Reference,
    Tuple,
    Value,
    View,
    constant,
    kinds_of,
    placed,
    placeholder,
)
from bpfvm.compiler.ir.build import WORD
from bpfvm.compiler.ir.types import Ptr, Type, Word
from bpfvm.lang.types.interval import Interval


def enter(f: Translation, ends: Sequence[End]) -> None:
    """Go on where all of `ends` lead. With none, what follows is never reached."""
    _join(f, ends, None)


def join_values(f: Translation, ends: Sequence[End], results: Sequence[Value], node: ast.expr) -> Value:
    """Go on where all of `ends` lead, with the one of `results` that stands for the way taken."""
    joined = _join(f, ends, results)
    if isinstance(joined, Conflict):
        return f.error(
            "E047",
            f"`{f.quoted(node)}` is {joined.told('')}",
            node,
            why="a value that an operation uses must be of one kind",
            help=_of_one_kind(joined.first, joined.second) or "use if and else, and two names",
        )
    if joined is None or isinstance(joined, Unbound | Growing | Stale):
        raise AssertionError("a result has a value on every path")
    return joined


def _of_one_kind(first: Value, second: Value) -> str:
    """How a number that stands for a missing pointer is written."""
    pointer, number = (first, second) if isinstance(first, Pointer) else (second, first)
    if not isinstance(pointer, Pointer) or not isinstance(number, Number) or number.constant is None:
        return ""
    return f"make a pointer of the number: {pointer.kind.__name__}({number.constant})"


def truth_value(f: Translation, branches: tuple[Sequence[End], Sequence[End]], node: ast.expr) -> Value:
    """A bool: True where the first ends lead, False where the second do."""
    holds, fails = branches
    results = [f.constant(1, BOOLEAN)] * len(holds) + [f.constant(0, BOOLEAN)] * len(fails)
    return join_values(f, [*holds, *fails], results, node)


@dataclass(frozen=True, slots=True)
class _Phi:
    """A number that is another register on each way: what it is there, in the order of the ways.

    added: what is to be added to each number's register, where that is not the number yet.
    """

    numbers: tuple[Number, ...]
    added: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Places:
    """A value in memory, or None, that is another one on each way. made: what it is behind the join, but for its
    address."""

    ways: tuple[Reference | Nullable | Nothing, ...]
    made: Reference | Nullable


def _join(f: Translation, ends: Sequence[End], results: Sequence[Value] | None) -> Binding | None:
    if not ends:
        f.leave()
        return None
    if any(end.state.dead for end in ends):
        alive = [place for place, end in enumerate(ends) if not end.state.dead] or [0]
        ends = [ends[place] for place in alive]
        results = [results[place] for place in alive] if results else None
    if len(ends) == 1:
        f.resume(ends[0])
        return results[0] if results else None
    states = [end.state for end in ends]
    names = dict.fromkeys(name for state in states for name in state.names)
    f.steps += len(names)  # to be met takes about as long as to be evaluated
    columns = {name: _column(states, [state.names.get(name) for state in states]) for name in names}
    result = _meet([known(*pair) for pair in zip(states, results, strict=True)]) if results else None
    phis = [phi for one in (*columns.values(), result) for phi in _phis(one)]
    made = dict(zip(map(id, phis), _merge(f, ends, phis), strict=True))
    bound: dict[str, Binding] = {name: _filled(one, made) for name, one in columns.items()}
    stands = standing.common(states)
    origins = _origins(bound.values()) | {one.origin for one in stands.values()}
    f.state = State(
        bound, _common_facts(states, origins), _common_packet(states), told=_told(f, states), standing=stands
    )
    f.state.looked = lookups.common(states)
    f.state.held = held.meet(f, states)
    return _filled(result, made) if result is not None else None


def _column(states: Sequence[State], bound: Sequence[Binding | None]) -> Any:
    """What one name is after the join. One value that may be None stays itself, whatever each way knows of it."""
    first, column = bound[0], [known(*pair) for pair in zip(states, bound, strict=True)]
    is_one = isinstance(first, Nullable) and all(one == first for one in bound)
    return first if is_one and any(one != column[0] for one in column) else _meet(column)


def _phis(one: Any) -> list[_Phi | _Places]:
    """The numbers and references to be made of a name's binding."""
    match one:
        case _Phi() | _Places():
            return [one]
        case Tuple():
            return [phi for item in one.items for phi in _phis(item)]
        case Maybe():
            return [*_phis(one.there), *_phis(one.number)]
        case View():
            return _phis(one.moved)
        case Pointer():
            return _phis(one.number)
    return []


def _filled(one: Any, made: Mapping[int, Number | Reference | Nullable]) -> Any:
    """The binding with its numbers, now that they are made."""
    match one:
        case _Phi() | _Places():
            return made[id(one)]
        case Tuple():
            return Tuple(tuple(_filled(item, made) for item in one.items))
        case Maybe():
            return replace(one, there=_filled(one.there, made), number=_filled(one.number, made))
        case View(moved=_Phi()):
            return replace(one, moved=_filled(one.moved, made))
        case Pointer(number=_Phi()):
            return replace(one, number=_filled(one.number, made))
    return one


def known(state: State, bound: Binding | None) -> Binding:
    """A name's binding with what tests have shown of it; None for a name that was never bound."""
    if bound is None:
        return Unbound(always=True)
    if isinstance(bound, Tuple):
        return Tuple(tuple(state.seen(one) for one in bound.items))
    return state.seen(bound) if isinstance(bound, Number | Maybe | Nullable | View) else bound


def met(column: Sequence[Binding]) -> Binding:
    """One name's binding after a join of ways, on one of which it is no number."""
    joined: Any = _meet(column)
    if isinstance(joined, _Places):
        return joined.made
    return _conflict(column) if _phis(joined) else joined


def _meet(column: Sequence[Binding]) -> Any:
    """One name's binding after the join: what is to be made is a _Phi or _Places, in tuples too."""
    first = column[0]
    if all(one == first for one in column):
        return first
    if any(isinstance(one, Bad) for one in column):
        return BAD
    if any(isinstance(one, Unbound) for one in column):
        return Unbound(always=False)
    gone = next((one for one in column if isinstance(one, Growing | Stale)), None)
    if gone is not None:
        return gone
    numbers = [one for one in column if isinstance(one, Number)]
    if len(numbers) == len(column):
        return _meet_numbers(numbers)
    places = [one for one in column if isinstance(one, Reference | Nullable | Nothing)]
    if any(isinstance(one, Nullable) and one.map is not None for one in places):
        return _conflict(column)
    if len(places) == len(column) and len({(one.type, one.space) for one in references(places)}) == 1:
        return _meet_places(places)
    views = [one for one in column if isinstance(one, View)]
    if len(views) == len(column) and len({one.header for one in views}) == 1:
        return _meet_views(views)
    pointers = [one for one in column if isinstance(one, Pointer)]
    if len(pointers) == len(column) and len({one.place for one in pointers}) == 1:
        trusted = all(one.trusted for one in pointers)
        return replace(pointers[0], number=_meet_numbers([one.number for one in pointers]), trusted=trusted)
    tuples = [one for one in column if isinstance(one, Tuple)]
    if len(tuples) == len(column) and len({len(one.items) for one in tuples}) == 1:
        return _meet_tuples(tuples)
    if _is_optional(column):
        return _meet_optional(column)
    return next((one for one in column if isinstance(one, Conflict)), None) or _conflict(column)


def references(places: Sequence[Reference | Nullable | Nothing]) -> list[Reference]:
    """Those that there are, or may be."""
    return [one.at if isinstance(one, Nullable) else one for one in places if not isinstance(one, Nothing)]


def _meet_places(places: Sequence[Reference | Nullable | Nothing]) -> _Places:
    there = references(places)
    objects = frozenset(number for one in there for number in one.objects)
    align = min(aligned_to(one) for one in there)
    fixed, shared = any(one.fixed for one in there), any(one.shared for one in there)
    home = there[0].home if len({one.home for one in there}) == 1 else None
    made = replace(there[0], objects=objects, align=align, fixed=fixed, shared=shared, offset=0, varies=True, home=home)
    is_there = all(isinstance(one, Reference) for one in places)
    return _Places(tuple(places), made if is_there else Nullable(made))


def _meet_views(views: Sequence[View]) -> View:
    """Views of one header at several places."""
    first = views[0]
    moved = [one.moved for one in views if one.moved is not None]
    if len(moved) == len(views) and len({one.base for one in views}) == 1:
        return View(first.header, first.base, _meet_numbers(moved))
    met = _meet_numbers([one.place for one in views])
    if isinstance(met, Number):
        assert met.constant is not None, "places that are told by one number have one base"
        return View(first.header, met.constant)
    return View(first.header, 0, replace(met, added=tuple(one.base if one.moved else 0 for one in views)))


def aligned_to(one: Reference) -> int:
    """What the address of a value is a multiple of; any address is as good as another one in the packet."""
    if one.space == "packet":
        return one.align
    return min(one.align, one.offset & -one.offset) if one.offset else one.align


def _meet_tuples(tuples: Sequence[Tuple]) -> Any:
    """Item by item."""
    items: list[Any] = [_meet(column) for column in zip(*(one.items for one in tuples), strict=True)]
    wrong = next((one for one in items if isinstance(one, Conflict | Bad)), None)
    return wrong if wrong is not None else Tuple(tuple(items))


def _is_optional(column: Sequence[Binding]) -> bool:
    """Whether they are numbers on some ways and None on others, or pointers to one place and None."""
    found = there(column)
    pointers = [one for one in found if isinstance(one, Pointer)]
    if pointers:
        return len(pointers) == len(found) and len({(one.place, one.trusted) for one in pointers}) == 1
    return all(isinstance(one, Number) for one in found)


def there(column: Sequence[Binding]) -> list[Binding]:
    """What there is on the ways on which it is not None."""
    return [one.found(one.number) if isinstance(one, Maybe) else one for one in column if not isinstance(one, Nothing)]


def _meet_optional(column: Sequence[Binding]) -> Any:
    """Numbers or pointers on some ways, None on others."""
    found = there(column)
    nothing = placeholder([part(one, constant(0))[1] for one in found])
    parts = [part(one, nothing) for one in column]
    is_there, number = (_meet_numbers(column) for column in zip(*parts, strict=True))
    return Maybe(is_there, number, next((one for one in found if isinstance(one, Pointer)), None))


def _conflict(column: Sequence[Binding]) -> Conflict:
    first = column[0]
    other = next(one for one in column if one != first)
    known = (Unbound, Conflict, Growing, Stale)
    if isinstance(first, known) or isinstance(other, known):
        raise AssertionError("unbound names and conflicts have met before")
    return Conflict(first, other)


def _meet_numbers(numbers: Sequence[Number]) -> Any:
    first = numbers[0]
    kinds = kinds_of(numbers)
    if all(one.origin == first.origin for one in numbers):
        return Number(kinds, _union(numbers), first.register, first.origin, first.drift)
    if len({one.constant for one in numbers}) == 1 and first.constant is not None:
        return constant(first.constant, kinds)  # a value of its own: what `first` is elsewhere says nothing of it
    return _Phi(tuple(numbers))


def _union(numbers: Sequence[Number]) -> Interval:
    range = numbers[0].range
    for one in numbers[1:]:
        range = range.union(one.range)
    return bounded(range)


def _merge(
    f: Translation, ends: Sequence[End], phis: Sequence[_Phi | _Places]
) -> list[Number | Reference | Nullable]:  # fmt: skip
    """Lead all ways into one block that takes the phis' numbers and addresses."""
    ways = []
    for place, end in enumerate(ends):
        f.resume(end)
        ways.append([_word(f, phi, place) for phi in phis])
    registers = f.meet(ends, ways, [_type(phi) for phi in phis])
    return [_joined(f, phi, register) for phi, register in zip(phis, registers, strict=True)]


def _word(f: Translation, phi: _Phi | _Places, place: int) -> Register:
    if isinstance(phi, _Places):
        return f.address(phi.ways[place])
    word = f.register(phi.numbers[place])
    return f.op("add", word, f.number(phi.added[place])) if phi.added and phi.added[place] else word


def _type(phi: _Phi | _Places) -> Type:
    if isinstance(phi, _Places):
        is_nullable = isinstance(phi.made, Nullable)
        return Ptr(references([phi.made])[0].space, nullable=is_nullable)
    range = _union(phi.numbers)
    return Word(range) if range.exact else WORD


def _joined(f: Translation, phi: _Phi | _Places, register: Register) -> Number | Reference | Nullable:
    if isinstance(phi, _Places):
        return placed(phi.made, register)
    return Number(kinds_of(phi.numbers), _union(phi.numbers), register, drift=_common_drift(f, phi.numbers))


def _common_drift(f: Translation, numbers: Sequence[Number]) -> dict[int, Interval]:
    """From the numbers at the heads of loops that all of them come from."""
    first, *others = (drifts(f, one) for one in numbers)
    common = {}
    for base, drift in first.items():
        if all(base in other for other in others):
            for other in others:
                drift = drift.union(other[base])
            common[base] = drift
    return common


def _origins(bindings: Iterable[Binding]) -> set[int]:
    """Of the numbers that names still stand for: nobody asks for others any more."""
    found = set()
    for one in bindings:
        if isinstance(one, Number):
            found.add(one.origin)
        elif isinstance(one, Tuple):
            found |= _origins(one.items)
        elif isinstance(one, Maybe):
            found |= {one.there.origin, one.number.origin}
        elif isinstance(one, Nullable):
            found.add(one.origin)
        elif isinstance(one, Pointer):
            found.add(one.number.origin)
        elif isinstance(one, View) and one.moved is not None:
            found.add(one.moved.origin)
    return found


def _common_facts(states: Sequence[State], origins: set[int]) -> dict[int, Interval]:
    """What is known on every way of the values of `origins`: of each the union."""
    first, *others = states
    facts = {}
    for origin in origins & first.facts.keys():
        range = first.facts[origin]
        ranges = [state.facts.get(origin) for state in others]
        if all(one is not None for one in ranges):
            for one in ranges:
                assert one is not None
                range = range.union(one)
            facts[origin] = range
    return facts


def _told(f: Translation, states: Sequence[State]) -> dict[Hashable, Interval]:
    """What tests have shown of places in the packet on every way."""
    found = {}
    for place in f.reads:
        ranges = [told(f, state, place) for state in states]
        known = [one for one in ranges if one is not None]
        if len(known) == len(ranges):
            found[place] = reduce(Interval.union, known)
    return found


def told(f: Translation, state: State, place: Hashable) -> Interval | None:
    """What tests on the way to `state` have shown of the number at a place in the packet. None for nothing."""
    known = state.told.get(place)
    for origin in f.reads.get(place, ()):
        one = state.facts.get(origin)
        known = one if known is None else known if one is None else known.meet(one) or one
    return known


def _common_packet(states: Sequence[State]) -> PacketEnds | None:
    """The packet's addresses, where all ways have the same; the shortest of what they have proven."""
    known = [state.packet for state in states if state.packet is not None]
    first = known[0] if known else None
    if first is None or len(known) < len(states) or any(one.data is not first.data for one in known):
        return None
    windows = {}
    for key, window in first.windows.items():
        others = [one.windows.get(key) for one in known]
        same = [one for one in others if one is not None and one.pointer is window.pointer]
        if len(same) == len(known):
            windows[key] = min(same, key=lambda one: one.proven)
    layers = {key: one for key, one in first.layers.items() if all(other.layers.get(key) == one for other in known)}
    meta = first.meta if all(one.meta is first.meta for one in known) else None
    return PacketEnds(first.data, first.end, windows, layers, meta)
