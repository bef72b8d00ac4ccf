"""Random modules of one program that the compiler takes, mostly: of every construct that the tables have.

    case = generated(seed=1, number=42)

The text is made readable by ast.unparse, so that what is generated and what is left after shrinking look alike.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence

from bpfvm import __all__ as OFFERED
from bpfvm.fuzz.python.case import Case, Given
from bpfvm.fuzz.python.compound import body
from bpfvm.fuzz.python.constructs import FIXED
from bpfvm.fuzz.python.expressions import wanted
from bpfvm.fuzz.python.memory import declare
from bpfvm.fuzz.python.numbers import constant, inside
from bpfvm.fuzz.python.statements import leave
from bpfvm.fuzz.python.term import DECLARED, PLAIN, Term, kind_of, range_of
from bpfvm.fuzz.python.writer import Callee, Module, Name, Table, Writer
from bpfvm.lang.packets.headers import HEADERS
from bpfvm.lang.types.interval import Interval, of_bits
from bpfvm.lang.types.scalars import Storage
from bpfvm.lang.types.structs import Member

INPUTS = 8
_PACKETS = 0.06  # of the programs read a packet
_DARING = 0.1  # of the programs leave some values as they are, that may not fit
_PLACED = ("@bpf.func", "@bpf.func", "@bpf.global_func", "@bpf.inline")
_NEVER = 0.06  # of the functions that are called never return
_SIZES = (14, 33, 34, 42, 60, 64)  # of packets, in bytes


def generated(seed: int, number: int) -> Case:
    """Case `number` of `seed`: always the same."""
    name = f"{seed}:{number}"
    rng = random.Random(name)
    return _packets(rng, name) if rng.random() < _PACKETS else _scalars(rng, name)


def _scalars(rng: random.Random, name: str) -> Case:
    module = made(rng)
    writer = Writer(module, rng.choice(DECLARED), rng.choice((2, 3, 5, 8, 12, 16)))
    params = [(f"{'abcdef'[place]}", rng.choice(DECLARED)) for place in range(rng.randint(1, 4))]
    closed = rng.random() < 0.12
    if closed:
        module.names["k"] = writer.names["k"] = Name("k", int, Interval(-5, 1 << 40), fixed=True)
    _write(writer, params)
    head = f"def f({', '.join(f'{one}: {type.__name__}' for one, type in params)}) -> {writer.result.__name__}:"
    ints = '(ints="checked")' if module.daring and rng.random() < 0.5 else ""
    lines = [f"@bpf.function{ints}", head, *writer.lines]
    if closed:
        lines = ["def made(k):", *(f"    {line}" for line in lines), "    return f",
                 f"f = made({inside(rng, Interval(-5, 1 << 40))})"]  # fmt: skip
    return case_of(name, module, lines, _inputs(module, params))


def _packets(rng: random.Random, name: str) -> Case:
    module = made(rng)
    module.fields = (
        *(Term(f"pkt.{name}.{one.name}", "int", _field_range(one))
          for name in FIXED for one in HEADERS[name].members if isinstance(one.type, Storage)),
        Term("len(pkt)", "int", of_bits(32, signed=False)),
    )  # fmt: skip
    writer = Writer(module, int, rng.choice((2, 4, 8)))
    writer.bind("x", int, range=of_bits(32, signed=False))
    writer.line("x = pkt.ip.src")
    body(writer)
    writer.line(f"return {wanted(writer, 2, PLAIN[2]).text}")
    decorator = rng.choice(("@bpf.xdp", "@bpf.xdp(on_fault=7)"))
    return case_of(name, module, [decorator, "def f(ctx) -> int:", *writer.lines],
                 [(_packet(rng, module),) for _ in range(INPUTS)])  # fmt: skip


def _field_range(field: Member) -> Interval:
    return of_bits(field.bits or 8 * field.size, signed=False)


def _packet(rng: random.Random, module: Module) -> bytes:
    size = rng.choice(_SIZES)
    data = bytearray(inside(rng, Interval(0, 255)) for _ in range(size))
    for value in rng.sample(module.numbers, min(3, len(module.numbers))):
        width = rng.choice((1, 2, 4))
        at = rng.randrange(12, size - width + 1) if size - width > 12 else 0
        data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "big")
    return bytes(data)


def made(rng: random.Random) -> Module:
    """A module with constants, maps of numbers, structs and functions to call."""
    module = declared(rng)
    for _ in range(rng.choice((0, 0, 1, 2))):
        table = Table(f"m{len(module.tables)}", rng.choice(PLAIN), rng.choice((1, 2, 8)))
        module.tables.append(table)
        module.lines.append(f"{table.text} = Array({table.type.__name__}, {table.count})")
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        declare(module)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        called(module)
    return module


def declared(rng: random.Random) -> Module:
    """A module with constants alone."""
    module = Module(rng, 0.5 if rng.random() < _DARING else 0.0)
    module.lines.append("class Odd(Exception):\n    pass")
    for _ in range(rng.choice((0, 1, 1, 2))):
        value = constant(rng)
        name = Name(f"K{len(module.names)}", int, Interval(value, value), fixed=True)
        module.names[name.text] = name
        module.lines.append(f"{name.text} = {value}")
    if rng.random() < 0.3:
        values = tuple(rng.choice((constant(rng), rng.randrange(9))) for _ in range(rng.randint(1, 5)))
        module.items.append(("ITEMS", values))
        module.lines.append(f"ITEMS = {values!r}")
    return module


def called(module: Module, decorators: Sequence[str] = _PLACED) -> None:
    """A function that the program may call: plain, with defaults, with `*rest`, as a method, a lambda, a subprogram.

    decorators: those that it may have, if any.
    """
    rng = module.rng
    writer = Writer(module, rng.choice((*PLAIN, bool, int)), rng.choice((1, 1, 2, 4)), called=True)
    params = [(f"p{place}", rng.choice((*PLAIN, bool, int))) for place in range(rng.randint(1, 3))]
    name, choice = f"g{len(module.callees)}", rng.random()
    required = len(params) if choice > 0.3 else rng.randrange(len(params) + 1)
    heads = [one if place < required else f"{one}={_default(rng, type)}" for place, (one, type) in enumerate(params)]
    star = choice > 0.85
    if choice < 0.1:
        _bind(writer, params)
        value = wanted(writer, 2, writer.result).text
        module.lines.append(f"{name} = lambda {', '.join(heads)}: {value}")
    else:
        method = 0.1 <= choice < 0.2
        if star:
            heads.append("*rest")
        _bind(writer, params)
        if star:
            writer.line("total = u64(0)")
            writer.line("for one in rest:")
            writer.line("    total = u64(total + int(one))")
            writer.bind("total", PLAIN[3])
        body(writer)
        if rng.random() < _NEVER:
            writer.line("raise Odd")
        else:
            leave(writer)
        head = f"def {name}({', '.join((['self'] if method else []) + heads)})"
        placed = [] if method or star or rng.random() < 0.5 else [rng.choice(decorators)]
        if placed and "inline" not in placed[0]:
            typed = ", ".join(f"{one}: {type.__name__}" for one, type in params)
            head, required = f"def {name}({typed}) -> {writer.result.__name__}", len(params)
        lines = [*placed, f"{head}:", *writer.lines]
        if method:
            lines = [f"class Owner{name}:", *(f"    {line}" for line in lines), f"owner{name} = Owner{name}()"]
            name = f"owner{name}.{name}"
        module.lines.append("\n".join(lines))
    module.callees.append(Callee(name, tuple(params), writer.result, required, star))


def _default(rng: random.Random, type: type) -> str:
    value = inside(rng, range_of(type))
    if type is bool:
        return str(bool(value))
    return f"{type.__name__}({value})" if kind_of(type) != "int" else str(value)


def _bind(writer: Writer, params: list[tuple[str, type]]) -> None:
    for one, type in params:
        writer.bind(one, type)


def _write(writer: Writer, params: list[tuple[str, type]]) -> None:
    _bind(writer, params)
    body(writer)
    leave(writer)


def _inputs(module: Module, params: list[tuple[str, type]]) -> list[Given]:
    """Edges of each parameter's type, numbers of the program's text, and the same number twice."""
    rng, found = module.rng, []
    for _ in range(INPUTS):
        row: list[int] = []
        for _, type in params:
            choice, among = rng.random(), range_of(type)
            known = [one for one in (*module.numbers, *row) if one in among]
            value = rng.choice(known) if known and choice < 0.35 else inside(rng, among)
            row.append(bool(value) if type is bool else value)
        found.append(tuple(row))
    return found


def case_of(name: str, module: Module, lines: list[str], inputs: list[Given]) -> Case:
    """A case of a module and the lines of its program, importing what they name."""
    tree = ast.parse("\n".join([*module.lines, *lines]))
    used = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
    head = f"from bpfvm import {', '.join(sorted(used.intersection(OFFERED)))}\n"
    head = ("from copy import copy\n" if "copy" in used else "") + head
    return Case(name, head + ast.unparse(tree) + "\n", tuple(inputs))
