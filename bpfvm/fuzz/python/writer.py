"""What a generator knows while it writes a function: names that are bound, lines so far, how much may still come."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from bpfvm.fuzz.python.term import Term, kind_of, range_of
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.operators import Operator

T = TypeVar("T")

_LOCAL = re.compile(r"\b[a-z]+[0-9]+(?:\.[a-z]+[0-9]+)?\b(?![(\[])|\b[a-fkx]\b")
_HELD = re.compile(r"\b[hqr][0-9]+\b(?!\.f[0-9])")  # names of what is no number: bytes, views, elements
_SHARES = (0.05, 0.3, 1, 1, 4)
TURNS = 240  # of all loops around a statement together


@dataclass(frozen=True, slots=True)
class Row:
    """One construct of a table: how often it is chosen, and what writes it; None where it does not fit there."""

    name: str
    weight: int
    make: Callable[..., Term | bool | None]


@dataclass(frozen=True, slots=True)
class Name:
    """A bound name. type: what it holds on every path: whatever is assigned to it is converted first.

    range: of its values. fixed: it is only read.
    """

    text: str
    type: type
    range: Interval
    fixed: bool = False

    @property
    def term(self) -> Term:
        """The name as an expression."""
        return Term(self.text, kind_of(self.type), self.range, simple=True)


@dataclass(frozen=True, slots=True)
class Table:
    """A map of the module, or an array on the stack."""

    text: str
    type: type
    count: int
    is_map: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Struct:
    """A class of structs: its fields with their types."""

    name: str
    fields: tuple[tuple[str, type], ...]


@dataclass(frozen=True, slots=True)
class Callee:
    """A function of the module. call: the text before the parenthesis. required: how many arguments must be given."""

    call: str
    params: tuple[tuple[str, type], ...]
    result: type
    required: int
    star: bool = False


@dataclass(slots=True)
class Module:
    """What all functions of one program share. daring: how often a value is left that may not fit. shares: of rows.

    leaves, tests, statements: rows for what this kind of program has beside the language. pieces: so many bytes that
    lie elsewhere; placed: a struct that lies elsewhere; None where this kind of program has no such.
    """

    rng: random.Random
    daring: float = 0.0
    names: dict[str, Name] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    callees: list[Callee] = field(default_factory=list)
    structs: list[Struct] = field(default_factory=list)
    items: list[tuple[str, Sequence[int]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    fields: tuple[Term, ...] = ()
    made: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    leaves: tuple[Row, ...] = ()
    tests: tuple[Row, ...] = ()
    statements: tuple[Row, ...] = ()
    pieces: Callable[[Writer, int], str | None] | None = None
    placed: Callable[[Writer, Struct], str | None] | None = None

    def share(self, name: str) -> float:
        """How often a construct is chosen in this module, in comparison with others: each has its own favourites."""
        if name not in self.shares:
            self.shares[name] = self.rng.choice(_SHARES)
        return self.shares[name]


class Writer:
    """One function being written.

    names: those that are bound here on every path. result: its declared type. left: statements that may still come.
    turns: of the loops around this place together. held: names for what is no number, with what they stand for.
    outer: names that were held around each block that is open. verdict: where results lie, None for any number.
    within: expressions around the one being written.
    """

    def __init__(self, module: Module, result: type, left: int, called: bool = False) -> None:
        """called: by another function, which takes its result as it is: nothing cuts it to its type."""
        self.module, self.rng = module, module.rng
        self.result, self.left, self.called = result, left, called
        self.names: dict[str, Name] = dict(module.names)
        self.lines: list[str] = []
        self.indent, self.turns = 1, 1
        self.loops: list[str] = []
        self.nested = 0
        self.objects: dict[str, Struct] = {}
        self.tables: list[Table] = list(module.tables)
        self.held: dict[str, object] = {}
        self.within = 0
        self.outer: list[dict[str, object]] = []
        self.verdict: Interval | None = None
        self.recent: list[tuple[Operator, Term, Term]] = []

    def chance(self, probability: float) -> bool:
        """Whether something of that probability happens."""
        return self.rng.random() < probability

    def pick(self, among: Sequence[T]) -> T:
        """Any of them."""
        return self.rng.choice(among)

    def line(self, text: str) -> None:
        """Write one line."""
        self.lines.append("    " * self.indent + text)

    def fresh(self, stem: str = "v") -> str:
        """A name that the module does not have yet."""
        self.module.made += 1
        return f"{stem}{self.module.made}"

    def bind(self, text: str, type: type, fixed: bool = False, range: Interval | None = None) -> Name:
        """A name that is bound from here on."""
        self.names[text] = found = Name(text, type, range or range_of(type), fixed)
        return found

    def object(self, text: str, made: Struct) -> None:
        """A struct in a name: its fields can be read and assigned to as names can."""
        self.objects[text] = made
        for name, type in made.fields:
            self.bind(f"{text}.{name}", type)

    def targets(self) -> list[Name]:
        """Names that may be assigned to."""
        return [one for one in self.names.values() if not one.fixed]

    def knows(self, text: str) -> bool:
        """Whether every name of a local variable in an expression is bound here, and none is bound by it."""
        named = all(one in self.names for one in _LOCAL.findall(text) if one[0] not in "hqr" or "." in one)
        return ":=" not in text and named and all(one in self.held for one in _HELD.findall(text))

    def row(self, rows: Sequence[Row]) -> Row:
        """One of the rows by their weights."""
        return self.rng.choices(rows, [row.weight * self.module.share(row.name) for row in rows])[0]

    @contextmanager
    def block(self, loop: str = "", turns: int = 1) -> Iterator[None]:
        """An indented block: what it binds is not bound behind it. loop: `break` and `continue` may stand in it."""
        before, left = (dict(self.names), dict(self.objects), self.tables, dict(self.held)), self.left
        self.outer.append(before[-1])
        self.left = min(left, 1 + left // 2)
        spent = self.left
        self.indent += 1
        self.nested += 1
        self.turns *= turns
        if loop:
            self.loops.append(loop)
        start = len(self.lines)
        yield
        if loop:
            self.loops.pop()
        if len(self.lines) == start:
            self.line("pass")
        self.turns //= turns
        self.nested -= 1
        self.indent -= 1
        self.left = left - (spent - self.left)
        self.names, self.objects, self.tables, self.held = before
        self.outer.pop()
