"""`match`: patterns tried one after the other, on a subject that is evaluated once.

What a pattern captures is bound when all of it has matched, before the guard is looked at, as CPython does it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.expr import branch, value
from bpfvm.compiler.frontend.memory import place
from bpfvm.compiler.frontend.names import bindings, constants, objects
from bpfvm.compiler.frontend.numbers import compare
from bpfvm.compiler.frontend.numbers.compare import Branches
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.source.subset import refuse
from bpfvm.compiler.frontend.state import Ends
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BOOLEAN,
    NOTHING,
    Bad,
    Maybe,
    Nullable,
    Number,
    Pointer,
    Reference,
    Static,
    Tuple,
    Value,
    constant,
)
from bpfvm.core.articles import an
from bpfvm.lang.types.scalars import s64, u64
from bpfvm.lang.types.structs import StructType

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
        if isinstance(one, ast.MatchAs | ast.MatchStar) and one.name is not None:
            found = f.state.names.pop(_captured(one.name), None)
            if found is not None and one.name in f.scope.local:
                f.state.names[one.name] = found
            elif found is not None:
                bindings.bind(f, ast.copy_location(ast.Name(one.name, ast.Store()), one), NOTHING)


def _pattern(f: Translation, pattern: ast.pattern, subject: Value, node: ast.expr) -> Branches:
    """Where the subject matches, and where it does not. node: the subject's text."""
    if isinstance(subject, Bad):
        return compare.unknown(f)
    subject = f.state.seen(subject) if isinstance(subject, Nullable) else subject
    if isinstance(subject, Nullable) and isinstance(pattern, ast.MatchValue | ast.MatchClass | ast.MatchSequence):
        there, none = compare.is_there(f, subject)
        flow.enter(f, there)
        holds, fails = _pattern(f, pattern, subject.at, node)
        return holds, [*fails, *none]
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
    if isinstance(subject, Reference | Pointer) or (isinstance(subject, Maybe) and subject.pointer is not None):
        whole = ast.copy_location(ast.Compare(node, [ast.Eq()], [pattern.value]), pattern)
        return compare.compare(f, whole, ast.Eq(), (subject, node), (wanted, pattern.value))
    if isinstance(subject, Maybe) and isinstance(wanted, Number):
        return compare.optional(f, COMPARISONS[ast.Eq], (subject, node), (wanted, pattern.value))
    if not isinstance(wanted, Number) or not isinstance(subject, Number):
        same = constants.operation(f, pattern.value, ast.Eq(), subject, wanted)
        # values of two kinds are never equal
        return compare.truth(f, same, pattern.value) if same is not None else ([], [f.end()])
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
    f.state.names[_captured(pattern.name)] = f.state.seen(subject)
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
    wanted = pattern.patterns
    at = next((place for place, one in enumerate(wanted) if isinstance(one, ast.MatchStar)), None)
    if not isinstance(subject, Tuple) or len(subject.items) < len(wanted) - (at is not None):
        return [], [f.end()]
    items: Sequence[Value] = subject.items
    nodes = node.elts if isinstance(node, ast.Tuple) and len(node.elts) == len(items) else [node] * len(items)
    if at is not None:
        behind = len(items) - (len(wanted) - at - 1)
        items = [*items[:at], Tuple(tuple(items[at:behind])), *items[behind:]]
        nodes = [*nodes[:at], node, *nodes[behind:]]
    if len(items) != len(wanted):
        return [], [f.end()]
    return _all(f, wanted, items, nodes)


def _all(
    f: Translation, patterns: Sequence[ast.pattern], items: Sequence[Value], nodes: Sequence[ast.expr]
) -> Branches:  # fmt: skip
    """Where each item matches its pattern."""
    holds: Ends = [f.end()]
    fails: Ends = []
    for one, item, at in zip(patterns, items, nodes, strict=True):
        flow.enter(f, holds)
        if not f.reachable:
            break
        holds, others = _pattern(f, one, item, at)
        fails = [*fails, *others]
    return holds, fails


def _star(f: Translation, pattern: ast.MatchStar, subject: Value, node: ast.expr) -> Branches:
    """`*rest`: a list in CPython, a tuple here."""
    if pattern.name is not None:
        f.state.names[_captured(pattern.name)] = subject
    return [f.end()], []


def _class(f: Translation, pattern: ast.MatchClass, subject: Value, node: ast.expr) -> Branches:
    """`int()`, `u64(x)`: a test of the class, whose outcome is known; its one argument is the number itself."""
    cls = value(f, pattern.cls)
    if isinstance(cls, Bad):
        return compare.unknown(f)
    found = cls.object if isinstance(cls, Static) else None
    if isinstance(found, StructType) or isinstance(subject, Reference):
        return _struct(f, pattern, found, subject, node)
    classes = objects.classes_of(subject)
    if not isinstance(found, type) or not classes:
        return _no_class(f, pattern, f"`{f.quoted(node)}` is {subject.described}")
    answers = {issubclass(one, found) for one in classes}
    if len(answers) > 1:
        f.error("E022", f"whether `{f.quoted(node)}` is {an(found.__name__)} depends on the path", pattern,
                help="make it one class on all paths: u64(...), s64(...) or int(...)")  # fmt: skip
        return compare.unknown(f)
    if not answers.pop():
        return [], [f.end()]
    if not pattern.patterns and not pattern.kwd_patterns:
        return [f.end()], []
    if found not in (int, bool, u64, s64, str, bytes, tuple) or pattern.kwd_patterns or len(pattern.patterns) > 1:
        return _no_class(f, pattern, f"the fields of {found.__name__} are not known")
    return _pattern(f, pattern.patterns[0], subject, node)


def _struct(f: Translation, pattern: ast.MatchClass, kind: Any, subject: Value, node: ast.expr) -> Branches:
    """`Event(pid=1, kind=k)`: whether the subject is one is known, its fields are looked at one after the other."""
    if not isinstance(subject, Reference) or not isinstance(kind, type) or not issubclass(subject.type, kind):
        return [], [f.end()]
    members = getattr(kind, "__members__", {})
    fields = [*zip(members, pattern.patterns, strict=False),
              *zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True)]  # fmt: skip
    unknown = next((name for name, _ in fields if name not in members), None)
    if unknown is not None or len(pattern.patterns) > len(members):
        text = f"`{kind.__name__}` has no field `{unknown}`" if unknown else f"`{kind.__name__}` has fewer fields"
        f.error("E037", text, pattern, help=f"it has {' '.join(members) or 'none'}")
        return compare.unknown(f)
    holds: Ends = [f.end()]
    fails: Ends = []
    for name, one in fields:
        flow.enter(f, holds)
        if not f.reachable:
            break
        holds, others = _pattern(f, one, place.read(f, place.member(subject, members[name])), node)
        fails = [*fails, *others]
    return holds, fails


def _no_class(f: Translation, pattern: ast.MatchClass, why: str) -> Branches:
    f.error("E063", "this class pattern is not available in this version", pattern, why=why,
            help="case int(): ...\nor match its fields one by one")  # fmt: skip
    return compare.unknown(f)


PATTERNS: Mapping[type[ast.pattern], Callable[[Translation, Any, Value, ast.expr], Branches]] = {
    ast.MatchValue: _value,
    ast.MatchSingleton: _singleton,
    ast.MatchAs: _as,
    ast.MatchOr: _or,
    ast.MatchSequence: _sequence,
    ast.MatchStar: _star,
    ast.MatchClass: _class,
}
