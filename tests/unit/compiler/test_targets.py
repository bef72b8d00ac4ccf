"""What is said of loops on kernels that do not end them: a warning where the verifier may walk too far."""

from __future__ import annotations

import pytest

from bpfvm.compiler import compile_program
from bpfvm.lang import hooks
from bpfvm.lang.target import Target
from tests.unit.compiler.generated import function_of

OPEN = """
def f(n: u32) -> u32:
    while n > 1:
        n = n // 2 if n % 2 == 0 else (3 * n + 1) & 0xffff
    return n
"""
FIXED = "def f(n: u32) -> u32:\n    total = 0\n    for i in range(100):\n        total += i\n    return total + n\n"


@pytest.mark.parametrize(("text", "may_goto", "codes"), [
    (OPEN, False, ["W141"]), (OPEN, True, []), (FIXED, False, []), (FIXED, True, []),
])  # fmt: skip
def test_loops_without_may_goto(text: str, may_goto: bool, codes: list[str]) -> None:
    compiled = compile_program(function_of(text), hooks.function(), machine=Target(3, may_goto))
    assert [one.code for one in compiled.warnings] == codes
    insns = {one.op.name for program in compiled.spec.programs.values() for one in program.insns}
    assert ("may_goto" in insns) == (text is OPEN and may_goto)
