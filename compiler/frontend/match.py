"""`match`: patterns tried one after the other, on a subject that is evaluated once.

What a pattern captures is bound when all of it has matched, before the guard is looked at, as CPython does it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bpfvm.compiler.frontend import compare, flow, names
from bpfvm.compiler.frontend.compare import Branches
from bpfvm.compiler.frontend.expr import branch, value
from bpfvm.compiler.frontend.ranges import COMPARISONS
from bpfvm.compiler.frontend.state import Ends
from bpfvm.compiler.frontend.subset import refuse
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BOOLEAN, NOTHING, Bad, Number, Tuple, Value, constant

Statements = Callable[[Sequence[ast.stmt]], None]


def match(f: Translation, node: ast.Match, statements: Statements) -> None:
    """The whole statement. statements: translates a body."""
    subject = value(f, node.subject)
    ends: Ends = []
    for case in node.cases:
        holds, fails = _pattern(f, case.pattern, subject, node.subject)
        flow.enter(f, holds)
        if f.reachable:
            _bind(f, case.pattern)
            if case.guard is not None:
                holds, refused = branch(f, case.guard)
                fails = [*fails, *refused]
                flow.enter(f, holds)
        if f.reachable:
            statements(case.body)
            ends += [f.end()] if f.reachable else []
        flow.enter(f, fails)
        if not f.reachable:
            break
    flow.enter(f, [*ends, *([f.end()] if f.reachable else [])])


def _captured(name: str) -> str:
    """Where a capture waits for the rest of its pattern."""
    return f"captured {name}"


def _bind(f: Translation, pattern: ast.pattern) -> None:
    for one in ast.walk(pattern):
        if isinstance(one, ast.MatchAs) and one.name is not None:
            found = f.state.names.pop(_captured(one.name), None)
            if found is not None and one.name in f.scope.local:
                f.state.names[one.name] = found
            elif found is not None:
                names.bind(f, ast.copy_location(ast.Name(one.name, ast.Store()), one), NOTHING)


def _pattern(f: Translation, pattern: ast.pattern, subject: Value, node: ast.expr) -> Branches:
    """Where the subject matches, and where it does not. node: the subject's text."""
    if isinstance(subject, Bad):
        return compare.unknown(f)
    handler = PATTERNS.get(type(pattern))
    if handler is None:
        refuse(f, pattern)
        return compare.unknown(f)
    with f.at(pattern):
        return handler(f, pattern, subject, node)


def _value(f: Translation, pattern: ast.MatchValue, subject: Value, node: ast.expr) -> Branches:
    wanted = value(f, pattern.value)
    if isinstance(wanted, Bad):
        return compare.unknown(f)
    if not isinstance(wanted, Number) or not isinstance(subject, Number):
        return [], [f.end()]  # values of two kinds, which are never equal
    if not f.exact(subject, node):
        return compare.unknown(f)
    return compare.ordered(f, COMPARISONS[ast.Eq], f.state.known(subject), wanted)


def _singleton(f: Translation, pattern: ast.MatchSingleton, subject: Value, node: ast.expr) -> Branches:
    wanted: Value = NOTHING if pattern.value is None else constant(int(pattern.value), BOOLEAN)
    at = ast.copy_location(ast.Constant(pattern.value), pattern)
    whole = ast.copy_location(ast.Compare(node, [ast.Is()], [at]), pattern)
    return compare.compare(f, whole, ast.Is(), (subject, node), (wanted, at))


def _as(f: Translation, pattern: ast.MatchAs, subject: Value, node: ast.expr) -> Branches:
    holds, fails = ([f.end()], []) if pattern.pattern is None else _pattern(f, pattern.pattern, subject, node)
    if pattern.name is None or not holds:
        return holds, fails
    flow.enter(f, holds)
    f.state.names[_captured(pattern.name)] = f.state.known(subject) if isinstance(subject, Number) else subject
    return [f.end()], fails


def _or(f: Translation, pattern: ast.MatchOr, subject: Value, node: ast.expr) -> Branches:
    holds: Ends = []
    fails: Ends = [f.end()]
    for one in pattern.patterns:
        flow.enter(f, fails)
        if not f.reachable:
            break
        more, fails = _pattern(f, one, subject, node)
        holds = [*holds, *more]
    return holds, fails


def _sequence(f: Translation, pattern: ast.MatchSequence, subject: Value, node: ast.expr) -> Branches:
    starred = next((one for one in pattern.patterns if isinstance(one, ast.MatchStar)), None)
    if starred is not None:
        refuse(f, starred)
        return compare.unknown(f)
    if not isinstance(subject, Tuple) or len(subject.items) != len(pattern.patterns):
        return [], [f.end()]
    nodes = node.elts if isinstance(node, ast.Tuple) else [node] * len(subject.items)
    holds: Ends = [f.end()]
    fails: Ends = []
    for one, item, place in zip(pattern.patterns, subject.items, nodes, strict=True):
        flow.enter(f, holds)
        if not f.reachable:
            break
        holds, others = _pattern(f, one, item, place)
        fails = [*fails, *others]
    return holds, fails


PATTERNS: Mapping[type[ast.pattern], Callable[[Translation, Any, Value, ast.expr], Branches]] = {
    ast.MatchValue: _value,
    ast.MatchSingleton: _singleton,
    ast.MatchAs: _as,
    ast.MatchOr: _or,
    ast.MatchSequence: _sequence,
}
