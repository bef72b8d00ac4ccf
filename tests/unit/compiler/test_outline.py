"""outline: a loop that a helper makes means the same when its body is a function that the helper calls."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from bpfvm.compiler.ir.build import Builder
from bpfvm.compiler.ir.check import check
from bpfvm.compiler.ir.function import Function
from bpfvm.compiler.ir.text import parse, to_text
from bpfvm.compiler.passes.outline import outline
from tests.unit.compiler.every_op import called_loop
from tests.unit.compiler.ir_evaluator import evaluate

WORD = "[0, 18446744073709551615]"
HEAD = f"""function f syscall "syscall" on_fault 0
b0:
  v1: ctx* = ctx
  v2: {WORD} = load64 v1 +8
  v3: {WORD} = load64 v1 +16
  v4: [0, 0] = const 0x0
  v5: [1, 1] = const 0x1
  v6: [7, 7] = const 0x7
"""
# How often the body stands in a function of its own, which reads v2, v3 and constants of HEAD, by what it is about
LOOPS = {
    "a sum that goes around, and what the helper gives": (1, """
  goto b1(v4)
b1(v10: WORD):
  v11: WORD = again loop v2
  branch ne v11 v4 b2() b3()
b2:
  v12: WORD = given v11 +0
  v13: WORD = add v10 v12
  v14: WORD = add v13 v3
  goto b1(v14)
b3:
  v15: WORD = outcome v11
  v16: WORD = add v10 v15
  return v16
"""),
    "two ways out with values of their own, which meet": (1, """
  goto b1(v4)
b1(v10: WORD):
  v11: WORD = again loop v2
  branch eq v11 v4 b9(v6) b2()
b2:
  v12: WORD = given v11 +0
  v13: WORD = mul v12 v3
  branch eq v13 v6 b9(v13) b3()
b3:
  v14: WORD = add v13 v10
  branch ugt v14 v6 b4() b1(v14)
b4:
  v15: WORD = add v14 v12
  goto b9(v15)
b9(v20: WORD):
  v21: WORD = add v20 v2
  return v21
"""),
    "the function ends in the body, by a result and by a fault": (1, """
  goto b1()
b1:
  v11: WORD = again loop v2
  branch ne v11 v4 b2() b3()
b2:
  v12: WORD = given v11 +0
  branch eq v12 v3 b4() b5()
b4:
  v13: WORD = add v12 v6
  return v13
b5:
  branch eq v12 v6 b6() b1()
b6:
  fault 0
b3:
  return v2
"""),
    "a body that never comes back": (1, """
  goto b1()
b1:
  v11: WORD = again loop v2
  branch ne v11 v4 b2() b3()
b2:
  v12: WORD = add v3 v6
  return v12
b3:
  return v3
"""),
    "one in another, which reads what the outer one has": (2, """
  goto b1(v4, v5)
b1(v10: WORD, v30: WORD):
  v11: WORD = again loop v2
  branch ne v11 v4 b2() b3()
b2:
  v12: WORD = given v11 +0
  goto b11(v10)
b11(v20: WORD):
  v21: WORD = again loop v3
  branch ne v21 v4 b12() b13()
b12:
  v22: WORD = given v21 +0
  v23: WORD = add v22 v12
  v24: WORD = add v20 v23
  branch ugt v24 v2 b14() b11(v24)
b14:
  v25: WORD = add v30 v22
  goto b1(v24, v25)
b13:
  goto b1(v20, v12)
b3:
  v31: WORD = add v10 v30
  return v31
"""),
    "numbers that change places, and one that only what is behind reads": (1, """
  goto b1(v2, v3, v4)
b1(v10: WORD, v20: WORD, v30: WORD):
  v11: WORD = again loop v6
  branch ne v11 v4 b2() b3()
b2:
  v12: WORD = sub v10 v6
  goto b1(v20, v12, v10)
b3:
  v13: WORD = sub v10 v20
  v14: WORD = add v13 v30
  return v14
"""),
    "a loop of the usual kind in the body": (1, """
  goto b1(v4)
b1(v10: WORD):
  v11: WORD = again loop v2
  branch ne v11 v4 b2() b3()
b2:
  goto b4(v10, v4)
b4(v12: WORD, v13: WORD):
  branch ult v13 v3 b5() b1(v12)
b5:
  v14: WORD = add v12 v6
  v15: WORD = add v13 v5
  goto b4(v14, v15)
b3:
  return v10
"""),
}  # fmt: skip


def _parsed(body: str) -> Function:
    function = parse(HEAD + body.replace("WORD", WORD))
    function.fault_sites = [None]  # type: ignore[list-item]
    return function


@pytest.mark.parametrize("name", LOOPS)
def test_the_meaning_stays(name: str) -> None:
    count, body = LOOPS[name]
    before, after = _parsed(body), _parsed(body)
    check(before)
    assert outline(after)
    for one in (after, *after.callees.values()):
        check(one)
    assert len(after.callees) == count
    left = Counter(value.op for one in (after, *after.callees.values()) for value in one.values())
    assert not left["again"]
    assert not left["given"]
    assert not left["outcome"]
    assert left["function"] == count
    compared = 0
    for x, y in itertools.product(range(9), range(9)):
        contexts = [bytearray(8) + x.to_bytes(8, "little") + y.to_bytes(8, "little") for _ in range(2)]
        assert evaluate(before, contexts[0], {}) == evaluate(after, contexts[1], {}), (x, y)
        compared += 1
    print(f"{compared} evaluations compared")
    again = parse(to_text(after))
    assert to_text(again) == to_text(after)


def test_a_function_without_such_a_loop_stays() -> None:
    function = _parsed("  return v2\n")
    text = to_text(function)
    assert not outline(function)
    assert to_text(function) == text


def test_what_nothing_reads_is_not_shared() -> None:
    """A body that reads nothing, and of which nothing is read, gets no object."""
    function = Function("f", "syscall", "syscall", 0)
    b = Builder(function)
    called_loop(b, b.const(4))
    b.ret(b.const(0))
    outline(function)
    assert [one.size for one in function.slots] == [16]  # the sum, beside the exit's number
    alone = parse(f"""function f syscall "syscall" on_fault 0
b0:
  v1: [4, 4] = const 0x4
  v2: [0, 0] = const 0x0
  goto b1()
b1:
  v3: {WORD} = again loop v1
  branch ne v3 v2 b2() b3()
b2:
  goto b1()
b3:
  return v2
""")
    outline(alone)
    assert not alone.slots
    assert evaluate(alone, bytearray(8), {}) == 0
