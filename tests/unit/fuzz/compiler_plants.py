"""Compilers that are wrong in one thing each: a piece of the compiler's text replaced by another one.

The text must be there once. A plant whose text is gone after a change of the compiler is planted anew beside what came
in its place: the test says which.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True, slots=True)
class Plant:
    """module: below bpfvm. old, new: the text and what replaces it."""

    name: str
    module: str
    old: str
    new: str


PLANTS: tuple[Plant, ...] = (
    Plant("floor division rounds to zero", "compiler.frontend.divide",
          'f.op("add", negated, f.op("and", differ, partial))', "negated"),
    Plant("modulo has the dividend's sign", "compiler.frontend.divide",
          'return f.op("add", rest, f.op("and", b, sign))', "return rest"),
    Plant("a wide shift cuts its count", "compiler.frontend.shift",
          "if count.range.hi < _WIDTH:", "if count.range.hi < 1 << 40:"),
    Plant("a shift to the right has no sign", "compiler.frontend.shift",
          "signed = right and op.a.range.lo < 0", "signed = False"),
    Plant("comparisons are unsigned", "compiler.frontend.compare",
          '("s" if signed else "u") + jump', '"u" + jump'),
    Plant("comparisons of s64 with u64 are signed", "compiler.frontend.compare",
          "if b.range.lo < 0 and a.range.hi > S64_MAX:", "if False:"),
    Plant("all spilled registers share a slot", "compiler.regalloc.spill",
          "slot = function.slot(8) if recipe is None and not slot else slot", "slot = -8 if recipe is None else slot"),
    Plant("spills are loaded from the next slot", "compiler.regalloc.spill",
          'Lir("ldx64", temp, R10, home.slot, spill=True)', 'Lir("ldx64", temp, R10, home.slot - 8, spill=True)'),
    Plant("be32 does not swap", "compiler.frontend.cast",
          'f.op(f"bswap{target.bits}", register)', 'f.op("zext32" if target.bits == 32 else "bswap64", register)'),
    Plant("fields of packets are not swapped", "compiler.frontend.packet",
          'f.op(f"bswap{bits}", stored) if bits > 8 else stored', "stored"),
    Plant("a loop takes its stop, too", "compiler.frontend.iterate",
          "COMPARISONS[ast.Lt if source.step > 0 else ast.Gt]", "COMPARISONS[ast.LtE if source.step > 0 else ast.GtE]"),
    Plant("a loop's name keeps what the body bound", "compiler.frontend.loops",
          "if all(grown[name] is guess[name] for name in guess):", "if round > 0 or not guess:"),
    Plant("calls destroy no r3 to r5", "compiler.lower.lir",
          "return set(CLOBBERED)", "return set(list(CLOBBERED)[:3])"),
    Plant("line information is late", "compiler.emit.layout",
          "lines[slot] = last = one.span", "lines[slot + 1] = last = one.span"),
    Plant("faults are placed a line late", "compiler.frontend.translation",
          "site = FaultSite(kind, message, span.location)",
          "site = FaultSite(kind, message, type(span.location)(span.file, span.line + 1))"),
    Plant("casts to 8 bits keep 16", "compiler.frontend.cast",
          "{'sext' if target.is_signed else 'zext'}{target.bits}",
          "{'sext' if target.is_signed else 'zext'}{max(target.bits, 16)}"),
    Plant("casts to s32 have no sign", "compiler.frontend.cast",
          "{'sext' if target.is_signed else 'zext'}{target.bits}",
          "{'sext' if target.is_signed and target.bits < 32 else 'zext'}{target.bits}"),
    Plant("min and max give the kind of the first", "compiler.frontend.calls",
          "[number] * len(beats)", "[number.as_kinds(best.kinds)] * len(beats)"),
    Plant("max is min", "compiler.frontend.calls",
          "_extreme(f, node, given, ast.Gt)", "_extreme(f, node, given, ast.Lt)"),
    Plant("`or` stops where `and` does", "compiler.frontend.expr",
          "leave, stay = (fails, holds) if isinstance(node.op, ast.And)", "leave, stay = (fails, holds) if True"),
    Plant("a condition's `or` needs its last operand only", "compiler.frontend.expr",
          "([*leaving, *holds], fails)", "(holds, [*leaving, *fails])"),
    Plant("copies of phis are made one after the other", "compiler.lower.copies",
          "free = next((dst for dst in waiting if dst not in needed), None)", "free = next(iter(waiting))"),
    Plant("a - b and b - a are one", "compiler.passes.cse",
          "if row.commutes:", "if row.commutes or value.op == 'sub':"),
    Plant("extensions of other widths are one", "compiler.passes.cse",
          "return (value.op, value.imm,", "return (value.op.rstrip('0123456789'), value.imm,"),
    Plant("m[i] -= v adds", "compiler.frontend.maps", 'register = f.op("neg", register)', "pass"),
    Plant("elements have no sign", "compiler.frontend.maps",
          "if storage.is_signed and storage.bits < 64:", "if False:"),
    Plant("elements are stored too wide", "compiler.frontend.maps",
          "f.store(one.address, f.register(known), storage.bits)",
          "f.store(one.address, f.register(known), max(storage.bits, 32))"),
    Plant("a guard that fails ends the match", "compiler.frontend.match",
          "fails = [*fails, *refused]", "ends = [*ends, *refused]"),
    Plant("`a | b` of `match` tries a alone", "compiler.frontend.match",
          "for one in pattern.patterns:\n        flow.enter(f, fails)",
          "for one in pattern.patterns[:1]:\n        flow.enter(f, fails)"),
    Plant("what is less or equal is less", "compiler.frontend.ranges",
          "return _pair(_to(a, b.hi), _from(b, a.lo))", "return _pair(_to(a, b.hi - 1), _from(b, a.lo + 1))"),
    Plant("abs of a negative number is itself", "compiler.frontend.arith",
          "if number.range.lo < 0:\n        sign = f.op", "if number.range.lo < -(1 << 40):\n        sign = f.op"),
)  # fmt: skip


@contextmanager
def planted(plant: Plant) -> Iterator[None]:
    """The compiler with the plant in it, until the block ends."""
    module = import_module(f"bpfvm.{plant.module}")
    text = inspect.getsource(module)
    times = text.count(plant.old)
    assert times == 1, f"plant {plant.name!r}: {plant.module} has its text {times} times, and must have it once"
    space = dict(vars(module))
    exec(compile(text.replace(plant.old, plant.new), module.__file__ or "", "exec"), space)
    old = {name: one for name, one in _functions(vars(module), module.__name__)}
    changed = [(old[name], one.__code__) for name, one in _functions(space, module.__name__)
               if name in old and one.__code__ != old[name].__code__]  # fmt: skip
    assert changed, f"plant {plant.name!r} changes no function"
    before = [(function, function.__code__) for function, _ in changed]
    try:
        for function, code in changed:
            function.__code__ = code
        yield
    finally:
        for function, code in before:
            function.__code__ = code


def _functions(space: dict[str, object], module: str) -> Iterator[tuple[str, types.FunctionType]]:
    """Functions and methods that a module defines, by their qualified names."""
    for one in space.values():
        found = [one, *vars(one).values()] if isinstance(one, type) else [one]
        for function in found:
            inner = function.fget if isinstance(function, property) else function
            if isinstance(inner, types.FunctionType) and inner.__module__ == module:
                yield inner.__qualname__, inner
