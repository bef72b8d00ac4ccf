"""The turns of one loop: what its text binds, where `break` and `continue` leave from, how many are counted."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.control.loops import Loop
from bpfvm.compiler.frontend.state import End, Ends
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import INT, Number, constant
from bpfvm.lang.faults import LOOP_TURNS as LIMIT
from bpfvm.lang.types.interval import Interval

Statements = Callable[[Sequence[ast.stmt]], None]


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
        if isinstance(one, ast.FunctionDef):
            found[one.name] = None
        if not isinstance(one, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(one)
    return list(found)


class Turns:
    """The turns of one loop: its breaks and continues, and a count where nothing else bounds it."""

    def __init__(self, f: Translation, node: ast.stmt | ast.expr) -> None:
        self.loop = Loop()
        self.name = f"turns of line {node.lineno}, column {node.col_offset}"
        self.known = {self.name: Interval(0, LIMIT)}  # what it is at the loop's head
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


def finish(f: Translation, turns: Turns, exits: Ends, orelse: Sequence[ast.stmt], statements: Statements) -> None:
    """Behind the loop: `else` where it ended by itself."""
    flow.enter(f, exits)
    ends = list(turns.loop.breaks)
    if f.reachable:
        statements(orelse)
        ends += [f.end()] if f.reachable else []
    flow.enter(f, ends)
    if f.reachable:
        f.state.names.pop(turns.name, None)
