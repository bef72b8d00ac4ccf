"""Random functions as source text, and what CPython and the compiled program make of an input.

Texts are made of choices that a caller supplies, so that Hypothesis can shrink them and a plain random generator can
make many. Most are accepted by the compiler; what it refuses, it must refuse by a diagnostic.
"""

from __future__ import annotations

import linecache
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol, TypeVar

from bpfvm.compiler import compile_program
from bpfvm.core.bits import M32, M64
from bpfvm.core.machine import Entries, Input, Result
from bpfvm.emulator import INTERP
from bpfvm.lang import hooks
from bpfvm.lang.active import running
from bpfvm.lang.faults import FAULTS, RECORD, PacketError
from bpfvm.lang.functions.callee import callee
from bpfvm.lang.functions.signature import signature
from bpfvm.lang.hooks import Hook
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


@dataclass(frozen=True)
class Ending:
    """How a run ended: with the result's word, or by a fault of a kind at a line. maps: contents after, by name."""

    word: int | None
    fault: tuple[str, int] | None = None
    maps: dict[str, list[bytes]] = field(default_factory=dict)


def in_cpython(function: Any, words: Sequence[int]) -> Ending:
    """Run the function itself."""
    assert isinstance(function, types.FunctionType)
    declared = signature(callee(function))
    arguments = [scalar.value(word) for (_, scalar), word in zip(declared.params, words, strict=True)]
    try:
        return Ending(declared.result.word(function(*arguments)))
    except Exception as error:
        return Ending(None, _place(function, error))


def _place(function: types.FunctionType, error: Exception) -> tuple[str, int]:
    """The fault's name, and the function's line that raised it."""
    file = function.__code__.co_filename
    lines = [one.lineno for one in traceback.extract_tb(error.__traceback__) if one.filename == file]
    assert lines[-1] is not None
    return type(error).__name__, lines[-1]


class Simulated:
    """What declarations ask while a function runs in CPython: a packet, and maps as lists of bytes."""

    probe_faults = False

    def __init__(self, packet: bytes, maps: dict[str, list[bytes]]) -> None:
        self.packet, self.maps = packet, {name: list(values) for name, values in maps.items()}
        self.objects: list[bytes] = []

    layer = "eth"

    def packet_call(self, name: str, *arguments: int) -> int:
        raise AssertionError("no program here moves its packet")

    def packet_length(self) -> int:
        return len(self.packet)

    def packet_read(self, offset: int, size: int) -> bytes:
        if offset + size > len(self.packet):
            raise PacketError(f"{size} bytes at {offset} lie past the packet's end")
        return self.packet[offset : offset + size]

    def packet_write(self, offset: int, data: bytes) -> None:
        raise AssertionError("no program here writes to its packet")

    def meta_length(self) -> int:
        raise AssertionError("no program here looks before its packet")

    def meta_read(self, offset: int, size: int) -> bytes:
        raise AssertionError("no program here looks before its packet")

    def meta_write(self, offset: int, data: bytes) -> None:
        raise AssertionError("no program here looks before its packet")

    def field(self, offset: int, size: int) -> int:
        raise AssertionError("the context here is a namespace")

    def set_field(self, offset: int, size: int, value: int) -> None:
        raise AssertionError("no program here writes to its context")

    def handle(self, declared: Any) -> int:
        return list(self.maps).index(declared.name)

    def place(self, data: bytes) -> int:
        self.objects.append(data)
        return len(self.objects) - 1

    def helper(self, name: str, *arguments: int) -> int:
        values, at = list(self.maps.values())[arguments[0]], int.from_bytes(self.objects[arguments[1]], "little")
        if name == "map_lookup_elem":
            return self.place(values[at])
        assert name == "map_update_elem", name
        values[at] = self.objects[arguments[2]]
        return 0

    def called(self, name: str, words: Sequence[int], turn: Callable[..., int]) -> int:
        raise AssertionError(f"no helper calls a function here: {name}")

    def walk(self, handle: int) -> Iterator[tuple[int, int]]:
        raise AssertionError(f"no hash is gone over here: {handle}")

    def kfunc(self, name: str, *arguments: int) -> int:
        raise AssertionError("no program here calls a kernel function")

    def context_address(self) -> int:
        raise AssertionError("no program here passes its context on")

    def constant(self, data: bytes) -> int:
        return self.place(data)

    def trace(self, line: str) -> None:
        raise AssertionError("no program here prints")

    def start_timer(self, address: int, callback: Callable[..., Any], after: int) -> bool:
        raise AssertionError("no timers are generated")

    def keep(self, size: int) -> int:
        raise AssertionError("no dynptrs are generated")

    def program_type(self) -> str:
        return "xdp"

    def load(self, address: int, size: int) -> bytes:
        return self.objects[address][:size]

    def store(self, address: int, data: bytes) -> None:
        raise AssertionError("elements are numbers here")


def on_packet(function: types.FunctionType, packet: bytes, maps: dict[str, list[bytes]], ifindex: int) -> Ending:
    """Run an XDP program in CPython."""
    simulated = Simulated(packet, maps)
    context = types.SimpleNamespace(ingress_ifindex=ifindex)
    fault, value = None, None
    try:
        with running(simulated):
            value = function(*[context] * function.__code__.co_argcount)
    except FAULTS as error:
        fault = _place(function, error)
    word = None if fault else (XDP.on_fault if value is None else int(value) & M32)
    return Ending(word, fault, simulated.maps)


def _one(value: bytes | list[bytes]) -> bytes:
    """The value of a map that is not per-CPU."""
    assert isinstance(value, bytes)
    return value


class Machine:
    """A compiled function in the reference tier."""

    def __init__(self, function: types.FunctionType, hook: Hook = SCALARS) -> None:
        self.compiled = compile_program(function, hook, record_faults=True)
        (self._program,) = self.compiled.spec.programs.values()
        self._hook = hook
        self._loaded = INTERP.load(self.compiled.spec, self._program.name, {})
        self._maps = [name for name in self._program.map_names if name != RECORD]

    def run(self, words: Sequence[int]) -> Ending:
        """One run of a function of scalars."""
        result = self._run(Input(ctx=bytes(8) + b"".join(word.to_bytes(8, "little") for word in words)))
        fault = self._fault()
        assert result.ctx is not None
        return Ending(None, fault) if fault else Ending(int.from_bytes(result.ctx[:8], "little"))

    def on_packet(self, packet: bytes, maps: dict[str, list[bytes]], ifindex: int) -> Ending:
        """One run of an XDP program; maps that it does not name stay as they are given."""
        for name in self._maps:
            entries: Entries = [(place.to_bytes(4, "little"), value) for place, value in enumerate(maps[name])]
            self._loaded.write_map(name, entries)
        result = self._run(Input(packet=packet, fields={"ingress_ifindex": ifindex}))
        fault = self._fault()
        after = maps | {name: [_one(value) for _, value in self._loaded.read_map(name)] for name in self._maps}
        assert result.r0 >> 32 == 0 or fault
        assert not fault or result.r0 == self._hook.on_fault
        return Ending(None if fault else result.r0, fault, after)

    def _run(self, given: Input) -> Result:
        if RECORD in self._program.map_names:
            self._loaded.write_map(RECORD, [(bytes(4), bytes(4))])
        result = self._loaded.run(given)
        assert result.fault is None, f"{result.fault}"
        return result

    def _fault(self) -> tuple[str, int] | None:
        """The kind and line of the language fault that ended the run."""
        if RECORD not in self._program.map_names:
            return None
        ((_, record),) = self._loaded.read_map(RECORD)
        assert isinstance(record, bytes)
        site = int.from_bytes(record, "little")
        if not site:
            return None
        found = self._program.fault_sites[site - 1]
        return found.kind, found.source.line

    def close(self) -> None:
        self._loaded.close()


@contextmanager
def machine(function: types.FunctionType, hook: Hook = SCALARS) -> Iterator[Machine]:
    """The compiled function, loaded until the block ends."""
    made = Machine(function, hook)
    try:
        yield made
    finally:
        made.close()
