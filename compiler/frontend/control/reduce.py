"""Reducers: `sum`, `any`, `all`, `min` and `max` of what one iterable or generator expression gives.

They become loops. What a reducer has found so far stands under a name that no program can write, so that the loop's
head carries it as it carries the names of the program. A generator's own names are hidden in the same way.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bpfvm.compiler.frontend.binding import Growing
from bpfvm.compiler.frontend.control import flow, iterate
from bpfvm.compiler.frontend.control.iterables import Items, Range
from bpfvm.compiler.frontend.control.iterate import Source
from bpfvm.compiler.frontend.control.turns import assigned
from bpfvm.compiler.frontend.expr import branch, value
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.numbers.compare import ordered, truth
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.state import End
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, BOOLEAN, Bad, Kinds, Maybe, Nullable, Number, Static, Value, constant
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.types.interval import Interval

Store = Callable[[Translation, ast.expr, Value, ast.expr], None]
Each = Callable[[Value, ast.expr], None]
_EMPTY = "there is nothing to choose from"


@dataclass(slots=True)
class Reduction:
    """One call. carried: the hidden names that its loops carry. leave: whether the loops around are to be left."""

    node: ast.Call
    source: ast.expr
    store: Store
    carried: list[str] = field(default_factory=list)
    leave: str | None = None

    def hidden(self, what: str) -> str:
        """A name for what the reducer keeps."""
        name = f"{what} of line {self.node.lineno}, column {self.node.col_offset}"
        self.carried.append(name)
        return name


def handler_of(callee: Value, node: ast.Call) -> Callable[[Translation, ast.Call, Store], Value] | None:
    """How a call of `callee` reduces its one argument; None where it is no such call."""
    found = REDUCERS.get(id(callee.object)) if isinstance(callee, Static) else None
    if found is None or not node.args or isinstance(node.args[0], ast.Starred):
        return None
    return None if len(node.args) > 1 and found in (_MIN, _MAX) else found


def _sum(f: Translation, node: ast.Call, store: Store) -> Value:
    """`sum(items)`, `sum(items, start)`."""
    named = _named(f, node, ("start",), 2)
    reduction = Reduction(node, node.args[0], store)
    first = source_of(f, reduction)
    start = node.args[1] if len(node.args) == 2 else named.get("start") if named is not None else None
    begin = value(f, start) if start is not None else constant(0)
    if named is None or isinstance(begin, Bad):
        return BAD
    total = reduction.hidden("the sum")
    f.state.names[total] = begin

    def add(one: Value, place: ast.expr) -> None:
        so_far: Any = f.state.names[total]
        if isinstance(so_far, Growing):
            _growing(f, node, so_far)
            so_far = BAD
        if isinstance(so_far, Number):
            so_far = f.state.known(so_far)
        f.state.names[total] = arith.binary(f, place, ast.Add(), (so_far, node), (one, place))

    before = f.end()
    each_item(f, reduction, first, add)
    return _taken(f, reduction, total, before)


def _growing(f: Translation, node: ast.Call, bound: Growing) -> None:
    f.once(
        bound.said,
        "E040",
        f"`{f.quoted(node)}` may not fit in 64 bits",
        node,
        why="Python integers grow without end, a register holds 64 bits, and nothing bounds this sum",
        help="let it wrap: sum(..., u64(0))",
    )


def _logical(decides: bool) -> Callable[[Translation, ast.Call, Store], Value]:
    """`any`, which an item that is true decides, and `all`, which one that is false decides."""

    def reducer(f: Translation, node: ast.Call, store: Store) -> Value:
        if _named(f, node, (), 1) is None:
            return BAD
        reduction = Reduction(node, node.args[0], store)
        first = source_of(f, reduction)
        if isinstance(node.args[0], ast.ListComp):
            f.error(
                "E062",
                "a list comprehension in `any` or `all` is not available in BPF programs",
                node.args[0],
                why="CPython makes the whole list before it looks at the first item",
                help="a generator: leave the brackets out",
            )
            return BAD
        outcome = reduction.leave = reduction.hidden("the outcome")
        f.state.names[outcome] = constant(not decides, BOOLEAN)

        def look(one: Value, place: ast.expr) -> None:
            holds, fails = truth(f, one, place)
            decided, open_ = (holds, fails) if decides else (fails, holds)
            flow.enter(f, decided)
            if f.reachable:
                f.state.names[outcome] = constant(decides, BOOLEAN)
                f.loops[-1].breaks.append(f.end())
                f.leave()
            flow.enter(f, open_)

        before = f.end()
        each_item(f, reduction, first, look, decides)
        return _taken(f, reduction, outcome, before)

    return reducer


def _extreme(beats: type[ast.cmpop]) -> Callable[[Translation, ast.Call, Store], Value]:
    """`min(items)` and `max(items)`: the first item that no later one beats."""

    def reducer(f: Translation, node: ast.Call, store: Store) -> Value:
        named = _named(f, node, ("default",), 1)
        reduction = Reduction(node, node.args[0], store)
        first = source_of(f, reduction)
        default = value(f, named["default"]) if named and "default" in named else None
        if named is None or isinstance(default, Bad):
            return BAD
        return _Extreme(f, reduction, beats).result(first, default)

    return reducer


class _Extreme:
    """The best item so far, which is 0 before there is one; whether there is one."""

    def __init__(self, f: Translation, reduction: Reduction, beats: type[ast.cmpop]) -> None:
        self.f, self.reduction, self.beats = f, reduction, beats
        self.best, self.found = reduction.hidden("the best"), reduction.hidden("one is found")
        self.kinds: Kinds = frozenset()
        self.range: Interval | None = None
        self.failed = False

    def result(self, first: Source | None, default: Value | None) -> Value:
        """What is chosen. first: the outermost iterable."""
        f, node = self.f, self.reduction.node
        before = f.end()
        f.state.names[self.best], f.state.names[self.found] = constant(0), constant(0, BOOLEAN)
        each_item(f, self.reduction, first, self.look)
        if not f.reachable:
            f.never(before)
            return BAD
        if self.failed:
            return BAD
        found, best = f.state.names[self.found], f.state.names[self.best]
        forget(f, self.reduction)
        if not isinstance(found, Number) or not isinstance(best, Number):
            return BAD
        some, none = truth(f, f.state.known(found), node)
        flow.enter(f, none)
        if f.reachable and default is None:
            f.fault("ValueError", _EMPTY, node)
        without = [f.end()] if f.reachable else []
        flow.enter(f, some)
        if f.reachable:
            assert self.range is not None, "an item has been looked at"
            best = Number(self.kinds, f.state.known(best).within(self.range).range, best.register)
        ends = [*without, *([f.end()] if f.reachable else [])]
        if not ends:
            f.never(before)
            return BAD
        taken: list[Value] = [default] * len(without) if default is not None else []
        return flow.join_values(f, ends, [*taken, *([best] if len(ends) > len(without) else [])], node)

    def look(self, one: Value, place: ast.expr) -> None:
        f = self.f
        if not isinstance(one, Number) or not f.exact(one, place):
            if isinstance(one, Maybe | Nullable):
                f.may_be_none(place, one)
            elif not isinstance(one, Bad | Number):
                text = f"`{f.quoted(self.reduction.node.func)}` compares numbers, and `{f.quoted(place)}` is "
                f.error("E022", text + one.described, place, help="give it numbers")
            self.failed = True
            return
        self.kinds |= one.kinds
        self.range = one.range if self.range is None else self.range.union(one.range)
        found, best = f.state.names[self.found], f.state.names[self.best]
        if not isinstance(found, Number) or not isinstance(best, Number):
            return
        some, none = truth(f, f.state.known(found), place)
        flow.enter(f, some)
        better: list[End] = list(none)
        stays: list[End] = []
        if f.reachable:
            wins, stays = ordered(f, COMPARISONS[self.beats], f.state.known(one), f.state.known(best))
            better += wins
        flow.enter(f, better)
        ends = list(stays)
        if f.reachable:
            f.state.names[self.best], f.state.names[self.found] = f.state.known(one), constant(1, BOOLEAN)
            ends.append(f.end())
        flow.enter(f, ends)


def _named(f: Translation, node: ast.Call, known: Sequence[str], most: int) -> Mapping[str, ast.expr] | None:
    """The arguments by name. None after an error."""
    wrong = next((one for one in node.keywords if one.arg not in known), None)
    if wrong is None and len(node.args) <= most:
        return {str(one.arg): one.value for one in node.keywords}
    name = f.quoted(node.func)
    if wrong is not None and wrong.arg == "key":
        f.error("E062", f"`key` of `{name}` is not available in BPF programs", wrong.value,
                help=f"compare in a loop, or {name}(g(x) for x in ...)")  # fmt: skip
    else:
        f.error("E013", f"`{name}` takes other arguments", node, why="CPython would raise TypeError here",
                help=f"{name}(x for x in (1, 2, 3))")  # fmt: skip
    return None


def _taken(f: Translation, reduction: Reduction, name: str, before: End) -> Value:
    """What stands under `name` behind the loops. before: the point before them."""
    if not f.reachable:
        f.never(before)
        return BAD
    found: Any = f.state.names[name]
    forget(f, reduction)
    if isinstance(found, Growing):
        _growing(f, reduction.node, found)
        return BAD
    return f.state.known(found) if isinstance(found, Number) else BAD


def forget(f: Translation, reduction: Reduction) -> None:
    for name in reduction.carried:
        f.state.names.pop(name, None)


def source_of(f: Translation, reduction: Reduction) -> Source | None:
    """The outermost iterable, which CPython evaluates where the call stands, before anything else."""
    node = reduction.source
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return iterate.source(f, node.generators[0].iter)
    found = iterate.source(f, node)
    if isinstance(found, Range) and found.turns > LIMIT:
        f.error(
            "E063",
            f"`{f.quoted(reduction.node)}` goes over more than {LIMIT} numbers",
            node,
            why="CPython would count them all, and no loop of a program makes so many turns",
            help="test the bounds before",
        )
        return None
    return found


def each_item(f: Translation, reduction: Reduction, first: Source | None, each: Each, decides: bool = True) -> None:
    """`each` for every item, in loops."""
    node = reduction.source
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        _generated(f, reduction, node, 0, (first, each, decides))
        return
    if isinstance(first, Items) and reduction.leave is None:
        written = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else ()
        places = written if len(written) == len(first.values) else [node] * len(first.values)
        f.copies += 1
        for one, place in zip(first.values, places, strict=True):
            each(one, place)
        f.copies -= 1
        return
    target = ast.copy_location(ast.Name("_", ast.Store()), node)
    loop = ast.copy_location(ast.For(target, node, [ast.copy_location(ast.Expr(node), node)], []), node)
    found: list[Value] = []

    def bind(one: Value) -> None:
        found[:] = [one]

    def body(statements: Sequence[ast.stmt]) -> None:
        if statements:
            each(found[0], node)

    iterate.over(f, loop, first, bind, body, reduction.carried)


Rest = tuple[Source | None, Each, bool]


def _generated(
    f: Translation, reduction: Reduction, node: ast.GeneratorExp | ast.ListComp, level: int, rest: Rest
) -> None:
    """The loops of a generator expression from `level` on."""
    source, each, decides = rest
    one = node.generators[level]
    if one.is_async:
        f.error("E062", "`async for` is not available in BPF programs", one.target, help="a BPF program never waits")
        return
    text = ast.copy_location(ast.Expr(node.elt), node.elt)
    loop = ast.copy_location(ast.For(one.target, one.iter, [text], []), node.elt)
    loop.body += [ast.copy_location(ast.Expr(test), test) for test in one.ifs]
    for inner in node.generators[level + 1 :]:
        loop.body += [ast.copy_location(ast.Expr(part), part) for part in (inner.iter, *inner.ifs)]
    with _names(f, one.target) as names:
        reduction.carried += names

        def body(statements: Sequence[ast.stmt]) -> None:
            if statements:
                _turn(f, reduction, node, level, (None, each, decides))

        iterate.over(
            f, loop, source, lambda item: reduction.store(f, one.target, item, one.iter), body, reduction.carried
        )
        for name in names:
            reduction.carried.remove(name)
            if f.reachable:
                f.state.names.pop(name, None)


def _turn(f: Translation, reduction: Reduction, node: ast.GeneratorExp | ast.ListComp, level: int, rest: Rest) -> None:
    """One turn of a loop of a generator expression: its tests, then the next loop, or the item."""
    _, each, decides = rest
    skipped: list[End] = []
    for test in node.generators[level].ifs:
        holds, fails = branch(f, test)
        skipped += fails
        flow.enter(f, holds)
        if not f.reachable:
            break
    if f.reachable and level + 1 < len(node.generators):
        source = iterate.source(f, node.generators[level + 1].iter)
        _generated(f, reduction, node, level + 1, (source, each, decides))
        _left(f, reduction, decides)
    elif f.reachable:
        with f.at(node.elt):
            item = value(f, node.elt)
        if f.reachable:  # it ends, and gives an item
            each(item, node.elt)
    flow.enter(f, [*skipped, *([f.end()] if f.reachable else [])])


def _left(f: Translation, reduction: Reduction, decides: bool) -> None:
    """Behind an inner loop: leave the outer one as well where an item has decided."""
    outcome = f.state.names.get(reduction.leave) if reduction.leave is not None and f.reachable else None
    if not isinstance(outcome, Number):
        return
    holds, fails = truth(f, f.state.known(outcome), reduction.node)
    decided, open_ = (holds, fails) if decides else (fails, holds)
    flow.enter(f, decided)
    if f.reachable:
        f.loops[-1].breaks.append(f.end())
        f.leave()
    flow.enter(f, open_)


@contextmanager
def _names(f: Translation, target: ast.expr) -> Iterator[list[str]]:
    """A generator's own names are others than those of the function around it."""
    own = {name: f"{name} of line {target.lineno}, column {target.col_offset}" for name in assigned(target)}
    before = dict(f.frame.inner)
    f.frame.inner |= own
    try:
        yield list(own.values())
    finally:
        f.frame.inner = before


_MIN, _MAX = _extreme(ast.Lt), _extreme(ast.Gt)

REDUCERS: Mapping[int, Callable[[Translation, ast.Call, Store], Value]] = {
    id(sum): _sum,
    id(any): _logical(True),
    id(all): _logical(False),
    id(min): _MIN,
    id(max): _MAX,
}
