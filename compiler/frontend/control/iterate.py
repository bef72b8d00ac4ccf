"""`while` and `for`: what is iterated, how often at most, and what a turn does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace

from bpfvm.compiler.frontend import protocols
from bpfvm.compiler.frontend.control import flow, loops, progressions, visits
from bpfvm.compiler.frontend.control.iterables import Items, Range
from bpfvm.compiler.frontend.control.loops import Body
from bpfvm.compiler.frontend.control.turns import Statements, Turns, assigned, finish
from bpfvm.compiler.frontend.control.visits import Counted, Visits
from bpfvm.compiler.frontend.expr import branch, items, value
from bpfvm.compiler.frontend.maps import elements
from bpfvm.compiler.frontend.maps.keys import Key
from bpfvm.compiler.frontend.memory import items as arrays
from bpfvm.compiler.frontend.memory import place, tables
from bpfvm.compiler.frontend.names import bindings
from bpfvm.compiler.frontend.numbers import arith, compare
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.state import Ends
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    INT,
    Bad,
    Entries,
    MapValue,
    Number,
    Reference,
    Static,
    Tuple,
    Value,
    constant,
)
from bpfvm.compiler.frontend.types import Range as Progression
from bpfvm.core.bits import S64_MAX
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.maps import Array
from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.interval import Interval

Bind = Callable[[Value], None]

UNPACKED = 64  # elements of an array that names take
UNROLLED = 16  # items of a tuple or a text; more take a table


def while_loop(f: Translation, node: ast.While, statements: Statements) -> None:
    """`while test: ... else: ...`. statements: translates a body."""
    turns = Turns(f, node)

    def turn() -> Ends:
        holds, fails = branch(f, node.test)
        flow.enter(f, holds)
        if f.reachable:
            turns.count(f)
            turns.body(f, lambda: statements(node.body))
        return fails

    turns.bounded = False
    finish(
        f,
        turns,
        loops.run(f, Body(node, turn, (*map(f.frame.own, assigned(node)), turns.name), known=turns.known)),
        node.orelse,
        statements,
    )


def for_loop(f: Translation, node: ast.For, bind: Bind, statements: Statements) -> None:
    """`for target in iterable: ... else: ...`. bind: stores an item in the target."""
    made = _maker(f, node.iter)
    if isinstance(made, Bad):
        over(f, node, None, bind, statements)
    elif made is not None:
        assert isinstance(node.iter, ast.Call), "only calls have makers"
        over(f, node, made(f, node.iter), bind, statements)
    else:
        found = items(f, node.iter)
        of_ours = protocols.of(found).loop
        if of_ours is not None:
            of_ours(f, found, node, bind, statements)
        else:
            over(f, node, _source(f, found, node.iter), bind, statements)


def over(
    f: Translation, node: ast.For, source: Source | None, bind: Bind, statements: Statements,
    carried: Sequence[str] = (),
) -> None:  # fmt: skip
    """The loop over `source`, None for one that is an error. carried: names besides those of the text that the body
    binds."""
    if source is None:
        _unrolled(f, node, Items((BAD,)), bind, statements)  # for the errors of the body
        return
    if isinstance(source, Items):
        _unrolled(f, node, source, bind, statements)
        return
    if isinstance(source, Visits):
        visits.over(f, node, source, bind, statements, carried)
        return
    _ranged(f, node, source, bind, statements, carried)


Iterable = Range | Items
Source = Iterable | Visits  # what a loop of its own goes over, and not beside another
Maker = Callable[[Translation, ast.Call], Source | None]


def iterable(f: Translation, node: ast.expr) -> Iterable | None:
    """What `zip` and the like go over. None after an error."""
    found = source(f, node)
    if isinstance(found, Visits):
        _apart(f, found, node)
        return None
    return found


def _apart(f: Translation, one: Visits, node: ast.expr) -> None:
    f.error(
        "E063",
        f"`{f.quoted(node)}` is gone over by a `for` of its own, in this version",
        node,
        why="the kernel goes through the map, and calls the body for each entry",
        help=f"for i, k in enumerate({one.map.name}): ...\nfor k, x in zip({one.map.name}, range(9)): ...",
    )


def source(f: Translation, node: ast.expr) -> Source | None:
    """What a `for` goes over. None after an error."""
    made = _maker(f, node)
    if isinstance(made, Bad):
        return None
    if made is not None:
        assert isinstance(node, ast.Call), "only calls have makers"
        return made(f, node)
    return _source(f, items(f, node), node)


def _maker(f: Translation, node: ast.expr) -> Maker | Bad | None:
    """What makes the iterable of a call such as `enumerate(x)`; None for other calls and all else."""
    if not isinstance(node, ast.Call):
        return None
    callee = value(f, node.func)
    if isinstance(callee, Bad):
        return callee
    return MAKERS.get(id(callee.object)) if isinstance(callee, Static) else None


def _source(f: Translation, found: Value, node: ast.expr) -> Source | None:
    match found:
        case Tuple():
            return _known(f, found.items)
        case Reference(type=ArrayType()):
            return _elements(f, found, node)
        case MapValue(declared=Array()):
            return _entries(f, found, None, node)
        case Entries(map=MapValue(declared=Array()) as owner, keyed=keyed):
            return _entries(f, owner, keyed, node)
        case MapValue():
            return visits.source(f, found, None, node)
        case Entries():
            return visits.source(f, found.map, found.keyed, node)
        case Progression():
            return Range(found.start, found.stop, found.step, lambda number: number)
        case Static(object=bytes() | bytearray() | str() | list() | tuple() | dict() | set() | frozenset() as data):
            values = bindings.items(f, data, node)
            return _known(f, values) if values is not None else None
        case Bad():
            return None
    f.error(
        "E063",
        f"a `for` goes over ranges and tuples, and `{f.quoted(node)}` is {found.described}",
        node,
        help="for i in range(16): ...",
    )
    return None


def _known(f: Translation, values: tuple[Value, ...]) -> Iterable:
    """Values that are known: one by one where they are few, else in a table."""
    return (_table(f, Items(values)) if len(values) > UNROLLED else None) or Items(values)


def _table(f: Translation, one: Items) -> Range | None:
    """Constants in memory, None for other values."""
    table = tables.of_values(f, one.values)
    if table is None:
        return None
    return Range(constant(0), constant(table.length), 1, lambda number: table.item(f, number))


def _elements(f: Translation, one: Reference, node: ast.expr) -> Range:
    """The elements of an array, each read when its turn comes."""
    kind = one.type
    assert isinstance(kind, ArrayType), "asked of arrays"
    length, element = kind.__length__, kind.__element__

    def item(number: Number) -> Value:
        return place.read(f, arrays.element(f, one, element, number, ""))

    def checked(number: Number) -> Value:
        return item(arrays.inside(f, f.state.known(number), (length, 1), node, kind.__name__))

    return Range(constant(0), constant(length), 1, item, checked)


def _entries(f: Translation, owner: MapValue, keyed: bool | None, node: ast.expr) -> Range:
    """The entries of an array, each looked up when its turn comes. keyed: with the index, None for indexes alone."""

    def item(number: Number) -> Value:
        if keyed is None:
            return number
        one = elements.Asked(owner, Key(f.register(f.state.known(number)), None, None, number), node)
        found = place.read(f, one.place(elements.there(f, one)))
        return Tuple((number, found)) if keyed else found

    return Range(constant(0), constant(owner.declared.max_entries), 1, item)


def _reversed(f: Translation, node: ast.Call) -> Iterable | None:
    inner = iterable(f, node.args[0]) if _is_called_right(f, node, "reversed", 1) else None
    if inner is None or isinstance(inner, Items):
        return None if inner is None else Items(inner.values[::-1])
    turned = progressions.backwards(f, inner.numbers, node)
    return None if turned is None else Range(turned.start, turned.stop, turned.step, inner.checked or inner.item)


def _enumerate(f: Translation, node: ast.Call) -> Source | None:
    inner = source(f, node.args[0]) if _is_called_right(f, node, "enumerate", 2) else None
    begin = node.args[1] if len(node.args) == 2 else node.keywords[0].value if node.keywords else None
    first = value(f, begin) if begin is not None else constant(0)
    if inner is None or isinstance(first, Bad):
        return None
    if not isinstance(first, Number) or (node.keywords and node.keywords[0].arg != "start"):
        f.error("E013", "`enumerate` takes what it counts, and a number to begin with", node,
                help="enumerate((4, 5), 1)")  # fmt: skip
        return None
    first = first.as_kinds(INT)
    if isinstance(inner, Visits):
        if inner.count is None:
            return replace(inner, count=Counted(first, lambda number, one: Tuple((number, one))))
        _apart(f, inner, node.args[0])
        return None
    if isinstance(inner, Items):
        counted = (_beside(f, first, at, node) for at in range(len(inner.values)))
        return Items(tuple(Tuple((number, one)) for number, one in zip(counted, inner.values, strict=True)))

    def pair(number: Number) -> Value:
        at = progressions.place(f, inner.numbers, number, first, node)
        return BAD if isinstance(at, Bad) else Tuple((at, inner.item(number)))

    return Range(inner.start, inner.stop, inner.step, pair)


def _beside(f: Translation, number: Number, by: int, node: ast.Call) -> Value:
    """`number + by`."""
    return arith.binary(f, node, ast.Add(), (number, node), (constant(by), node))


def _zip(f: Translation, node: ast.Call) -> Source | None:
    every = [source(f, one) for one in node.args]
    gone_over = [at for at, one in enumerate(every) if isinstance(one, Visits)]
    for at in gone_over:
        one = every[at]
        if isinstance(one, Visits) and (one.count is not None or len(gone_over) > 1 or len(every) == 1):
            _apart(f, one, node.args[at])
            return None
    parts = [one for one in every if not isinstance(one, Visits)]
    strict = value(f, node.keywords[0].value) if len(node.keywords) == 1 and node.keywords[0].arg == "strict" else None
    if node.keywords and not isinstance(strict, Number):
        f.error("E013", "`zip` takes tuples, ranges, and `strict`", node, help="zip(a, b, strict=True)")
        return None
    known = [one for one in parts if one is not None]
    if len(known) < len(parts):
        return None
    singles = [listed(one) for one in known]
    rows = [one.values for one in singles if one is not None]
    if isinstance(strict, Number) and strict.constant != 0 and not _even(f, node, rows, len(every)):
        return None
    if len(rows) == len(every):
        return Items(tuple(Tuple(row) for row in zip(*rows, strict=False)))
    sources = [one if isinstance(one, Range) else _table(f, one) for one in known]
    ranges = [one for one in sources if one is not None]
    if len(ranges) < len(parts):
        text = "`zip` of a tuple of other than constants, and of what is not known, is not available in this version"
        f.error("E063", text, node, help="for i, x in enumerate((4, 5, 6)): ...")
        return None
    zipped = _zipped(f, node, ranges)
    if not gone_over or zipped is None:
        return zipped
    return _beside_a_map(every, gone_over[0], zipped)


def _beside_a_map(every: Sequence[Source | None], place: int, others: Range) -> Source:
    """The entries of a map, in one place of a `zip`, beside all else: what stands there for a number."""
    one = every[place]
    assert isinstance(one, Visits), "the caller says so"
    if others.stop.constant == 0:
        return Items(())

    def item(number: Number, entry: Value) -> Value:
        row = others.item(number)
        return Tuple((*row.items[:place], entry, *row.items[place:])) if isinstance(row, Tuple) else BAD

    return replace(one, count=Counted(constant(0), item, others.stop))


def _even(f: Translation, node: ast.Call, rows: Sequence[Sequence[Value]], parts: int) -> bool:
    """Whether `strict` holds: all of them known, and of one length."""
    if len(rows) == parts and len({len(one) for one in rows}) <= 1:
        return True
    text = "`zip` of different lengths" if len(rows) == parts else "a `strict` zip of lengths that are not known"
    f.error("E013", text, node, why="CPython raises ValueError where they differ", help="strict=False")
    return False


def listed(one: Source) -> Items | None:
    """The numbers of a range one by one, where there are as few as a tuple may have; not what is read from memory."""
    if isinstance(one, Items):
        return one
    if isinstance(one, Visits) or one.checked is not None:
        return None
    start, stop = one.start.constant, one.stop.constant
    if start is None or stop is None or len(numbers := range(start, stop, one.step)) > UNROLLED:
        return None
    return Items(tuple(one.item(constant(number)) for number in numbers))


def unpacked(f: Translation, given: Value, node: ast.expr) -> Value | None:
    """What stands in an array or a constant, one by one; Bad after an error, None for other values."""
    match given:
        case Reference(type=ArrayType() as kind) if kind.__length__ <= UNPACKED:
            found = _elements(f, given, node)
            return Tuple(tuple(found.item(constant(number)) for number in range(kind.__length__)))
        case Static(object=bytes() | bytearray() | str() | list() | dict()):
            values = bindings.items(f, given.object, node)
            return Tuple(values) if values is not None else BAD
    return None


def _zipped(f: Translation, node: ast.Call, ranges: Sequence[Range]) -> Range | None:
    """Ranges side by side: a range of places, up to the end of the shortest."""
    least: Value = constant(0)
    for at, one in enumerate(ranges):
        count = progressions.length(f, one.numbers, node)
        if not isinstance(count, Number) or not isinstance(least, Number):
            return None
        least = count if at == 0 else progressions.smaller(f, least, count, node)
    if not isinstance(least, Number):
        return None

    def row(at: Number) -> Value:
        found = [progressions.item(f, one.numbers, at, node) for one in ranges]
        numbers = [
            (one.checked or one.item)(number)
            for one, number in zip(ranges, found, strict=True)
            if isinstance(number, Number)
        ]
        return Tuple(tuple(numbers)) if len(numbers) == len(ranges) else BAD

    return Range(constant(0), least, 1, row)


def _is_called_right(f: Translation, node: ast.Call, name: str, most: int) -> bool:
    if not 1 <= len(node.args) <= most or len(node.args) + len(node.keywords) > most:
        wanted = "one argument" if most == 1 else "one or two arguments"
        f.error("E013", f"`{name}` takes {wanted} here", node, help=f"{name}(range(16))")
        return False
    return True


MAKERS: dict[int, Maker] = {
    id(reversed): _reversed,
    id(enumerate): _enumerate,
    id(zip): _zip,
}


def _ranged(
    f: Translation, node: ast.For, source: Range, bind: Bind, statements: Statements, carried: Sequence[str]
) -> None:
    turns = Turns(f, node)
    next_name = f"next of line {node.lineno}, column {node.col_offset}"
    if not source.places.exact:
        f.error(
            "E040",
            f"`{f.quoted(node.iter)}` may go past 64 bits",
            node.iter,
            why=f"its numbers lie in {f.shown(source.places)}, a register holds 64 bits",
            help="test the bounds before, or count in u32",
        )
        _unrolled(f, node, Items((BAD,)), bind, statements)
        return
    f.state.names[next_name] = source.start.as_kinds(INT)
    if source.is_sure and f.reachable:
        bind(source.item(source.start.as_kinds(INT)))
    limited = source.turns > LIMIT

    def turn() -> Ends:
        at = f.state.names[next_name]
        assert isinstance(at, Number), "the next number"
        at = f.state.known(at)
        holds, fails = _goes_on(f, source, at)
        flow.enter(f, holds)
        if not f.reachable:
            return fails
        at = f.state.known(at)
        if limited:
            turns.count(f)

        def translate() -> None:
            bind(source.item(at))
            statements(node.body)

        turns.body(f, translate)
        if f.reachable:
            range = Interval(at.range.lo + source.step, at.range.hi + source.step)
            moved = f.op("add", f.register(at), f.number(source.step))
            f.state.names[next_name] = Number(INT, range, f.typed(range, moved))
        return fails

    names = (*map(f.frame.own, assigned(node)), *carried, next_name, *((turns.name,) if limited else ()))
    walk = min(_walk(f, source), LIMIT)
    if source.turns > 1:
        known = {next_name: source.places, **turns.known}
        exits = loops.run(f, Body(node, turn, names, min(source.turns, LIMIT), walk, known))
    else:  # no way back, which the kernel's verifier might take for an endless loop: it may not know the bounds
        exits = turn()
        exits = [*exits, f.end()] if f.reachable else exits
    finish(f, turns, exits, node.orelse, statements)
    if f.reachable:
        f.state.names.pop(next_name, None)


def _goes_on(f: Translation, source: Range, at: Number) -> compare.Branches:
    """Branch on whether the next number is in the range.

    The place, which the kernel's verifier knows on each turn, is the second operand of a test against a stop that it
    does not know: verifiers of 6.1 and before see which way such a test goes by a constant second operand alone.
    """
    stop = f.state.known(source.stop)
    if stop.constant is None:
        return compare.ordered(f, COMPARISONS[ast.Gt if source.step > 0 else ast.Lt], stop, at)
    return compare.ordered(f, COMPARISONS[ast.Lt if source.step > 0 else ast.Gt], at, stop)


def _walk(f: Translation, source: Range) -> int:
    """How often the kernel's verifier goes through the loop, where it goes through all turns one by one."""
    start = source.start.constant
    if start is None:
        return LIMIT
    stop = source.stop.range
    if source.stop.register is not None:
        known = f.facts.range(source.stop.register)
        if source.step < 0 or known.hi > S64_MAX:
            return LIMIT
        stop = known
    return Range(source.start, Number(INT, stop), source.step, source.item).turns


def _unrolled(f: Translation, node: ast.For, source: Items, bind: Bind, statements: Statements) -> None:
    if len(source.values) > UNROLLED:
        text = f"a `for` goes over tuples of up to {UNROLLED} items, and this one has {len(source.values)}"
        f.error("E063", text, node.iter, help="keep the items in a map: table = Array(u64, 64)")
    turns = Turns(f, node)
    breaks: Ends = []
    for one in source.values[:UNROLLED]:
        if not f.reachable:
            break

        def translate(item: Value = one) -> None:
            bind(item)
            statements(node.body)

        f.copies += 1
        turns.body(f, translate)
        f.copies -= 1
        breaks += turns.loop.breaks
    turns.loop.breaks[:] = breaks
    finish(f, turns, [f.end()] if f.reachable else [], node.orelse, statements)
