"""Random functions on structs and arrays, as text: every way to read, store, copy and alias what lies on the stack."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bpfvm import CompileError, Outcome, Program, bpf
from bpfvm.run.compare import differences
from tests.unit.compiler.generated import forget, function_of

NUMBERS = {"u8": 8, "s8": 8, "u16": 16, "s16": 16, "be16": 16, "u32": 32, "s32": 32, "be32": 32, "u64": 64, "s64": 64,
           "be64": 64, "bool": 1}  # fmt: skip
HEAD = "from bpfvm import be16, be32, be64, bits, char, s8, s16, s32, s64, struct, u8, u16, u32, u64\n\n"


@dataclass(frozen=True)
class Field:
    """kind: a number's type, "bits", "struct", "array", "structs" or "text". of: the type of what it holds."""

    name: str
    kind: str
    of: str
    count: int = 0


class Text:
    """One function and its structs, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.inner = [self.number(f"n{i}") for i in range(self.random.randint(1, 4))]
        if self.random.random() < 0.4:
            self.inner.append(Field("na", "array", self.random.choice(("u8", "u16", "u32", "s8")), 3))
        self.outer = [self.field(f"f{i}") for i in range(self.random.randint(2, 6))]
        self.names = ["p", "q"]
        self.depth = 0

    def number(self, name: str) -> Field:
        kind = self.random.choice(list(NUMBERS))
        return Field(name, "number", kind)

    def field(self, name: str) -> Field:
        match self.random.randrange(9):
            case 0:
                return Field(name, "struct", "Inner")
            case 1:
                return Field(name, "structs", "Inner", self.random.randint(2, 3))
            case 2:
                of = self.random.choice(("u8", "u8", "u16", "s16", "be16", "u32", "u64"))
                return Field(name, "array", of, self.random.randint(2, 7))
            case 3:
                return Field(name, "text", "char", self.random.randint(2, 9))
            case 4:
                of = self.random.choice(("u8", "u16", "u32", "s8", "s32"))
                return Field(name, "bits", of, self.random.randint(1, NUMBERS[of]))
        return self.number(name)

    def source(self) -> str:
        """The whole text."""
        packed = "(packed=True)" if self.random.random() < 0.15 else ""
        text = HEAD + self.struct("Inner", self.inner, packed) + self.struct("Outer", self.outer, packed)
        self.say("w = u8[8](a & 255, 2, 3)")
        self.say("t = u64(a)")
        self.say(f"p = Outer({self.given()})")
        self.say(f"q = {self.random.choice(('Outer()', 'p', 'p.copy()', f'Outer({self.given()})'))}")
        for _ in range(self.random.randint(3, 9)):
            self.statement()
        self.digest()
        return f"{text}def f(a: u32, b: s64, c: u8) -> u64:\n" + "\n".join(self.lines) + "\n    return t\n"

    def struct(self, name: str, fields: list[Field], packed: str) -> str:
        body = [f"    {one.name}: {self.annotation(one)}" for one in fields]
        return f"@struct{packed}\nclass {name}:\n" + "\n".join(body) + "\n\n"

    def annotation(self, one: Field) -> str:
        if one.kind == "bits":
            return f"bits({one.of}, {one.count})"
        return one.of if one.kind in ("number", "struct") else f"{one.of}[{one.count}]"

    def given(self) -> str:
        chosen = [one for one in self.outer if self.random.random() < 0.5]
        return ", ".join(f"{one.name}={self.value_for(one)}" for one in chosen)

    def value_for(self, one: Field) -> str:
        match one.kind:
            case "struct":
                number = self.inner[0]
                return f"Inner({number.name}={self.expression()})"
            case "structs":
                return f"Inner[{one.count}](Inner(), Inner({self.inner[0].name}={self.expression()}))"
            case "array":
                return f"{one.of}[{one.count}]({self.expression()}, {self.random.randrange(300)})"
            case "text":
                return self.random.choice(
                    ('"abc"', 'b"a long text of many bytes"', '""', "w", f'char[{one.count}]("x")')
                )
        return self.expression()

    def say(self, line: str) -> None:
        self.lines.append("    " * (self.depth + 1) + line)

    def expression(self, deep: int = 2) -> str:
        """A u64."""
        if not deep or self.random.random() < 0.3:
            return self.random.choice(("u64(a)", "u64(b)", "u64(c)", str(self.random.choice((0, 1, 3, 255, 65536))),
                                       self.leaf(), self.leaf(), "t"))  # fmt: skip
        op = self.random.choice(("+", "-", "*", "^", "&", "|"))
        return f"(u64({self.expression(deep - 1)}) {op} {self.expression(deep - 1)})"

    def leaf(self) -> str:
        """What is read from memory, as a u64; a constant before there is any."""
        if len(self.lines) < 4:
            return "u64(7)"
        return f"u64({self.place(self.random.choice(self.names))})"

    def place(self, owner: str) -> str:
        """Where a number stands."""
        one = self.random.choice(self.outer)
        match one.kind:
            case "struct":
                return self.inside(f"{owner}.{one.name}")
            case "structs":
                return self.inside(f"{owner}.{one.name}[{self.index(one.count)}]")
            case "array" | "text":
                return f"{owner}.{one.name}[{self.index(one.count)}]"
        return f"{owner}.{one.name}"

    def inside(self, owner: str) -> str:
        one = self.random.choice(self.inner)
        return f"{owner}.{one.name}" if one.kind == "number" else f"{owner}.{one.name}[{self.index(one.count)}]"

    def index(self, count: int) -> str:
        """An index that is inside, but for a few."""
        return self.random.choice((
            str(self.random.randrange(count)), str(-self.random.randint(1, count)), f"c % {count}", f"a % {count}",
            f"c % {count} - {count}", f"(c & 3) % {count}", f"c % {count + 1}" if self.random.random() < 0.3 else "0",
        ))  # fmt: skip

    def statement(self) -> None:
        """One more, at most three deep."""
        kinds = [self.assign, self.assign, self.update, self.whole, self.alias, self.slice, self.mix, self.mix]
        if self.depth < 2:
            kinds += [self.branch, self.loop]
        self.random.choice(kinds)()

    def assign(self) -> None:
        self.say(f"{self.place(self.random.choice(self.names))} = {self.expression()}")

    def update(self) -> None:
        place = self.place(self.random.choice(self.names))
        op = self.random.choice(("+", "-", "^", "|", "&"))
        self.say(f"{place} {op}= {self.random.choice(('c', '1', '7', 'a & 15'))}")

    def whole(self) -> None:
        """A struct, an array or a text at once."""
        one = self.random.choice(self.outer)
        if one.kind in ("number", "bits"):
            self.mix()
            return
        other = f"{self.random.choice(self.names)}.{one.name}"
        self.say(f"{self.random.choice(self.names)}.{one.name} = {self.random.choice((other, self.value_for(one)))}")

    def alias(self) -> None:
        name = self.random.choice(self.names)
        new = (
            ("p.copy()", f"Outer({self.given()})") if self.depth == 0 else ()
        )  # a loop makes no new ones for its next turn
        self.say(f"{name} = {self.random.choice(('p', 'q', 'q if a > c else p', *new))}")

    def slice(self) -> None:
        length = self.random.randint(1, 4)
        at = self.random.choice((str(self.random.randrange(9 - length)), "(c & 3)", "c % 5"))
        span = f"{at}:{at} + {length}" if not at.isdigit() else f"{at}:{int(at) + length}"
        other = self.random.randrange(9 - length)
        value = self.random.choice(
            (f"w[{other}:{other + length}]", f"u8(a).to_bytes({length}, 'big')", repr(b"wxyz"[:length]))
        )
        match self.random.randrange(3):
            case 0:
                self.say(f"w[{span}] = {value}")
            case 1:
                self.say(f"t += int.from_bytes(w[{span}], '{self.random.choice(('big', 'little'))}')")
            case _:
                self.say(f"t = t * 3 + (w[{span}] == w[{other}:{other + length}])")

    def mix(self) -> None:
        self.say(self.random.choice((
            f"t = t * 31 + {self.leaf()}", f"t ^= {self.expression()}", "t += p == q", "t += w[c & 7]",
            f"w[{self.index(8)}] = {self.expression()}",
        )))  # fmt: skip

    def branch(self) -> None:
        self.say(f"if {self.random.choice(('a > c', 'c & 1', 'p == q', f'{self.leaf()} > 5', 'b < 0'))}:")
        self.nested()
        if self.random.random() < 0.5:
            self.say("else:")
            self.nested()

    def loop(self) -> None:
        name = f"i{self.depth}"
        over = self.random.choice((f"range({self.random.randint(0, 5)})", "range(c & 7)"))
        self.say(f"for {name} in {over}:")
        self.nested(f"t = t * 7 + {name}")

    def nested(self, first: str | None = None) -> None:
        self.depth += 1
        if first is not None:
            self.say(first)
        for _ in range(self.random.randint(1, 3)):
            self.statement()
        self.depth -= 1

    def digest(self) -> None:
        """Everything there is goes into the result."""
        for name in self.names:
            for one in self.outer:
                whole = f"{name}.{one.name}"
                match one.kind:
                    case "struct":
                        self.digest_inner(whole)
                    case "structs":
                        self.say(f"for e in {whole}:")
                        self.depth += 1
                        self.digest_inner("e")
                        self.depth -= 1
                    case "array" | "text":
                        self.say(f"for e in {whole}:")
                        self.say("    t = t * 33 + u64(e)")
                    case _:
                        self.say(f"t = t * 31 + u64({whole})")
        self.say("for e in w:")
        self.say("    t = t * 33 + e")

    def digest_inner(self, owner: str) -> None:
        for one in self.inner:
            if one.kind == "number":
                self.say(f"t = t * 31 + u64({owner}.{one.name})")
            else:
                self.say(f"for d in {owner}.{one.name}:")
                self.say("    t = t * 37 + u64(d)")


INPUTS = ((0, 0, 0), (1, 2**64 - 1, 1), (2**32 - 1, 1 << 63, 255), (77, 5, 6), (300, 0x0123456789ABCDEF, 13))


def compare(seeds: Iterable[int], engines: Sequence[str]) -> Counter[str]:
    """Run the functions of `seeds` in CPython and on `engines`; what was met. Only E071, too much stack, is refused."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        function = function_of(Text(seed).source())
        program = bpf.function(function)
        try:
            seen["instructions"] += program.runnable.programs[program.name].slot_count
        except CompileError as error:
            if any(one.code != "E071" for one in error.diags if one.severity == "error"):
                raise
            seen["refused"] += 1
            continue
        wanted = _outcomes(program, "cpython")
        for name in engines:
            for given, one, other in zip(INPUTS, wanted, _outcomes(program, name), strict=True):
                lines = differences("cpython", one, name, other)
                assert not lines, f"seed {seed}, {given}: {lines}"
                seen["runs"] += 1
        seen["functions"] += 1
        seen["faults"] += sum(one.fault is not None for one in wanted)
        forget(function)
    return seen


def _outcomes(program: Program, name: str) -> list[Outcome]:
    with program.session(name) as session:
        return [session.outcome(program.input(given)) for given in INPUTS]
