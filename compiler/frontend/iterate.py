"""`while` and `for`: what is iterated, how often at most, and what a turn does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bpfvm.compiler.frontend import compare, flow, loops
from bpfvm.compiler.frontend.expr import branch, value
from bpfvm.compiler.frontend.loops import Body, Loop
from bpfvm.compiler.frontend.ranges import COMPARISONS
from bpfvm.compiler.frontend.state import End, Ends
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, INT, Bad, Number, Static, Tuple, Value, constant
from bpfvm.core.bits import S64_MAX
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.interval import Interval

Bind = Callable[[Value], None]
Statements = Callable[[Sequence[ast.stmt]], None]

UNROLLED = 16  # items of a tuple or a text; more take a table


def while_loop(f: Translation, node: ast.While, statements: Statements) -> None:
    """`while test: ... else: ...`. statements: translates a body."""
    turns = _Turns(f, node)

    def turn() -> Ends:
        holds, fails = branch(f, node.test)
        flow.enter(f, holds)
        if f.reachable:
            turns.count(f)
            turns.body(f, lambda: statements(node.body))
        return fails

    turns.bounded = False
    _finish(f, turns, loops.run(f, Body(node, turn, (*assigned(node), turns.name))), node.orelse, statements)


def for_loop(f: Translation, node: ast.For, bind: Bind, statements: Statements) -> None:
    """`for target in iterable: ... else: ...`. bind: stores an item in the target."""
    source = iterable(f, node.iter)
    if source is None:
        _unrolled(f, node, Items((BAD,)), bind, statements)  # for the errors of the body
        return
    if isinstance(source, Items):
        _unrolled(f, node, source, bind, statements)
        return
    _ranged(f, node, source, bind, statements)


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `start` on, `step` apart, up to `stop`, which is not one of them. item: makes of a number what the
    target gets."""

    start: Number
    stop: Number
    step: int
    item: Callable[[Number], Value]

    @property
    def turns(self) -> int:
        """How many numbers there are at most."""
        start, stop = self.start.range, self.stop.range
        span = stop.hi - start.lo if self.step > 0 else start.hi - stop.lo
        return max(0, -(-span // abs(self.step)))

    @property
    def is_sure(self) -> bool:
        """Whether there is at least one."""
        start, stop = self.start.range, self.stop.range
        return start.hi < stop.lo if self.step > 0 else start.lo > stop.hi

    @property
    def places(self) -> Interval:
        """Where the next number can be, the first one that is out of the range included."""
        start, stop = self.start.range, self.stop.range
        if self.step > 0:
            return Interval(start.lo, max(start.hi, stop.hi - 1 + self.step))
        return Interval(min(start.lo, stop.lo + 1 + self.step), start.hi)


@dataclass(frozen=True, slots=True)
class Items:
    """Values that are known one by one."""

    values: tuple[Value, ...]


Iterable = Range | Items


def iterable(f: Translation, node: ast.expr) -> Iterable | None:
    """What a `for` goes over. None after an error."""
    if isinstance(node, ast.Call):
        callee = value(f, node.func)
        made = MAKERS.get(id(callee.object)) if isinstance(callee, Static) else None
        if made is not None:
            return made(f, node)
        if isinstance(callee, Bad):
            return None
    found = value(f, node) if not isinstance(node, ast.Call) else BAD
    match found:
        case Tuple():
            return Items(found.items)
        case Static(object=bytes() as data) if len(data) <= UNROLLED:
            return Items(tuple(constant(one) for one in data))
        case Bad() if not isinstance(node, ast.Call):
            return None
    what = "the result of a call" if isinstance(node, ast.Call) else found.described
    f.error(
        "E063",
        f"a `for` goes over ranges and tuples, and `{f.quoted(node)}` is {what}",
        node,
        help="for i in range(16): ...",
    )
    return None


def _range(f: Translation, node: ast.Call) -> Iterable | None:
    numbers = _numbers(f, node)
    if numbers is None:
        return None
    start, stop = (constant(0), numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    step = numbers[2].constant if len(numbers) == 3 else 1
    if not step:
        why = "range() raises ValueError" if step == 0 else "which way it goes must be known"
        text = "the step of a range is a constant that is not 0"
        f.error("E022", text, node.args[2], why=why, help="range(0, 100, 4)")
        return None
    return Range(start, stop, step, lambda number: number)


def _numbers(f: Translation, node: ast.Call) -> list[Number] | None:
    """The arguments of range()."""
    if node.keywords or not 1 <= len(node.args) <= 3 or any(isinstance(one, ast.Starred) for one in node.args):
        f.error("E013", "`range` takes 1 to 3 numbers", node, help="range(start, stop, step)")
        return None
    found = []
    for place in node.args:
        one = value(f, place)
        if isinstance(one, Bad):
            return None
        if not isinstance(one, Number):
            f.error("E022", f"`range` takes numbers, and `{f.quoted(place)}` is {one.described}", place,
                    help="range(16)")  # fmt: skip
            return None
        if not f.exact(one, place):
            return None
        found.append(f.state.known(one))
    return found


def _reversed(f: Translation, node: ast.Call) -> Iterable | None:
    inner = _only(f, node, "reversed")
    if inner is None or isinstance(inner, Items):
        return None if inner is None else Items(inner.values[::-1])
    if abs(inner.step) != 1:
        text = "`reversed` of a range with a step other than 1 and -1 is not available in this version"
        f.error("E063", text, node, help="write the range the other way round: range(96, -1, -4)")
        return None
    ends = [_beside(f, one, node, -inner.step) for one in (inner.stop, inner.start)]
    return Range(ends[0], ends[1], -inner.step, inner.item)


def _beside(f: Translation, number: Number, node: ast.Call, by: int) -> Number:
    """`number + by`."""
    from bpfvm.compiler.frontend import arith

    moved = arith.binary(f, node, ast.Add(), (number.as_kinds(INT), node), (constant(by), node))
    return moved if isinstance(moved, Number) else number


def _enumerate(f: Translation, node: ast.Call) -> Iterable | None:
    inner = _only(f, node, "enumerate")
    if inner is None:
        return None
    if isinstance(inner, Items):
        return Items(tuple(Tuple((constant(at), one)) for at, one in enumerate(inner.values)))
    if inner.step == 1 and inner.start.constant == 0:
        return Range(inner.start, inner.stop, 1, lambda number: Tuple((number, inner.item(number))))
    f.error("E063", "`enumerate` of a range that does not go up from 0 by 1 is not available in this version", node,
            help="count in a name of your own: n += 1")  # fmt: skip
    return None


def _zip(f: Translation, node: ast.Call) -> Iterable | None:
    parts = [iterable(f, one) for one in node.args]
    strict = value(f, node.keywords[0].value) if len(node.keywords) == 1 and node.keywords[0].arg == "strict" else None
    if any(one is None for one in parts) or (node.keywords and not isinstance(strict, Number)):
        if node.keywords:
            f.error("E013", "`zip` takes tuples, and `strict`", node, help="zip(a, b, strict=True)")
        return None
    items = [one.values for one in parts if isinstance(one, Items)]
    if len(items) == len(parts):
        if isinstance(strict, Number) and strict.constant and len({len(one) for one in items}) > 1:
            f.error("E013", "`zip` of tuples of different lengths", node, why="CPython raises ValueError here",
                    help="strict=False")  # fmt: skip
            return None
        return Items(tuple(Tuple(row) for row in zip(*items, strict=False)))
    f.error("E063", "`zip` goes over tuples in this version", node, help="for i in range(16): ... a[i] ... b[i]")
    return None


def _only(f: Translation, node: ast.Call, name: str) -> Iterable | None:
    if len(node.args) != 1 or node.keywords:
        f.error("E013", f"`{name}` takes one argument here", node, help=f"{name}(range(16))")
        return None
    return iterable(f, node.args[0])


MAKERS: dict[int, Callable[[Translation, ast.Call], Iterable | None]] = {
    id(range): _range,
    id(reversed): _reversed,
    id(enumerate): _enumerate,
    id(zip): _zip,
}


def assigned(node: ast.AST) -> list[str]:
    """Names that a statement may bind, in the order of the text; not those of functions inside of it."""
    found: dict[str, None] = {}
    waiting = [node]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store | ast.Del):
            found[one.id] = None
        if isinstance(one, ast.MatchAs | ast.MatchStar) and one.name is not None:
            found[one.name] = None
        if not isinstance(one, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(one)
    return list(found)


class _Turns:
    """The turns of one loop: its breaks and continues, and a count where nothing else bounds it."""

    def __init__(self, f: Translation, node: ast.stmt) -> None:
        self.loop = Loop()
        self.name = f"turns of line {node.lineno}, column {node.col_offset}"
        self.bounded = True
        self._node = node
        f.state.names[self.name] = constant(0)

    @contextmanager
    def _inside(self, f: Translation) -> Iterator[None]:
        f.loops.append(self.loop)
        try:
            yield
        finally:
            f.loops.pop()

    def count(self, f: Translation) -> None:
        """One more turn; LoopLimit where there were as many as there can be."""
        done = f.state.names[self.name]
        assert isinstance(done, Number), "the count is a number"
        done = f.state.known(done)
        text = f"the loop has made {LIMIT} turns"
        if done.range.hi >= LIMIT:
            f.fault_if("uge", f.register(done), f.number(LIMIT), "LoopLimit", text, f.head(self._node))
            f.state.learn(done, Interval(0, LIMIT - 1))
            done = f.state.known(done)
        more = f.op("add", f.register(done), f.number(1))
        range = Interval(done.range.lo + 1, done.range.hi + 1)
        f.state.names[self.name] = Number(INT, range, f.typed(range, more))

    def body(self, f: Translation, translate: Callable[[], None]) -> None:
        """One body, to where its turn ends."""
        self.loop.breaks.clear()
        self.loop.continues.clear()
        with self._inside(f):
            translate()
        ends: list[End] = [*([f.end()] if f.reachable else []), *self.loop.continues]
        flow.enter(f, ends)


def _finish(f: Translation, turns: _Turns, exits: Ends, orelse: Sequence[ast.stmt], statements: Statements) -> None:
    """Behind the loop: `else` where it ended by itself."""
    flow.enter(f, exits)
    ends = list(turns.loop.breaks)
    if f.reachable:
        statements(orelse)
        ends += [f.end()] if f.reachable else []
    flow.enter(f, ends)
    if f.reachable:
        f.state.names.pop(turns.name, None)


def _ranged(f: Translation, node: ast.For, source: Range, bind: Bind, statements: Statements) -> None:
    turns = _Turns(f, node)
    place = f"next of line {node.lineno}, column {node.col_offset}"
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
    f.state.names[place] = source.start.as_kinds(INT)
    if source.is_sure and f.reachable:
        bind(source.item(source.start.as_kinds(INT)))
    limited = source.turns > LIMIT

    def turn() -> Ends:
        at = f.state.names[place]
        assert isinstance(at, Number), "the next number"
        at = f.state.known(at)
        test = COMPARISONS[ast.Lt if source.step > 0 else ast.Gt]
        holds, fails = compare.ordered(f, test, at, f.state.known(source.stop))
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
            f.state.names[place] = Number(INT, range, f.typed(range, moved))
        return fails

    names = (*assigned(node), place, *((turns.name,) if limited else ()))
    walk = min(_walk(f, source), LIMIT)
    exits = loops.run(f, Body(node, turn, names, min(source.turns, LIMIT), walk, {place: source.places}))
    _finish(f, turns, exits, node.orelse, statements)
    if f.reachable:
        f.state.names.pop(place, None)


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
    turns = _Turns(f, node)
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
    _finish(f, turns, [f.end()] if f.reachable else [], node.orelse, statements)
