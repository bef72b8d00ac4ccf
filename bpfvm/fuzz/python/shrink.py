"""Makes a case smaller that something is wrong with: on the syntax tree, then in its inputs.

A change is kept where what is wrong is still so; `holds` says that. What is tried: statements left out, bodies in place
of compound statements, operands in place of expressions, numbers nearer to 0, inputs left out, arguments nearer to 0.
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bpfvm.fuzz.python.case import Case

Holds = Callable[[Case], bool]
Change = Callable[[ast.Module], None]

TESTS, SECONDS = 3000, 60.0


class Shrinker:
    """case: the smallest so far. tried: how many were."""

    def __init__(self, case: Case, holds: Holds, tests: int = TESTS, seconds: float = SECONDS) -> None:
        self.case, self.tried = case, 0
        self._holds, self._tests, self._end = holds, tests, time.monotonic() + seconds
        self._seen = {_key(case)}

    def better(self, case: Case) -> bool:
        """Whether it is wrong in the same way; it is the smallest then."""
        if _key(case) in self._seen or self.tried >= self._tests or time.monotonic() >= self._end:
            return False
        self._seen.add(_key(case))
        self.tried += 1
        if not self._holds(case):
            return False
        self.case = case
        return True


def _key(case: Case) -> str:
    """Equal for equal cases."""
    return f"{case.text}{case.inputs!r}"


def shrink(case: Case, holds: Holds, tests: int = TESTS, seconds: float = SECONDS) -> Case:
    """The smallest case found within so many tests and seconds. A case that does not parse stays as it is."""
    try:
        ast.parse(case.text)
    except (SyntaxError, ValueError):
        return case
    search = Shrinker(case, holds, tests, seconds)
    before = None
    while before != search.case:
        before = search.case
        _inputs(search)
        for changes in (_statements, _expressions, _numbers):
            _try(search, changes)
        _arguments(search)
    return search.case


def _try(search: Shrinker, changes: Callable[[ast.Module], Iterator[Change]]) -> None:
    """Every change of a kind, from the first one on again after each that was kept."""
    at = 0
    while True:
        tree = ast.parse(search.case.text)
        rows = list(changes(tree))
        if at >= len(rows):
            return
        changed = _changed(search.case, rows[at])
        if changed is None or not search.better(changed):
            at += 1


def _changed(case: Case, change: Change) -> Case | None:
    tree = ast.parse(case.text)
    try:
        change(tree)
        text = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return case.with_text(text)


def _nodes(tree: ast.Module) -> list[ast.AST]:
    return list(ast.walk(tree))


def _bodies(node: ast.AST) -> Iterator[str]:
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        if isinstance(getattr(node, name, None), list):
            yield name


def _statements(tree: ast.Module) -> Iterator[Change]:
    """Runs of statements left out, the longest first; a compound statement replaced by one of its bodies."""
    for place, node in enumerate(_nodes(tree)):
        for name in _bodies(node):
            size = len(getattr(node, name))
            width = size
            while width:
                for start in range(0, size - width + 1, width):
                    yield _without(place, name, start, width)
                width //= 2
            for start, one in enumerate(getattr(node, name)):
                for inner in _bodies(one):
                    if getattr(one, inner) and not isinstance(one, ast.FunctionDef | ast.ClassDef):
                        yield _lifted(place, name, start, inner)


def _without(place: int, name: str, start: int, width: int) -> Change:
    def change(tree: ast.Module) -> None:
        node = _nodes(tree)[place]
        items = getattr(node, name)
        del items[start : start + width]
        if not items and name == "body" and not isinstance(node, ast.Module):
            items.append(ast.Pass())

    return change


def _lifted(place: int, name: str, start: int, inner: str) -> Change:
    def change(tree: ast.Module) -> None:
        items = getattr(_nodes(tree)[place], name)
        found = getattr(items[start], inner)
        if inner == "cases":
            found = [one for case in found for one in case.body]
        items[start : start + 1] = found

    return change


def _expressions(tree: ast.Module) -> Iterator[Change]:
    """An expression replaced by one of its operands, or by 0 and 1."""
    for place, node in enumerate(_nodes(tree)):
        for name, item, one in _held(node):
            if isinstance(one, ast.Constant | ast.Name) and not isinstance(getattr(one, "ctx", None), ast.Load):
                continue
            inside = [] if isinstance(one, ast.Constant | ast.Name) else _operands(one)
            for number in range(len(inside)):
                yield _replaced(place, name, item, number)
            if not isinstance(one, ast.Constant):
                yield _constant(place, name, item, 0)
                yield _constant(place, name, item, 1)
            if isinstance(one, ast.BoolOp | ast.Tuple) and len(inside) > 1:
                for number in range(len(inside)):
                    yield _shorter(place, name, item, number)


def _held(node: ast.AST) -> Iterator[tuple[str, int | None, ast.expr]]:
    """The expressions that a node holds: field, place in its list, itself. Targets and annotations stay."""
    for name, value in ast.iter_fields(node):
        if name in ("targets", "target", "annotation", "returns", "decorator_list", "pattern", "func"):
            continue
        if isinstance(value, ast.expr):
            yield name, None, value
        elif isinstance(value, list):
            yield from ((name, at, one) for at, one in enumerate(value) if isinstance(one, ast.expr))


def _operands(node: ast.expr) -> list[ast.expr]:
    return [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]


def _put(node: ast.AST, name: str, item: int | None, new: ast.expr) -> None:
    if item is None:
        setattr(node, name, new)
    else:
        getattr(node, name)[item] = new


def _got(node: ast.AST, name: str, item: int | None) -> Any:
    found = getattr(node, name)
    return found if item is None else found[item]


def _replaced(place: int, name: str, item: int | None, number: int) -> Change:
    def change(tree: ast.Module) -> None:
        node = _nodes(tree)[place]
        _put(node, name, item, copy.deepcopy(_operands(_got(node, name, item))[number]))

    return change


def _constant(place: int, name: str, item: int | None, value: int) -> Change:
    return lambda tree: _put(_nodes(tree)[place], name, item, ast.Constant(value))


def _shorter(place: int, name: str, item: int | None, number: int) -> Change:
    def change(tree: ast.Module) -> None:
        one = _got(_nodes(tree)[place], name, item)
        items = one.values if isinstance(one, ast.BoolOp) else one.elts
        del items[number]
        if isinstance(one, ast.BoolOp) and len(items) == 1:
            _put(_nodes(tree)[place], name, item, items[0])

    return change


def _numbers(tree: ast.Module) -> Iterator[Change]:
    """Constants nearer to 0."""
    for place, node in enumerate(_nodes(tree)):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value > 1:
            for value in nearer(node.value):
                yield _number(place, value)


def _number(place: int, value: int) -> Change:
    def change(tree: ast.Module) -> None:
        node = _nodes(tree)[place]
        assert isinstance(node, ast.Constant), "the same tree as before"
        node.value = value

    return change


def nearer(value: int) -> list[int]:
    """Numbers that say less, the least first."""
    width = max(abs(value).bit_length(), 1)
    powers = [1 << (width - 1), 1 << width // 2]
    found = (0, 1, 2, *powers, abs(value) - 1, abs(value))
    signed = [one for one in found for one in ((one, -one) if value < 0 else (one,))]
    return [one for one in dict.fromkeys(signed) if (abs(one), one < 0) < (abs(value), value < 0)]


def _inputs(search: Shrinker) -> None:
    """Inputs left out, then parameters that nothing reads."""
    for number in range(len(search.case.inputs)):
        if search.better(replace(search.case, inputs=(search.case.inputs[number],))):
            break
    number = 0
    while number < len(search.case.inputs) > 1:
        inputs = search.case.inputs
        number += not search.better(replace(search.case, inputs=inputs[:number] + inputs[number + 1 :]))
    for place in reversed(range(len(search.case.inputs[0]) if search.case.inputs else 0)):
        without = _changed(search.case, _parameter_less(place))
        if without is not None:
            search.better(replace(without, inputs=tuple(row[:place] + row[place + 1 :] for row in without.inputs)))


def _parameter_less(place: int) -> Change:
    def change(tree: ast.Module) -> None:
        for node in _nodes(tree):
            if isinstance(node, ast.FunctionDef) and node.decorator_list and len(node.args.args) > place:
                del node.args.args[place]

    return change


def _arguments(search: Shrinker) -> None:
    """Arguments and fields nearer to 0, packets of fewer bytes that are not."""
    for row in range(len(search.case.inputs)):
        for column in range(len(search.case.inputs[row])):
            kept = True
            while kept:
                value = search.case.inputs[row][column]
                kept = any(search.better(_given(search.case, row, column, one)) for one in _simpler(value))


def _simpler(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield from (False,) if value else ()
    elif isinstance(value, int):
        yield from nearer(value)
    elif isinstance(value, dict):
        yield from ({name: one for name, one in value.items() if name != left_out} for left_out in value)
        yield from ({**value, name: less} for name, one in value.items() for less in nearer(one))
    else:
        yield from (value[:size] for size in (14, 34) if size < len(value))
        yield from (value[:at] + b"\0" + value[at + 1 :] for at in range(len(value)) if value[at])


def _given(case: Case, row: int, column: int, value: Any) -> Case:
    changed = (*case.inputs[row][:column], value, *case.inputs[row][column + 1 :])
    return replace(case, inputs=(*case.inputs[:row], changed, *case.inputs[row + 1 :]))
