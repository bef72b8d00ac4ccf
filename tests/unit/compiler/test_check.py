"""The IR's checker: it accepts what is right and names, for each broken rule, the place and the rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpfvm.compiler.ir.check import BrokenIr, check
from bpfvm.compiler.ir.function import Block, Branch, FaultExit, Function, Goto, Return
from bpfvm.compiler.ir.text import parse
from bpfvm.compiler.ir.types import Ptr, Value

WORD = "[0, 18446744073709551615]"
RIGHT = f"""function f syscall "syscall" on_fault 0
map m array 4 8 4
b0:
  v1: ctx* = ctx
  v2: {WORD} = load64 v1 +8
  v3: map* = map m
  v4: map_value?* = lookup v3 v2
  v5: [0, 0] = const 0x0
  branch eq v4 v5 b1(v2) b2()
b1(v6: {WORD}):
  v7: {WORD} = add v6 v2
  return v7
b2:
  v8: {WORD} = load64 v4 +0
  goto b1(v8)
"""

Break = Callable[[Function, dict[int, Value]], None]


def _value(function: Function, number: int) -> Value:
    return next(value for value in function.values() if value.id == number)


def _end(block: Block) -> Branch:
    assert isinstance(block.terminator, Branch)
    return block.terminator


def _forget_operand(f: Function, v: dict[int, Value]) -> None:
    v[7].args.pop()


def _forget_argument(f: Function, v: dict[int, Value]) -> None:
    _end(f.blocks[0]).then_args.clear()


def _argument_too_many(f: Function, v: dict[int, Value]) -> None:
    _end(f.blocks[0]).other_args.append(v[2])


def _pointer_for_a_word(f: Function, v: dict[int, Value]) -> None:
    _end(f.blocks[0]).then_args[0] = v[1]


def _use_before_definition(f: Function, v: dict[int, Value]) -> None:
    values = f.blocks[0].values
    values.append(values.pop(1))


def _use_of_one_way_only(f: Function, v: dict[int, Value]) -> None:
    v[7].args[0] = v[8]


def _return_of_one_way_only(f: Function, v: dict[int, Value]) -> None:
    f.blocks[1].terminator = Return(v[8])


def _use_of_itself(f: Function, v: dict[int, Value]) -> None:
    v[7].args[0] = v[7]


def _not_in_the_function(f: Function, v: dict[int, Value]) -> None:
    v[7].args[0] = Value(99, "const", [], v[2].type)


def _goes_outside(f: Function, v: dict[int, Value]) -> None:
    f.blocks[2].terminator = Goto(Block(9))


def _goes_to_the_entry(f: Function, v: dict[int, Value]) -> None:
    f.blocks[2].terminator = Goto(f.blocks[0])


def _set(number: int, **fields: object) -> Break:
    def change(f: Function, v: dict[int, Value]) -> None:
        for name, value in fields.items():
            setattr(v[number], name, value)

    return change


def _condition(f: Function, v: dict[int, Value]) -> None:
    _end(f.blocks[0]).cond = "lt"


def _lookup_in_a_word(f: Function, v: dict[int, Value]) -> None:
    v[4].args[0] = v[2]


def _load_of_a_word(f: Function, v: dict[int, Value]) -> None:
    v[8].args[0] = v[2]


BROKEN: dict[str, tuple[Break, str]] = {
    "no blocks": (lambda f, v: f.blocks.clear(), "f has no blocks"),
    "an entry with parameters": (lambda f, v: f.blocks[0].params.append(Value(50, "param", [], v[2].type)),
                                 "b0: the entry has parameters"),
    "an open block": (lambda f, v: setattr(f.blocks[2], "terminator", None), "b2: no terminator"),
    "a target outside": (_goes_outside, "b2: goes to b9, which is not in the function"),
    "a way back to the entry": (_goes_to_the_entry, "b2: goes back to the entry"),
    "a value twice": (lambda f, v: f.blocks[2].values.append(v[7]), "v7 is defined twice"),
    "an unknown operation": (_set(7, op="plus"), "b1: v7 has the unknown op plus"),
    "an operand missing": (_forget_operand, "b1: v7: add has 1 operands instead of 2"),
    "an unknown map": (_set(3, name="n"), "b0: v3: map names map 'n', which the function lacks"),
    "an unknown space": (_set(4, type=Ptr("heap")), "b0: v4: there is no space heap"),
    "a load of a number": (_load_of_a_word, f"b2: v8: load64 of {WORD}, which cannot be accessed"),
    "a load of the packet's end": (_set(4, type=Ptr("packet_end")), "load64 of packet_end*, which cannot be accessed"),
    "a load of a map itself": (_set(4, type=Ptr("map")), "load64 of map*, which cannot be accessed"),
    "a lookup in a number": (_lookup_in_a_word, "b0: v4: lookup needs a map, got v2"),
    "an unknown condition": (_condition, "b0: branch on the unknown condition lt"),
    "a fault site that is not there": (lambda f, v: setattr(f.blocks[1], "terminator", FaultExit(0)),
                                       "b1: fault site 0 of 0"),
    "an argument missing": (_forget_argument, "b0: gives 0 arguments to b1, which has 1 parameters"),
    "an argument too many": (_argument_too_many, "b0: gives 1 arguments to b2, which has 0 parameters"),
    "a pointer for a number": (_pointer_for_a_word, f"b0: gives v1 of ctx* for v6 of {WORD}"),
    "a use before the definition": (_use_before_definition, "b0: v4 uses v2 before it is defined"),
    "a use of what one way defines": (_use_of_one_way_only, "b1: v7 uses v8 before it is defined"),
    "a return of what one way defines": (_return_of_one_way_only, "b1: the terminator uses v8 before it is defined"),
    "a use of itself": (_use_of_itself, "b1: v7 uses v7 before it is defined"),
    "a value of no function": (_not_in_the_function, "b1: v7 uses v99 before it is defined"),
}  # fmt: skip


def test_what_is_right_passes() -> None:
    check(parse(RIGHT))


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named(name: str) -> None:
    change, message = BROKEN[name]
    function = parse(RIGHT)
    values = {value.id: value for block in function.blocks for value in (*block.params, *block.values)}
    change(function, values)
    with pytest.raises(BrokenIr) as caught:
        check(function)
    assert message in str(caught.value)


def test_blocks_that_nothing_reaches_need_no_dominance() -> None:
    function = parse(RIGHT)
    function.blocks[0].terminator = Goto(function.blocks[1], [_value(function, 2)])
    check(function)  # b2 uses v4 and is reached no more
