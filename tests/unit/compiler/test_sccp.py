"""sccp: constants behind ways that are never taken, and what it must not take for one."""

from __future__ import annotations

import gc
import time

from bpfvm.compiler.ir.build import Builder
from bpfvm.compiler.ir.check import check
from bpfvm.compiler.ir.function import Branch, Function
from bpfvm.compiler.ir.text import parse
from bpfvm.compiler.passes.prune import prune
from bpfvm.compiler.passes.sccp import sccp
from bpfvm.compiler.pipeline import optimise
from tests.unit.compiler.ir_evaluator import evaluate
from tests.unit.compiler.test_codegen import Generator, meaning

WORD = "[0, 18446744073709551615]"
HEAD = 'function f syscall "syscall" on_fault 0\n'
SEEDS = 60


def test_a_constant_that_goes_round_a_loop_is_one() -> None:
    """Only seen by taking the loop's back edge for not taken at first: 5, and 5 * 1 on each turn."""
    function = parse(
        f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: {WORD} = load64 v1 +8\n  v3: [5, 5] = const 0x5\n"
        f"  v9: [1, 1] = const 0x1\n  v10: [0, 0] = const 0x0\n  goto b1(v3, v10)\n"
        f"b1(v4: {WORD}, v11: {WORD}):\n  branch ult v11 v2 b2() b3()\nb2:\n  v5: {WORD} = mul v4 v9\n"
        f"  v12: {WORD} = add v11 v9\n  goto b1(v5, v12)\nb3:\n  return v4\n"
    )
    assert sccp(function)
    check(function)
    assert prune(function)
    check(function)
    assert any(value.op == "const" and value.imm == 5 for value in function.values())
    assert not any(value.op == "mul" for value in function.values())
    assert evaluate(function, bytearray(8) + (3).to_bytes(8, "little"), {}) == 5


def test_what_a_way_never_taken_gives_does_not_count() -> None:
    function = parse(
        f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: {WORD} = load64 v1 +8\n  v3: [4, 4] = const 0x4\n"
        f"  v4: {WORD} = add v3 v3\n  branch ugt v4 v3 b1() b2()\nb1:\n  goto b3(v4)\nb2:\n  goto b3(v2)\n"
        f"b3(v5: {WORD}):\n  v6: {WORD} = add v5 v3\n  return v6\n"
    )
    optimise(function)
    assert [value.imm for value in function.values() if value.op == "const"] == [12]
    assert len(function.blocks) == 1


def test_the_range_of_a_type_makes_no_constant() -> None:
    """The kernel's verifier does not know it, and may refuse what follows without the test."""
    function = parse(
        f"{HEAD}b0:\n  v1: ctx* = ctx\n  v2: [0, 3] = load64 v1 +8\n  v3: [4, 4] = const 0x4\n"
        "  branch ult v2 v3 b1() b2()\nb1:\n  return v2\nb2:\n  return v3\n"
    )
    assert not sccp(function)
    assert isinstance(function.blocks[0].terminator, Branch)


def test_random_functions_mean_the_same() -> None:
    changed = 0
    for seed in range(SEEDS):
        function, same = Generator(seed).make(), Generator(seed).make()
        changed += sccp(function)
        check(function)
        assert meaning(function, seed) == meaning(same, seed), seed
    print(f"{changed} of {SEEDS} functions changed")
    assert changed >= 5


def _chain(length: int) -> Function:
    """Each branch is decided by what the one before it passed on."""
    function = Function("f", "syscall", "syscall", 0)
    b = Builder(function)
    before = b.const(1)
    for _ in range(length):
        then, other, after = b.new_block(), b.new_block(), b.new_block()
        b.branch("eq", before, b.const(1), then, other)
        for block, number in ((then, 1), (other, 2)):
            b.at(block)
            b.goto(after, b.const(number))
        b.at(after)
        before = b.param(after, b.const(0).type)
    b.ret(before)
    return function


def test_time_grows_as_the_function_does() -> None:
    spent = [min(_seconds(length) for _ in range(3)) for length in (150, 1200)]
    print(f"{spent[0]:.4f} s for 150 branches, {spent[1]:.4f} s for 1200")
    assert spent[1] < 24 * spent[0] + 0.05  # eight times as long


def _seconds(length: int) -> float:
    """Processor time of all passes, without collections of garbage: those go through everything else in the process."""
    function = _chain(length)
    gc.disable()
    try:
        start = time.thread_time()
        optimise(function)
        return time.thread_time() - start
    finally:
        gc.enable()
        assert len(function.blocks) == 1
