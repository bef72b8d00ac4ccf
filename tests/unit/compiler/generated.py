"""Random functions of scalars as source text, and what CPython and the compiled program make of an input.

Texts are made of choices that a caller supplies, so that Hypothesis can shrink them and a plain random generator can
make many. Most are accepted by the compiler; what it refuses, it must refuse by a diagnostic.
"""

from __future__ import annotations

import linecache
import traceback
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol, TypeVar

from bpfvm.core.bits import M64
from bpfvm.core.machine import Input
from bpfvm.emulator import INTERP
from bpfvm.lang import types as storage
from bpfvm.lang.faults import FAULTS, RECORD
from bpfvm.lang.hooks import function as scalars
from bpfvm.lang.signature import signature

T = TypeVar("T")

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
        way = self.pick(("new", "new", "again", "add", "if", "if", "swap", "return", "bare", "divmod"))
        if way in ("again", "add") and self.names:
            name = self.pick(sorted(self.names))
            kind = self.names[name]
            if way == "again":
                self.lines.append(f"{indent}{name} = {self.number(kind, 3)}")
            else:
                op = self.pick(("+", "-", "*", "&", "|", "^", "//", "%", ">>"))
                self.lines.append(f"{indent}{name} {op}= {self.number(self.pick((kind, 'int')), 2)}")
        elif way == "if" and depth < 4:
            self.conditional(depth)
        elif way == "swap" and len(self.names) > 1:
            a, b = self.pick(sorted(self.names)), self.pick(sorted(self.names))
            if self.names[a] == self.names[b]:
                self.lines.append(f"{indent}{a}, {b} = {b}, {self.number(self.names[a], 1)}")
        elif way == "return" and depth > 1:
            self.lines.append(f"{indent}return {self.exact(2)}")
        elif way == "bare":
            self.lines.append(f"{indent}{self.exact(2)}")
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
        if known and self.pick((0, 1, 1)):
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


def function_of(text: str) -> types.FunctionType:
    """The function `f` of `text`, with its source where the compiler finds it."""
    file = f"<generated {next(_numbers)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {one.__name__: one for one in storage.SCALARS}
    exec(compile(text, file, "exec"), space)
    made = space["f"]
    assert isinstance(made, types.FunctionType)
    return made


def forget(function: types.FunctionType) -> None:
    """Drop the text of a generated function."""
    linecache.cache.pop(function.__code__.co_filename, None)


@dataclass(frozen=True)
class Ending:
    """How a run ended: with the result's word, or by a fault of a kind at a line."""

    word: int | None
    fault: tuple[str, int] | None = None


def in_cpython(function: types.FunctionType, words: Sequence[int]) -> Ending:
    """Run the function itself."""
    declared = signature(function)
    arguments = [scalar.value(word) for (_, scalar), word in zip(declared.params, words, strict=True)]
    try:
        return Ending(declared.result.word(function(*arguments)))
    except FAULTS as error:
        frames = [
            one for one in traceback.extract_tb(error.__traceback__) if one.filename == function.__code__.co_filename
        ]
        line = frames[-1].lineno
        assert line is not None
        return Ending(None, (type(error).__name__, line))


class Machine:
    """A compiled function in the reference tier."""

    def __init__(self, function: types.FunctionType) -> None:
        from bpfvm.compiler import compile_program

        self.compiled = compile_program(function, scalars(), record_faults=True)
        (self._program,) = self.compiled.spec.programs.values()
        self._loaded = INTERP.load(self.compiled.spec, self._program.name, {})

    def run(self, words: Sequence[int]) -> Ending:
        """One run; fault sites are named by the record map."""
        if RECORD in self._program.map_names:
            self._loaded.write_map(RECORD, [(bytes(4), bytes(4))])
        result = self._loaded.run(Input(ctx=bytes(8) + b"".join(word.to_bytes(8, "little") for word in words)))
        assert result.fault is None, f"{result.fault}"
        site = self._fault_site()
        if site:
            fault = self._program.fault_sites[site - 1]
            return Ending(None, (fault.kind, fault.source.line))
        assert result.ctx is not None
        return Ending(int.from_bytes(result.ctx[:8], "little"))

    def _fault_site(self) -> int:
        """The number of the fault site that ended the run, from 1; 0 for none."""
        if RECORD not in self._program.map_names:
            return 0
        ((_, record),) = self._loaded.read_map(RECORD)
        assert isinstance(record, bytes)
        return int.from_bytes(record, "little")

    def close(self) -> None:
        self._loaded.close()


@contextmanager
def machine(function: types.FunctionType) -> Iterator[Machine]:
    """The compiled function, loaded until the block ends."""
    made = Machine(function)
    try:
        yield made
    finally:
        made.close()
