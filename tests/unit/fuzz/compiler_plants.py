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
from typing import Any

from bpfvm.compiler.emit.reach import REACH


@dataclass(frozen=True, slots=True)
class Plant:
    """seen: what shows it: a function of tests/programs, a file of tests/python, or a test, as module:name below
    tests.unit, with the arguments `given`. module: below bpfvm. old, new: the text and what replaces it.
    """

    name: str
    seen: str
    module: str
    old: str
    new: str
    given: tuple[Any, ...] = ()


PLANTS: tuple[Plant, ...] = (
    Plant("floor division rounds to zero", "divide_s64", "compiler.frontend.numbers.divide",
          'f.op("add", negated, f.op("and", differ, partial))', "negated"),
    Plant("modulo has the dividend's sign", "divide_mixed", "compiler.frontend.numbers.divide",
          'return f.op("add", rest, f.op("and", b, sign))', "return rest"),
    Plant("a wide shift cuts its count", "shifts", "compiler.frontend.numbers.shift",
          "if count.range.hi < _WIDTH:", "if count.range.hi < 1 << 40:"),
    Plant("a shift to the right has no sign", "narrow_and_wide", "compiler.frontend.numbers.shift",
          "signed = right and op.a.range.lo < 0", "signed = False"),
    Plant("comparisons are unsigned", "loop_reversed", "compiler.frontend.numbers.compare",
          '("s" if signed else "u") + jump', '"u" + jump'),
    Plant("comparisons of s64 with u64 are signed", "compare_mixed_classes", "compiler.frontend.numbers.compare",
          "if b.range.lo < 0 and a.range.hi > S64_MAX:", "if False:"),
    Plant("all spilled registers share a slot", "many_live", "compiler.regalloc.spill",
          "slot = function.slot(8, SPILLED) if recipe is None and not slot else slot",
          "slot = -8 if recipe is None else slot"),
    Plant("spills are loaded from the next slot", "many_live", "compiler.regalloc.spill",
          'Lir("ldx64", temp, R10, home.slot, spill=True)', 'Lir("ldx64", temp, R10, home.slot - 8, spill=True)'),
    Plant("be32 does not swap", "swapped", "compiler.frontend.numbers.cast",
          'f.op(f"bswap{target.bits}", register)', 'f.op("zext32" if target.bits == 32 else "bswap64", register)'),
    Plant("fields of packets are not swapped", "packet_fields", "compiler.frontend.memory.access",
          'word = f.op(f"bswap{storage.bits}", word)\n    elif storage.is_signed', "pass\n    elif storage.is_signed"),
    Plant("a loop takes its stop, too", "loop_over", "compiler.frontend.control.iterate",
          "COMPARISONS[ast.Lt if source.step > 0 else ast.Gt]", "COMPARISONS[ast.LtE if source.step > 0 else ast.GtE]"),
    Plant("a loop's name keeps what the body bound", "many_live_in_a_loop", "compiler.frontend.control.loops",
          "if all(grown[name] is guess[name] for name in guess) or _wasteful(f):",
          "if round > 0 or not guess:"),
    Plant("calls destroy no r3 to r5", "many_live_across_calls", "compiler.lower.lir",
          "return CLOBBERED", "return frozenset(sorted(CLOBBERED)[:3])"),
    Plant("line information is late", "compiler.test_lines:test_instructions_stand_at_their_lines",
          "compiler.emit.layout", "lines[slot] = last = one.span", "lines[slot + 1] = last = one.span"),
    Plant("faults are placed a line late", "index", "compiler.frontend.translation",
          "FaultSite(kind, message, span.location)",
          "FaultSite(kind, message, type(span.location)(span.file, span.line + 1))"),
    Plant("casts to 8 bits keep 16", "casts", "compiler.frontend.numbers.cast",
          "{'sext' if target.is_signed else 'zext'}{target.bits}",
          "{'sext' if target.is_signed else 'zext'}{max(target.bits, 16)}"),
    Plant("casts to s32 have no sign", "narrow_and_wide", "compiler.frontend.numbers.cast",
          "{'sext' if target.is_signed else 'zext'}{target.bits}",
          "{'sext' if target.is_signed and target.bits < 32 else 'zext'}{target.bits}"),
    Plant("min and max give the kind of the first", "extremes_of_the_second", "compiler.frontend.calls",
          "[number] * len(beats)", "[number.as_kinds(best.kinds)] * len(beats)"),
    Plant("max is min", "extremes", "compiler.frontend.calls",
          "_extreme(f, node, given, ast.Gt)", "_extreme(f, node, given, ast.Lt)"),
    Plant("`or` stops where `and` does", "calls_never_in_part", "compiler.frontend.expr",
          "leave, stay = (fails, holds) if isinstance(node.op, ast.And)", "leave, stay = (fails, holds) if True"),
    Plant("a condition's `or` needs its last operand only", "optional_best", "compiler.frontend.expr",
          "([*leaving, *holds], fails)", "(holds, [*leaving, *fails])"),
    Plant("copies of phis are made one after the other", "rotated", "compiler.lower.copies",
          "free = next((dst for dst in waiting if dst not in needed), None)", "free = next(iter(waiting))"),
    Plant("a - b and b - a are one", "differences_both_ways", "compiler.passes.cse",
          "if row.commutes:", "if row.commutes or value.op == 'sub':"),
    Plant("extensions of other widths are one", "widths", "compiler.passes.cse",
          "return (value.op, value.imm,", "return (value.op.rstrip('0123456789'), value.imm,"),
    Plant("m[i] -= v adds", "counted", "compiler.frontend.maps.atomics", 'register = f.op("neg", register)', "pass"),
    Plant("elements have no sign", "counted", "compiler.frontend.memory.access",
          "elif storage.is_signed and storage.bits < _WORD:", "elif False:"),
    Plant("elements are stored too wide", "elements_of_bytes", "compiler.frontend.memory.access",
          "put_word(f, one, word, storage.size)\n\n\ndef _truth",
          "put_word(f, one, word, max(storage.size, 4))\n\n\ndef _truth"),
    Plant("a guard that fails ends the match", "matched_numbers", "compiler.frontend.control.match",
          "fails = [*fails, *refused]", "ends = [*ends, *refused]"),
    Plant("`a | b` of `match` tries a alone", "matched_numbers", "compiler.frontend.control.match",
          "for one in pattern.patterns:\n        flow.enter(f, fails)",
          "for one in pattern.patterns[:1]:\n        flow.enter(f, fails)"),
    Plant("what is less or equal is less", "loop_changes", "compiler.frontend.numbers.ranges",
          "return _pair(_to(a, b.hi), _from(b, a.lo))", "return _pair(_to(a, b.hi - 1), _from(b, a.lo + 1))"),
    Plant("abs of a negative number is itself", "absolute", "compiler.frontend.numbers.arith",
          "if number.range.lo < 0:\n        sign = f.op", "if number.range.lo < -(1 << 40):\n        sign = f.op"),
    Plant("joins keep what the first way knows", "wide_constants", "compiler.frontend.control.flow",
          "                range = range.union(one)\n", "                pass\n"),
    Plant("a join takes the range of its first way", "index_classes", "compiler.frontend.control.flow",
          "    for one in numbers[1:]:\n        range = range.union(one.range)\n    return bounded(range)",
          "    return bounded(range)"),
    Plant("a drift is that of one turn", "collatz", "compiler.frontend.control.loops",
          "Interval(turns * min(step.lo, 0), turns * max(step.hi, 0))", "Interval(min(step.lo, 0), max(step.hi, 0))"),
    Plant("a parameter is the first constant that it gets", "index_classes", "compiler.passes.sccp",
          "word if old is None else _VARIES", "word if old is None else old"),
    Plant("parameters with other constants are one", "index_classes", "compiler.passes.prune",
          "len({value.imm for value in given}) == 1", "len({value.imm for value in given}) >= 1"),
    Plant("what is computed on one way serves the others", "loop_changes", "compiler.passes.cse",
          "            for key in made:\n                del known[key]\n", "            pass\n"),
    Plant("a part of a constant is its low bytes", "literals", "compiler.passes.scalars",
          "what.imm >> 8 * (piece.span[0] - store.imm) & mask(bits)", "what.imm & mask(bits)"),
    Plant("a piece is what it was on another way", "enums", "compiler.passes.scalars",
          "                _restore(known, before)\n", "                pass\n"),
    Plant("shifts by 32 and more are done in low halves", "halves_and_wholes", "compiler.lower.narrow",
          "value.args[1].imm < 32", "value.args[1].imm < 64"),
    Plant("any mask takes the low half", "halves_and_wholes", "compiler.lower.narrow",
          'return value.op == "const" and value.imm <= M32', 'return value.op == "const"'),
    Plant("comparisons of 64 bits compare 32", "wide_constants", "compiler.lower.select",
          "b.imm <= M32 and cond in UNSIGNED and _is_u32(a)", "b.imm <= M32 and cond in UNSIGNED"),
    Plant("immediates of 33 bits are taken for 32", "wide_constants", "compiler.lower.select",
          "return value if S32_MIN <= value <= S32_MAX else None",
          "return signed(value, 32) if -(1 << 32) <= value <= 1 << 32 else None"),
    Plant("registers that meet are merged", "rotated", "compiler.regalloc.coalesce",
          "if a == b or b in graph[a] or _crowded(graph, a, b):", "if a == b or _crowded(graph, a, b):"),
    Plant("what is written twice is made anew", "many_live_in_a_loop", "compiler.regalloc.spill",
          "recipe = by[0] if len(by) == 1 and by[0].op in REMADE", "recipe = by[0] if by[0].op in REMADE"),
    Plant("jumps reach twice as far", "compiler.test_layout:test_a_jump_of_any_length_arrives", "compiler.emit.reach",
          "-REACH <= starts[one.target] - slot < REACH:", "-REACH <= starts[one.target] - slot < 2 * REACH:",
          (2 * REACH - 99, False, 3)),
    Plant("a long jump counts from itself", "compiler.test_layout:test_a_jump_of_any_length_arrives",
          "compiler.emit.layout", "imm = starts[_goal(one)] - behind", "imm = starts[_goal(one)] - behind + 1",
          (2 * REACH, True, 4)),
    Plant("constants lie where others begin alike", "table_classes", "compiler.frontend.translation",
          "if before.startswith(data, at)), -1)", "if before.startswith(data[:1], at)), -1)"),
    Plant("constants lie at the next byte", "table_classes", "compiler.frontend.translation",
          'named=name), at\n', 'named=name), at + (at > 0)\n'),
    Plant("bit-fields keep no neighbours", "bit_fields", "compiler.frontend.memory.access",
          "M64 & ~(whole << member.shift)", "M64 & ~(whole << member.shift + 1)"),
    Plant("bit-fields have no sign", "bit_fields", "compiler.frontend.memory.access",
          'word = f.op("ashr", word, f.number(_WORD - member.bits))',
          'word = f.op("lshr", word, f.number(_WORD - member.bits))'),
    Plant("members in BTF stand at bytes", "compiler.test_struct_btf:test_btf_names_the_fields",
          "compiler.emit.layouts", "8 * one.offset + one.shift", "8 * one.offset"),
    Plant("numbers in BTF have no sign", "compiler.test_struct_btf:test_btf_names_the_fields",
          "compiler.emit.functions", "kind.size, is_signed=kind.is_signed)", "kind.size, is_signed=False)"),
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
