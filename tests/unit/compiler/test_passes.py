"""Passes: each rule's law on edge values, what dce and prune remove and what they must leave, the order of passes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import pytest

from bpfvm.compiler.ir.build import Builder
from bpfvm.compiler.ir.check import check
from bpfvm.compiler.ir.function import Branch, Function, Goto, Return
from bpfvm.compiler.ir.ops import CONDITIONS, IR_OPS, holds
from bpfvm.compiler.ir.text import parse, to_text
from bpfvm.compiler.ir.types import Value, Word
from bpfvm.compiler.passes.cse import cse
from bpfvm.compiler.passes.dce import dce
from bpfvm.compiler.passes.prune import prune
from bpfvm.compiler.passes.rules import RULES
from bpfvm.compiler.passes.simplify import simplify
from bpfvm.compiler.passes.threads import threads
from bpfvm.compiler.pipeline import PASS_ORDER, PASSES, optimise
from bpfvm.lang.types.interval import Interval
from tests.unit.compiler.ir_evaluator import evaluate
from tests.unit.compiler.test_codegen import Generator

WORD = "[0, 18446744073709551615]"
HEAD = 'function f syscall "syscall" on_fault 0\nmap m array 4 8 4\n'
EDGES = (0, 1, 2, 3, 8, 63, 64, 255, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 2,
         (1 << 64) - 1)  # fmt: skip
OPERATIONS = [name for name, row in IR_OPS.items() if row.fold is not None]


def _context(*words: int) -> bytearray:
    return bytearray(8) + b"".join(word.to_bytes(8, "little") for word in words)


def _on(op: str, operands: tuple[int | str, ...]) -> Function:
    """`op` of operands: a number is a constant, a name one of two arguments, or one of a few bits ("narrow")."""
    function = Function("f", "syscall", "syscall", 0)
    b = Builder(function)
    ctx = b.ctx()
    known = {"x": b.op("load64", ctx, imm=8), "y": b.op("load64", ctx, imm=16)}
    known["narrow"] = b.op("load8", ctx, type=Word(Interval(0, 127)), imm=24)
    args = [known[one] if isinstance(one, str) else b.const(one) for one in operands]
    b.ret(b.op(op, *args))
    return function


def _forms(op: str) -> Iterator[tuple[int | str, ...]]:
    """Every form of operands that a rule may look at: constants on each side, one value on both."""
    if IR_OPS[op].args == 1:
        for operand in ("x", "narrow", *EDGES):
            yield (operand,)
        return
    yield "x", "y"
    yield "x", "x"
    for word in EDGES:
        yield "x", word
        yield word, "x"
    yield from itertools.product(EDGES, repeat=2)


def test_every_rule_fires_and_keeps_the_meaning() -> None:
    fired: Counter[str] = Counter()
    compared = 0
    for op in OPERATIONS:
        for form in _forms(op):
            before, after = _on(op, form), _on(op, form)
            simplify(after, lambda rule, value: fired.update([rule]))
            check(after)
            inputs = itertools.product(EDGES, EDGES) if "x" in form and "y" in form else ((x, 5) for x in EDGES)
            for x, y in inputs if any(isinstance(one, str) for one in form) else [(0, 0)]:
                context = _context(x, y, x & 127)
                assert evaluate(before, context, {}) == evaluate(after, context, {}), (op, form, x, y)
                compared += 1
    print(f"{compared} evaluations compared; fired: {dict(fired)}")
    assert set(fired) == {rule.text for rule in RULES}
    assert compared > 10_000


def test_a_rule_needs_its_own_operand() -> None:
    """What looks like a law and is none stays as it is."""
    no_laws: tuple[tuple[str, tuple[int | str, ...]], ...] = (
        ("sub", (0, "x")), ("shl", (0, "x")), ("udiv", ("x", "x")), ("umod", ("x", "x")), ("and", ("x", 1)),
        ("add", ("x", "x")), ("sub", ("x", "y")), ("mul", ("x", (1 << 64) - 1)), ("sext8", ("x",)),
    )  # fmt: skip
    for op, form in no_laws:
        function = _on(op, form)
        assert not simplify(function), (op, form)


@pytest.mark.parametrize("name", ["zext8", "zext16", "zext32", "sext8", "sext16", "sext32"])
@pytest.mark.parametrize(("range", "extension"), [((-128, 127), "sext8"), ((0, 255), "zext8"), ((-1, 1), "sext8"),
                                                  ((0, 256), "zext16"), ((-129, 0), "sext16"), ((0, 1 << 31), "zext32"),
                                                  ((-(1 << 31), 0), "sext32"), ((0, 1 << 32), "")])  # fmt: skip
def test_extensions_go_exactly_where_the_range_allows(name: str, range: tuple[int, int], extension: str) -> None:
    """extension: the narrowest that changes nothing in the range; wider ones of its kind do not either."""
    function = Function("f", "syscall", "syscall", 0)
    b = Builder(function)
    b.ret(b.op(name, b.op("load64", b.ctx(), type=Word(Interval(*range)), imm=8)))
    bits = 1 << (IR_OPS[name].bits - 1) if name[0] == "s" else 1 << IR_OPS[name].bits
    lowest = -bits if name[0] == "s" else 0
    redundant = lowest <= range[0] and range[1] < bits
    assert simplify(function) is redundant
    if name == extension:
        assert redundant


def test_dce_keeps_what_has_an_effect() -> None:
    function = parse(
        f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: {WORD} = load64 v1 +8\n  v3: {WORD} = load64 v1 +16\n"
        f"  v4: {WORD} = add v2 v3\n  v5: {WORD} = store64 v1 v2 +0\n  v6: map* = map m\n"
        f"  v7: {WORD} = update v6 v2 v2\n  v8: map_value?* = lookup v6 v2\n  v9: [1, 1] = const 0x1\n  return v9\n"
    )
    assert dce(function)
    check(function)
    assert [value.id for value in function.values()] == [1, 2, 5, 6, 7, 9]
    assert not dce(function)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_prune_takes_the_way_that_constants_decide(condition: str) -> None:
    for a, b in itertools.product(EDGES, repeat=2):
        function = parse(
            f"{HEAD}b0:\n  v1: [{a}, {a}] = const {a:#x}\n  v2: [{b}, {b}] = const {b:#x}\n"
            f"  branch {condition} v1 v2 b1() b2()\nb1:\n  return v1\nb2:\n  return v2\n"
        )
        assert prune(function)
        check(function)
        assert len(function.blocks) == 1
        end = function.blocks[0].terminator
        assert isinstance(end, Return)
        assert end.value.id == (1 if holds(condition, a, b) else 2)


def test_prune_leaves_a_branch_on_what_is_not_known() -> None:
    text = (
        f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: {WORD} = load64 v1 +8\n  v3: [0, 0] = const 0x0\n"
        "  branch eq v2 v3 b1() b2()\nb1:\n  return v3\nb2:\n  return v2\n"
    )
    function = parse(text)
    assert not prune(function)
    assert sorted(to_text(function).splitlines()) == sorted(text.splitlines())  # blocks may be put into another order


def test_prune_drops_a_parameter_with_one_value_and_merges() -> None:
    function = parse(
        f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: {WORD} = load64 v1 +8\n  v3: [0, 0] = const 0x0\n"
        "  branch eq v2 v3 b1() b2()\nb1:\n  v6: [7, 7] = const 0x7\n  goto b3(v2, v6)\n"
        f"b2:\n  v7: [7, 7] = const 0x7\n  goto b3(v2, v7)\n"
        f"b3(v4: {WORD}, v5: {WORD}):\n  v8: {WORD} = add v4 v5\n  return v8\n"
    )
    want = [evaluate(function, _context(x), {}) for x in EDGES]
    assert prune(function)
    check(function)
    assert all(not block.params for block in function.blocks)
    assert [evaluate(function, _context(x), {}) for x in EDGES] == want


# A test twice, by a join behind the first; a join of two constants that is tested; the same test the other way round
TWICE = (
    "branch eq v2 v3 b1() b2()\nb1:\n  v20: [0, 0] = store64 v1 v2 +24\n  goto b3()\nb2:\n  goto b3()\n"
    "b3:\n  v7: [0, 0] = const 0x0\n  branch eq v2 v7 b4() b5()\n",
    "branch ult v2 v4 b1() b2()\nb1:\n  v6: [0, 0] = const 0x0\n  goto b3(v6)\nb2:\n  v7: [9, 9] = const 0x9\n"
    f"  goto b3(v7)\nb3(v8: {WORD}):\n  branch ugt v8 v4 b4() b5()\n",
    "branch slt v2 v4 b1() b2()\nb1:\n  v20: [0, 0] = store64 v1 v2 +24\n  goto b3()\nb2:\n  goto b3()\n"
    "b3:\n  branch sge v2 v4 b4() b5()\n",
)


@pytest.mark.parametrize("text", TWICE)
def test_threads_goes_past_tests_that_are_decided(text: str) -> None:
    function = parse(
        f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: {WORD} = load64 v1 +8\n  v3: [0, 0] = const 0x0\n"
        f"  v4: [5, 5] = const 0x5\n  {text}"
        "b4:\n  v11: [7, 7] = const 0x7\n  return v11\nb5:\n  v12: [8, 8] = const 0x8\n  return v12\n"
    )
    want = [evaluate(function, _context(x, 0, 0), {}) for x in EDGES]
    assert threads(function)
    check(function)
    prune(function)
    assert sum(isinstance(block.terminator, Branch) for block in function.blocks) == 1
    assert [evaluate(function, _context(x, 0, 0), {}) for x in EDGES] == want


@pytest.mark.parametrize("text", [
    # another value; another number; what the test gives is read behind it
    "branch eq v2 v3 b1() b2()\nb1:\n  goto b3()\nb2:\n  goto b3()\nb3:\n  branch eq v5 v3 b4() b5()\n",
    "branch ne v2 v4 b1() b2()\nb1:\n  goto b3()\nb2:\n  v6: [1, 1] = const 0x1\n  v20: [0, 0] = store64 v1 v6 +24\n"
    "  goto b4()\nb3:\n  branch ne v2 v3 b4() b5()\n",
])  # fmt: skip
def test_threads_leaves_tests_that_are_open(text: str) -> None:
    function = parse(
        f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: {WORD} = load64 v1 +8\n  v5: {WORD} = load64 v1 +16\n"
        f"  v3: [0, 0] = const 0x0\n  v4: [5, 5] = const 0x5\n  {text}"
        "b4:\n  v11: [7, 7] = const 0x7\n  return v11\nb5:\n  v12: [8, 8] = const 0x8\n  return v12\n"
    )
    assert not threads(function)


LOOP = (
    f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: {WORD} = load64 v1 +8\n  v3: [0, 0] = const 0x0\n  v4: [1, 1] = const 0x1\n"
    "  v5: [10, 10] = const 0xa\n  goto b1(v3, v2, v4)\n"
    f"b1(v6: {WORD}, v7: {WORD}, v8: {WORD}):\n  branch ult v6 v5 b2() b3()\n"
    f"b2:\n  v9: {WORD} = add v6 v4\n  goto b1(v9, v8, v7)\n"
    f"b3:\n  v10: {WORD} = sub v7 v8\n  return v10\n"
)


def test_a_loop_that_exchanges_its_parameters_stays() -> None:
    function = parse(LOOP)
    want = [evaluate(function, _context(x), {}) for x in EDGES]
    optimise(function)
    assert any(isinstance(block.terminator, Goto) and block.terminator.args for block in function.blocks[1:])
    assert [evaluate(function, _context(x), {}) for x in EDGES] == want


def test_passes_stand_in_their_order() -> None:
    names = [one.name for one in PASSES]
    for earlier, later, reason in PASS_ORDER:
        assert names.index(earlier) < names.index(later), reason


def test_passes_come_to_an_end() -> None:
    """simplify and dce leave nothing to themselves, and all passes over and over settle after a few rounds."""
    rounds: Counter[int] = Counter()
    for seed in range(60):
        function = Generator(seed).make()
        simplify(function)
        assert not simplify(function), f"function {seed}"
        prune(function)
        assert not prune(function), f"function {seed}"
        dce(function)
        assert not dce(function), f"function {seed}"
        texts = [""]
        while texts[-1] != to_text(function):
            texts.append(to_text(function))
            optimise(function)
        rounds[len(texts) - 1] += 1
    print(f"rounds until nothing changes: {dict(sorted(rounds.items()))}")
    assert max(rounds) <= 4


def test_the_dump_names_each_pass_and_the_rules_that_fired() -> None:
    function = _on("mul", ("x", 1))
    seen: list[tuple[str, str]] = []
    optimise(function, lambda name, text: seen.append((name, text)))
    assert [name for name, _ in seen] == ["frontend", *(one.name for one in PASSES)]
    after = dict(reversed(seen))["simplify"]  # its first run
    assert "; v6: x * 1 => x" in after.splitlines()
    told = [line for _, text in seen for line in text.splitlines()]
    assert "; v5: nothing reads it => nothing" in told
    for _, text in seen:
        assert to_text(parse(text)) == "".join(
            line for line in text.splitlines(keepends=True) if not line.startswith(";")
        )


def test_values_of_rules_are_of_the_function() -> None:
    """A rule gives an operand of the value or a number, so that what it gives is defined there."""
    seen = 0
    for op in OPERATIONS:
        for form in _forms(op):
            (value,) = [one for one in _on(op, form).values() if one.op == op][-1:]
            for rule in RULES:
                result = rule.apply(value)
                if isinstance(result, Value):
                    seen += 1
                    assert result in value.args
                elif result is not None:
                    assert 0 <= result < 1 << 64
    assert seen > 50


def test_what_is_computed_twice_is_computed_once() -> None:
    function = parse(
        'function f syscall "syscall" on_fault 0\n'
        "b0:\n  v1: ctx* = ctx\n  v2: [0, 18446744073709551615] = load64 v1 +8\n"
        "  v3: [0, 0] = const 0x7\n  v4: [0, 18446744073709551615] = add v2 v3\n"
        "  branch eq v2 v3 b1() b2()\n"
        "b1:\n  v5: [0, 0] = const 0x7\n  v6: [0, 18446744073709551615] = add v5 v2\n  return v6\n"
        "b2:\n  v7: [0, 18446744073709551615] = sub v2 v3\n  goto b3()\n"
        "b3:\n  v8: [0, 18446744073709551615] = sub v3 v2\n  v9: [0, 18446744073709551615] = xor v7 v8\n  return v9\n"
    )
    assert cse(function)
    text = to_text(function)
    assert "return v4" in text  # b0's, by either order of operands and any constant 7
    assert "sub v3 v2" in text  # not the other difference
    assert not cse(function)


def test_a_value_of_one_way_is_not_known_on_the_other() -> None:
    function = parse(
        'function f syscall "syscall" on_fault 0\n'
        "b0:\n  v1: ctx* = ctx\n  v2: [0, 18446744073709551615] = load64 v1 +8\n  v3: [0, 0] = const 0x7\n"
        "  branch eq v2 v3 b1() b2()\n"
        "b1:\n  v4: [0, 18446744073709551615] = add v2 v3\n  return v4\n"
        "b2:\n  v5: [0, 18446744073709551615] = add v2 v3\n  return v5\n"
    )
    assert not cse(function)


def test_a_parameter_that_only_its_own_turns_read_goes() -> None:
    function = parse(
        'function f syscall "syscall" on_fault 0\n'
        "b0:\n  v1: [5, 5] = const 0x5\n  v2: [0, 0] = const 0x0\n  goto b1(v1, v2)\n"
        "b1(v3: [0, 5], v4: [0, 18446744073709551615]):\n  branch ne v3 v2 b2() b3()\n"
        "b2:\n  v5: [1, 1] = const 0x1\n  v6: [0, 5] = sub v3 v5\n  v7: [0, 18446744073709551615] = add v4 v3\n"
        "  goto b1(v6, v7)\n"
        "b3:\n  return v2\n"
    )
    assert dce(function)
    check(function)
    assert "v4" not in to_text(function)
    assert "v3" in to_text(function)
