"""Random functions as source text.

Texts are made of choices that a caller supplies, so that Hypothesis can shrink them and a plain random generator can
make many. Most are accepted by the compiler; what it refuses, it must refuse by a diagnostic.
"""

from __future__ import annotations

import linecache
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol, TypeVar

from bpfvm.core.bits import M64
from bpfvm.lang import hooks
from bpfvm.lang.maps import Array
from bpfvm.lang.packets.headers import HEADERS
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types import scalars as storage

T = TypeVar("T")

SCALARS, XDP = hooks.function(), hooks.xdp()

NARROW = ("u8", "u16", "u32", "s8", "s16", "s32", "bool", "int")
CASTS = ("u8", "u16", "u32", "s8", "s16", "s32", "be16", "be32")
KINDS = ("int", "u64", "s64")
EDGES = sorted({(sign * (1 << bit) + near) & M64 for bit in range(64) for sign in (1, -1) for near in (-1, 0, 1)} | {0})
LITERALS = (
    0,
    1,
    2,
    3,
    5,
    7,
    8,
    10,
    63,
    64,
    100,
    255,
    256,
    1000,
    65535,
    2**31,
    2**32 - 1,
    2**32,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
SMALL = (1, 2, 3, 4, 7, 8, 10, 16, 31, 32, 63, 64, 100)
_numbers = count()


FIELDS = [f"pkt.ip.{field.name}" for field in HEADERS["ip"].members] + [
    "pkt.eth.type",
    "len(pkt)",
    "ctx.ingress_ifindex",
]
ELEMENTS = (storage.u64, storage.s64, storage.u32, storage.s32, storage.u16, storage.s8)
ENTRIES = 16


class Choices(Protocol):
    """Where choices come from."""

    def pick(self, options: Sequence[T]) -> T: ...


@dataclass
class Text:
    """Grows one function. names: local names by the kind of number they hold; choices that were made are counted."""

    choices: Choices
    names: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    fresh: Iterator[int] = field(default_factory=count)
    loops: int = 0  # around this place
    counts: set[str] = field(default_factory=set)  # names that end a loop, and are not to be bound in it

    def pick(self, options: Sequence[T]) -> T:
        return self.choices.pick(options)

    def function(self) -> str:
        """The text of one function `f`."""
        parameters = []
        for place in range(self.pick((1, 2, 3, 4))):
            kind = self.pick((*NARROW, "u64", "s64", "u64", "s64"))
            self.names[f"p{place}"] = kind if kind in KINDS else "int"
            parameters.append(f"p{place}: {kind}")
        result = self.pick(("u64", "s64", "s64", "u32", "s32", "u8", "bool"))
        self.block(1, self.pick((1, 2, 3, 4)))
        self.lines.append(f"    return {self.result(result)}")
        return f"def f({', '.join(parameters)}) -> {result}:\n" + "\n".join(self.lines) + "\n"

    def result(self, declared: str) -> str:
        if self.pick((0, 1)):
            return f"{declared}({self.number(self.pick(KINDS), 3)})"
        return self.number(declared, 2) if declared in KINDS else self.exact(2)

    # statements

    def block(self, depth: int, size: int) -> None:
        for _ in range(size):
            self.statement(depth)

    def statement(self, depth: int) -> None:
        indent = "    " * depth
        way = self.pick(("new", "new", "again", "add", "if", "if", "swap", "return", "bare", "divmod", "for", "while",
                         "leave"))  # fmt: skip
        bindable = sorted(set(self.names) - self.counts)
        if way in ("again", "add") and bindable:
            name = self.pick(bindable)
            kind = self.names[name]
            if way == "again":
                self.lines.append(f"{indent}{name} = {self.number(kind, 3)}")
            else:
                op = self.pick(("+", "-", "*", "&", "|", "^", "//", "%", ">>"))
                self.lines.append(f"{indent}{name} {op}= {self.number(self.pick((kind, 'int')), 2)}")
        elif way == "if" and depth < 4:
            self.conditional(depth)
        elif way == "swap" and len(bindable) > 1:
            a, b = self.pick(bindable), self.pick(bindable)
            if a != b and self.names[a] == self.names[b]:  # CPython 3.11.2 binds `a, a = b, c` to b
                self.lines.append(f"{indent}{a}, {b} = {b}, {self.number(self.names[a], 1)}")
        elif way == "return" and depth > 1:
            self.lines.append(f"{indent}return {self.exact(2)}")
        elif way == "bare":
            self.lines.append(f"{indent}{self.exact(2)}")
        elif way == "for" and depth < 4:
            self.ranged(depth)
        elif way == "while" and depth < 4:
            self.counted(depth)
        elif way == "leave" and self.loops:
            self.lines.append(f"{indent}if {self.condition(2)}:")
            self.lines.append(f"{indent}    {self.pick(('break', 'continue'))}")
        elif way == "divmod":
            text = f"divmod({self.exact(1)}, {self.exact(1)})"
            self.lines.append(f"{indent}{self.name('int', depth)}, {self.name('int', depth)} = {text}")
        else:
            kind = self.pick(KINDS)
            text = self.number(kind, 3)
            self.lines.append(f"{indent}{self.name(kind, depth)} = {text}")

    def name(self, kind: str, depth: int) -> str:
        """A name to bind; one that is new is known afterwards only where it is bound on every path."""
        new = f"x{next(self.fresh)}"
        if depth == 1:
            self.names[new] = kind
        return new

    def ranged(self, depth: int) -> None:
        """A `for` over a small range, or over a tuple; what it binds is known in its body only."""
        indent, name = "    " * depth, f"i{next(self.fresh)}"
        if self.pick((0, 1, 2)):
            bounds = [f"({self.exact(1)} & {self.pick((1, 3, 7))})", str(self.pick((0, 1, 5, 9, -3)))]
            step = self.pick((1, 1, 1, 2, 3, -1, -2))
            over = f"range({self.pick(bounds)}, {self.pick(bounds)}, {step})"
            if step == 1 and self.pick((0, 1)):
                over = f"range({self.pick(bounds)})"
            elif abs(step) == 1 and self.pick((0, 1)):
                over = f"reversed({over})"
        else:
            over = f"({self.exact(1)}, {self.pick(LITERALS)}, {self.exact(1)})"
        self.lines.append(f"{indent}for {name} in {over}:")
        self.turn(depth, name)

    def counted(self, depth: int) -> None:
        """A `while` that a count of its own ends at last."""
        indent, name = "    " * depth, f"w{next(self.fresh)}"
        self.lines.append(f"{indent}{name} = {self.exact(1)} & {self.pick((1, 3, 7))}")
        more = f" and {self.condition(2)}" if self.pick((0, 1)) else ""
        self.lines.append(f"{indent}while {name} > 0{more}:")
        self.lines.append(f"{indent}    {name} -= 1")
        self.counts.add(name)
        self.turn(depth, name)

    def turn(self, depth: int, name: str) -> None:
        """A loop's body, in which names get masked numbers, so that they do not grow; perhaps an `else`."""
        indent, known = "    " * depth, dict(self.names)
        self.names[name] = "int"
        self.loops += 1
        for _ in range(self.pick((1, 2, 3))):
            changed = [one for one in self.names if one in known and one not in self.counts]
            if self.pick((0, 1, 1)) and changed:
                one = self.pick(sorted(changed))
                kind = self.names[one]
                text = self.number(kind, 2)
                mask = f" & {self.pick((255, 65535, 2**32 - 1))}" if kind == "int" else ""
                self.lines.append(f"{indent}    {one} = {text}{mask}")
            else:
                self.statement(depth + 1)
        self.lines.append(f"{indent}    pass")
        self.loops -= 1
        self.names = known
        if self.pick((0, 0, 1)):
            self.lines.append(f"{indent}else:")
            self.block(depth + 1, 1)
            self.lines.append(f"{indent}    pass")

    def conditional(self, depth: int) -> None:
        indent = "    " * depth
        self.lines.append(f"{indent}if {self.condition(3)}:")
        self.block(depth + 1, self.pick((1, 2)))
        self.lines.append(f"{indent}    pass")
        if self.pick((0, 1)):
            self.lines.append(f"{indent}elif {self.condition(2)}:")
            self.block(depth + 1, self.pick((1, 2)))
            self.lines.append(f"{indent}    pass")
        if self.pick((0, 1)):
            self.lines.append(f"{indent}else:")
            self.block(depth + 1, self.pick((1, 2)))
            self.lines.append(f"{indent}    pass")

    # expressions

    def leaf(self, kind: str) -> str:
        known = [name for name, holds in self.names.items() if holds == kind]
        if self.pick((0, 1, 1)) and known:
            return self.pick(known)
        literal = str(self.pick(LITERALS if self.pick((0, 1)) else SMALL))
        return literal if kind == "int" else f"{kind}({literal})"

    def number(self, kind: str, depth: int) -> str:
        """An expression of the kind, in parentheses where it needs them."""
        if depth <= 0:
            return self.leaf(kind)
        return self.integer(depth) if kind == "int" else self.modular(kind, depth)

    def exact(self, depth: int) -> str:
        """An expression that a register holds exactly, most of the time."""
        way = self.pick(("cast", "cast", "cast", "leaf", "u64", "s64", "any"))
        if way == "cast":
            return f"{self.pick(CASTS)}({self.number(self.pick(KINDS), depth - 1)})"
        if way in ("u64", "s64"):
            return self.number(way, depth - 1)
        return self.leaf("int") if way == "leaf" else self.integer(depth - 1)

    def integer(self, depth: int) -> str:
        inner = depth - 1
        way = self.pick(("ring", "ring", "ring", "hard", "hard", "shift", "unary", "cast", "call", "if", "and", "int",
                         "power", "walrus", "compare"))  # fmt: skip
        if way == "ring":
            return self.operation(self.number("int", inner), self.pick("+-*&|^"), self.number("int", inner))
        if way == "hard":
            return self.operation(self.exact(inner), self.pick(("//", "%")), self.exact(inner))
        if way == "shift":
            by = self.pick((str(self.pick(SMALL)), f"s8({self.leaf('int')})", f"u8({self.leaf('u64')})", self.exact(1)))
            return self.operation(self.exact(inner), self.pick(("<<", ">>")), by)
        if way == "unary":
            return f"({self.pick('-+~')}{self.number('int', inner)})"
        if way == "cast":
            return f"{self.pick(CASTS)}({self.number(self.pick(KINDS), inner)})"
        if way == "call":
            name = self.pick(("abs", "min", "max", "bool"))
            operands = [self.exact(inner) for _ in range(1 if name in ("abs", "bool") else self.pick((2, 3)))]
            return f"int({name}({', '.join(operands)}))"
        if way == "if":
            return f"({self.number('int', inner)} if {self.condition(inner)} else {self.number('int', inner)})"
        if way == "and":
            return f"({self.exact(inner)} {self.pick(('and', 'or'))} {self.number('int', inner)})"
        if way == "int":
            return f"int({self.number(self.pick(KINDS), inner)})"
        if way == "power":
            return f"({self.leaf('int')} ** {self.pick((0, 1, 2, 3))})"
        if way == "walrus":
            return f"(w{next(self.fresh)} := {self.number('int', inner)})"
        return self.condition(inner)

    def modular(self, kind: str, depth: int) -> str:
        inner = depth - 1
        way = self.pick(("cast", "ring", "ring", "hard", "shift", "unary", "if", "and", "power", "abs", "mixed"))
        if way == "cast":
            return f"{kind}({self.number(self.pick(KINDS), inner)})"
        if way in ("ring", "hard"):
            other = self.number(self.pick((kind, "int")), inner)
            pair = [self.number(kind, inner), other]
            op = self.pick("+-*&|^") if way == "ring" else self.pick(("//", "%"))
            if self.pick((0, 1)):
                pair.reverse()
            return self.operation(pair[0], op, pair[1])
        if way == "shift":
            return self.operation(self.number(kind, inner), self.pick(("<<", ">>")), self.exact(inner))
        if way == "unary":
            return f"({self.pick('-+~')}{self.number(kind, inner)})"
        if way == "if":
            return f"({self.number(kind, inner)} if {self.condition(inner)} else {self.number(kind, inner)})"
        if way == "and":
            return f"({self.number(kind, inner)} {self.pick(('and', 'or'))} {self.number(kind, inner)})"
        if way == "power":
            return f"({self.leaf(kind)} ** {self.pick((0, 1, 2, 3, 7))})"
        if way == "abs":
            return f"abs({self.number(kind, inner)})"
        return f"{self.pick(('min', 'max'))}({self.number(kind, inner)}, {self.exact(inner)})"

    def operation(self, left: str, op: str, right: str) -> str:
        broken = self.pick((" ", " ", " ", "\n        "))
        return f"({left}{broken}{op} {right})"

    def condition(self, depth: int) -> str:
        way = self.pick(("compare", "compare", "compare", "chain", "and", "not", "truth"))
        if depth <= 0 or way == "truth":
            return f"bool({self.exact(1)})" if self.pick((0, 1)) else self.exact(1)
        if way == "compare":
            return f"({self.exact(depth - 1)} {self.comparison()} {self.exact(depth - 1)})"
        if way == "chain":
            middle = self.exact(depth - 1)
            return f"({self.exact(1)} {self.comparison()} {middle} {self.comparison()} {self.exact(1)})"
        if way == "and":
            return f"({self.condition(depth - 1)} {self.pick(('and', 'or'))} {self.condition(depth - 1)})"
        return f"(not {self.condition(depth - 1)})"

    def comparison(self) -> str:
        return self.pick(("<", "<=", ">", ">=", "==", "!="))


class PacketText(Text):
    """Grows one XDP program: packet fields among the numbers, elements of maps read and written."""

    def function(self) -> str:
        self.block(1, self.pick((1, 2, 3, 4)))
        if self.pick((0, 1, 1)):
            self.lines.append(f"    return {self.exact(2)}")
        return "def f(ctx):\n" + "\n".join(self.lines) + "\n"

    def statement(self, depth: int) -> None:
        way = self.pick(("update", "update", "store", "other", "other", "leave"))
        indent = "    " * depth
        if way == "update":
            op = self.pick(("+", "-", "&", "|", "^", "*", "//", "%", "<<", ">>"))
            self.lines.append(f"{indent}{self.element()} {op}= {self.exact(1)}")
        elif way == "store":
            self.lines.append(f"{indent}{self.element()} = {self.number(self.pick(KINDS), 2)}")
        elif way == "leave" and depth > 1:
            self.lines.append(f"{indent}return")
        else:
            super().statement(depth)

    def element(self) -> str:
        index = self.pick(
            (f"{self.pick(range(ENTRIES))}", f"u8({self.leaf('int')}) % {ENTRIES}", "pkt.ip.ihl", self.exact(1))
        )
        return f"m_{self.pick(ELEMENTS).__name__}[{index}]"

    def leaf(self, kind: str) -> str:
        if kind == "int" and self.pick((0, 0, 1)):
            return self.pick(FIELDS)
        if self.pick((0, 0, 0, 1)):
            named = {"u64": "m_u64", "s64": "m_s64"}.get(kind, "m_u32")
            return f"{named}[{self.pick(range(ENTRIES))}]"
        return super().leaf(kind)


def arrays() -> dict[str, Array]:
    """One map of each kind of element, under the names that packet programs use."""
    return {f"m_{one.__name__}": Array(one, ENTRIES, name=f"m_{one.__name__}") for one in ELEMENTS}


def function_of(text: str) -> types.FunctionType:
    """The function `f` of `text`, with its source where the compiler finds it."""
    file = f"<generated {next(_numbers)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {one.__name__: one for one in storage.SCALARS}
    space |= arrays()
    space["pkt"] = pkt
    exec(compile(text, file, "exec"), space)
    made = space["f"]
    assert isinstance(made, types.FunctionType)
    return made


def forget(function: types.FunctionType) -> None:
    """Drop the text of a generated function."""
    linecache.cache.pop(function.__code__.co_filename, None)
