"""The IR's text form: every operation, terminator and type survives the way out and in; damage is named."""

from __future__ import annotations

import pytest

from bpfvm.compiler.ir.check import check
from bpfvm.compiler.ir.ops import CONDITIONS, IR_OPS
from bpfvm.compiler.ir.text import parse, to_text
from bpfvm.core.errors import LoadError
from tests.unit.compiler.every_op import every_op


def test_every_operation_survives() -> None:
    function, _ = every_op(packet=True, called=True)
    check(function)
    assert {value.op for value in function.values()} == set(IR_OPS)
    text = to_text(function)
    again = parse(text)
    check(again)
    assert to_text(again) == text
    assert [value.op for value in again.values()] == [value.op for value in function.values()]
    print(f"{len(IR_OPS)} operations written and read")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_survives(condition: str) -> None:
    text = (
        'function f xdp "xdp" on_fault 2\n'
        "b0:\n  v1: [-3, 7] = const 0x3\n"
        f"  branch {condition} v1 v1 b1(v1) b2()\n"
        "b1(v2: [-3, 7]):\n  goto b3(v2)\n"
        "b2:\n  return v1\n"
        "b3(v3: [0, 18446744073709551615]):\n  return v3\n"
    )
    function = parse(text)
    check(function)
    assert to_text(function) == text


@pytest.mark.parametrize("kind", ["ctx*", "packet*", "packet_end*", "map*", "map_value*", "map_value?*", "stack*"])
def test_every_kind_of_pointer_survives(kind: str) -> None:
    text = (
        'function f syscall "syscall" on_fault 0 result 8\nmap m array 4 8 1 hidden\n'
        f"b0:\n  v1: {kind} = map_value m +0\n  v2: [0, 0] = const 0x0\n  return v2\n"
    )
    assert to_text(parse(text)) == text


HEAD = 'function f xdp "xdp" on_fault 2\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not of the form"),
        ("function f\n", "is not of the form"),
        (HEAD + "b0:\n  v1: [0, 0] = nothing 0x0\n", "'nothing' is not an operation"),
        (HEAD + "b0:\n  v1: [0, 0] = const 0x0\n  v1: [0, 0] = const 0x0\n", "v1 is defined twice"),
        (HEAD + "  return v1\n", "stands in no block"),
        (HEAD + "b0:\n  v1: [0, 0] = add\n", "has other operands"),
        (HEAD + "b0:\n  v1: [0, 0] = neg v9\n", "'v9' is not a value"),
        (HEAD + "b0:\n  goto b7()\n", "b7 is not a block"),
        (HEAD + "b0:\n  stop\n", "is no terminator"),
        (HEAD + "map m array 4\nb0:\n", "is not of the form"),
        (HEAD + "b0:\n  fault\n", "is no terminator"),
        (HEAD + "b0:\n  fault x\n", "'x' is not a number"),
        (HEAD + "b0:\n  return\n", "is no terminator"),
        (HEAD + "b0:\n  branch eq b0() b0()\n", "'b0()' is not a value"),
        (HEAD + "b0:\n  v1: [0, 0] = const zero\n", "'zero' is not a number"),
        (HEAD + "b0:\n  v1: [0 = const 0x0\n", "is not a number"),
        (HEAD + "b0:\n  v1: [3, 2] = const 0x0\n", "[3, 2] is an empty interval"),
    ],
)
def test_damage_is_named(text: str, reason: str) -> None:
    with pytest.raises(LoadError, match="IR text: ") as caught:
        parse(text)
    assert reason in str(caught.value)
