"""Changed sources: functions that nobody would write, for the compiler to refuse or to compile.

    text = mutated(rng, text, donors)

Half of the changes are made on the syntax tree (parts from other texts, other operators, numbers, names, constructs
around a part, deep nesting), half on the text itself (characters and lines lost, doubled, exchanged).
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bpfvm.fuzz.python.numbers import constant

_MOST = 4  # changes of one text
_TEXTS = 0.35  # of them on the text itself
_STRANGE: tuple[Any, ...] = (None, True, ..., "", "text", b"", b"\xff", 1.5, 2j, 1 << 64, -(1 << 70), 1 << 4000, "ü")
_CHARACTERS = "()[]{}:,=+-*/%&|^~<>!@#'\" 0123456789abxyz\\\t\f\x00é"
_DEEP = (40, 120, 400, 1500)
# What is put around an expression: {} is its text.
_AROUND = (
    "({0},)", "[{0}]", "{{{0}: {0}}}", "{0}[{0}]", "{0}[:{0}]", "{0}.x", "{0}({0})", "{0}(*{0})", "{0}(**{0})",
    "lambda x: {0}", "[x for x in {0}]", "sum(x for x in {0})", "any({0} for _ in range({0}))", "f'{{{0}}}'",
    "({0} if {0} else {0})", "({0} := {0})", "not {0}", "-{0}", "~{0}", "abs({0})", "min({0})", "max({0}, {0})",
    "len({0})", "range({0})", "divmod({0}, {0})", "{0} in {0}", "{0} is {0}", "{0} @ {0}", "{0} / {0}",
    "{0} ** {0}", "{0} << {0}", "{0} // {0}", "u64({0})", "s8({0})", "be32({0})", "bool({0})", "int({0})", "print({0})",
    "type({0})", "isinstance({0}, {0})", "hasattr({0}, 'x')", "getattr({0}, 'x', {0})", "{0}.bit_length()",
    "{0}.to_bytes(4, 'big')", "int.from_bytes({0}, 'little')", "u8[4]({0})", "{0}[0]", "{0}[-1]", "await {0}",
    "yield {0}",
)  # fmt: skip
_STATEMENTS = (
    "del {0}", "global {0}", "nonlocal {0}", "import {0}", "return", "return {0}", "pass", "break", "continue", "raise",
    "raise {0}", "assert {0}, {0}", "with {0} as {0}: pass", "try:\n    {0}\nexcept {0}: pass", "for {0} in {0}: break",
    "while {0}: continue", "def {0}({0}): return {0}", "class {0}: pass", "{0}: u32 = {0}", "{0} = {0}, *{0}",
    "{0}[{0}] = {0}", "{0}.{0} = {0}", "{0} += {0}", "match {0}:\n    case [{0}, *_]: pass\n    case {0}: pass",
    "async def {0}(): pass", "lambda: ({0} := 1)", "{0} = yield", "if {0}: {0} = 1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Donors:
    """Parts of other texts that changed ones get: expressions and statements."""

    expressions: tuple[ast.expr, ...]
    statements: tuple[ast.stmt, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Donors:
        """All parts of some texts."""
        nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
        loads = (
            one for one in nodes if isinstance(one, ast.expr) and not isinstance(getattr(one, "ctx", None), _BOUND)
        )
        return cls(tuple(loads), tuple(one for one in nodes if isinstance(one, ast.stmt)))


_BOUND = (ast.Store, ast.Del)


def mutated(rng: random.Random, text: str, donors: Donors) -> str:
    """The text with a few changes; it may be no Python any more."""
    for _ in range(rng.randint(1, _MOST)):
        try:
            text = _on_text(rng, text) if rng.random() < _TEXTS else _on_tree(rng, text, donors)
        except (SyntaxError, ValueError, RecursionError, MemoryError, AttributeError, TypeError):
            continue  # the tree of such a part cannot be written out
        except IndexError:
            continue  # nothing is left of the kind that was to be changed
    return text


def _on_text(rng: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    choice = rng.randrange(6)
    if choice == 0:
        del lines[at]
    elif choice == 1:
        lines.insert(at, lines[other])
    elif choice == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif choice == 3:
        lines[at] = "    " + lines[at] if rng.random() < 0.5 else lines[at].removeprefix("    ")
    else:
        line = lines[at]
        place = rng.randrange(len(line) + 1)
        lines[at] = line[:place] + rng.choice(_CHARACTERS) + line[place + choice - 4 :]
    return "".join(lines)


def _on_tree(rng: random.Random, text: str, donors: Donors) -> str:
    tree = ast.parse(text)
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]
    top = rng.choice(functions) if functions else tree
    rng.choice(_CHANGES)(rng, top, donors)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _expressions(top: ast.AST) -> list[tuple[ast.AST, str, int | None]]:
    """Where expressions stand: the node around one, its field, the place in a list."""
    found: list[tuple[ast.AST, str, int | None]] = []
    for node in ast.walk(top):
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "defaults"):
                continue
            if isinstance(value, ast.expr):
                found.append((node, name, None))
            elif isinstance(value, list):
                found += [(node, name, at) for at, one in enumerate(value) if isinstance(one, ast.expr)]
    return found


def _get(place: tuple[ast.AST, str, int | None]) -> Any:
    node, name, at = place
    return getattr(node, name) if at is None else getattr(node, name)[at]


def _put(place: tuple[ast.AST, str, int | None], new: ast.expr) -> None:
    node, name, at = place
    if at is None:
        setattr(node, name, new)
    else:
        getattr(node, name)[at] = new


def _other_expression(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    places = _expressions(top)
    new = rng.choice(donors.expressions) if rng.random() < 0.6 else _get(rng.choice(places))
    _put(rng.choice(places), copy.deepcopy(new))


def _wrapped(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    place = rng.choice(_expressions(top))
    text = ast.unparse(_get(place))
    _put(place, ast.parse(rng.choice(_AROUND).format(text), mode="eval").body)


def _deep(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    """An expression inside of itself, many times."""
    place, depth = rng.choice(_expressions(top)), rng.choice(_DEEP)
    found = _get(place)
    for _ in range(depth):
        choice = depth % 3
        found = ast.UnaryOp(ast.USub(), found) if choice == 0 else ast.BinOp(found, ast.Add(), ast.Constant(1))
    _put(place, found)


def _strange_constant(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    value = rng.choice(_STRANGE) if rng.random() < 0.5 else constant(rng)
    _put(rng.choice(_expressions(top)), ast.Constant(value))


def _other_operator(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    nodes = [one for one in ast.walk(top) if isinstance(one, ast.BinOp | ast.AugAssign)]
    if nodes:
        operators = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift,
                     ast.BitAnd, ast.BitOr, ast.BitXor, ast.MatMult)  # fmt: skip
        rng.choice(nodes).op = rng.choice(operators)()


def _other_name(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    names = [one for one in ast.walk(top) if isinstance(one, ast.Name)]
    if names:
        rng.choice(names).id = rng.choice(
            [one.id for one in names] + ["x", "nothing", "int", "range", "u64", "__name__"]
        )


def _bodies(top: ast.AST) -> list[list[ast.stmt]]:
    found = []
    for node in ast.walk(top):
        for name in ("body", "orelse"):
            value = getattr(node, name, None)
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                found.append(value)
    return found


def _other_statement(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    body = rng.choice(_bodies(top))
    new = rng.choice(donors.statements) if rng.random() < 0.6 else rng.choice(rng.choice(_bodies(top)))
    at = rng.randrange(len(body))
    body[at : at + rng.randrange(2)] = [copy.deepcopy(new)]


def _lost_statement(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    body = rng.choice(_bodies(top))
    del body[rng.randrange(len(body))]
    if not body:
        body.append(ast.Pass())


def _new_statement(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    names = [one.id for one in ast.walk(top) if isinstance(one, ast.Name)] or ["x"]
    body = rng.choice(_bodies(top))
    text = rng.choice(_STATEMENTS).format(rng.choice(names)).replace("\n", "\n    ")
    (around,) = ast.parse(f"def f():\n    {text}").body
    assert isinstance(around, ast.FunctionDef)
    body.insert(rng.randrange(len(body) + 1), around.body[0])


def _nested(rng: random.Random, top: ast.AST, donors: Donors) -> None:
    """A body inside of loops, or of tests, many times."""
    body = rng.choice(_bodies(top))
    depth = rng.choice((3, 8, 15))
    for number in range(depth):
        head = f"for i{number} in range(3): pass" if rng.random() < 0.5 else "if 1 < 2: pass"
        (around,) = ast.parse(head).body
        assert isinstance(around, ast.For | ast.If)
        around.body = list(body)
        body[:] = [around]


_CHANGES: tuple[Callable[[random.Random, ast.AST, Donors], None], ...] = (
    _other_expression, _other_expression, _wrapped, _wrapped, _wrapped, _strange_constant, _other_operator, _other_name,
    _other_statement, _lost_statement, _new_statement, _new_statement, _deep, _nested,
)  # fmt: skip
