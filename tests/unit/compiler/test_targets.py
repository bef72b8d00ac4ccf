"""What is said of loops on kernels that do not end them: a warning where the verifier may walk too far."""

from __future__ import annotations

import pytest

from bpfvm.compiler import compile_program
from bpfvm.lang import hooks
from bpfvm.lang.target import Target
from tests.programs.arrays import rows
from tests.unit.compiler.generated import function_of

OPEN = """
def f(n: u32) -> u32:
    while n > 1:
        n = n // 2 if n % 2 == 0 else (3 * n + 1) & 0xffff
    return n
"""
FIXED = "def f(n: u32) -> u32:\n    total = 0\n    for i in range(100):\n        total += i\n    return total + n\n"


@pytest.mark.parametrize(("text", "machine", "codes", "counts"), [
    (OPEN, Target(3, may_goto=True, loop=True), [], "may_goto"),
    (OPEN, Target(3, may_goto=True, loop=False), [], "may_goto"),
    (OPEN, Target(3, may_goto=False, loop=True), [], "lddw_func"),
    (OPEN, Target(3, may_goto=False, loop=False), ["W141"], ""),
    *((FIXED, Target(3, may_goto, loop), [], "") for may_goto in (False, True) for loop in (False, True)),
])  # fmt: skip
def test_what_counts_the_turns_of_a_loop(text: str, machine: Target, codes: list[str], counts: str) -> None:
    compiled = compile_program(function_of(text), hooks.function(), machine=machine)
    assert [one.code for one in compiled.warnings] == codes
    insns = {one.op.name for program in compiled.spec.programs.values() for one in program.insns}
    assert insns & {"may_goto", "lddw_func"} == {counts} - {""}


@pytest.mark.parametrize("may_goto", [False, True])
def test_a_constant_beside_an_array_is_no_spilled_register(may_goto: bool) -> None:
    """Old verifiers refuse to load a byte of one (compiler/lower/select.py)."""
    compiled = compile_program(rows, hooks.function(), machine=Target(3, may_goto))
    name = int.from_bytes(b"abc", "little")
    stored = {one.op.name for one in compiled.spec.programs["rows"].insns if one.imm == name}
    assert stored == {"st64" if may_goto else "st32"}
