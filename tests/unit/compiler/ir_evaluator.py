"""What an IR function computes, by its definition: each value's word, block by block."""

from __future__ import annotations

from typing import Any

from bpfvm.compiler.ir.function import Branch, Function, Goto, Return
from bpfvm.compiler.ir.ops import IR_OPS, holds
from bpfvm.compiler.ir.types import Value


def evaluate(function: Function, context: bytearray, maps: dict[str, dict[int, bytearray]]) -> int | None:
    """r0, or None after a fault exit. Memory: the context at (ctx, 0), values of `maps` at (name, index)."""
    words: dict[Value, Any] = {}
    block, steps = function.blocks[0], 0
    while True:
        for value in block.values:
            words[value] = _word(value, [words[arg] for arg in value.args], context, maps)
        end = block.terminator
        steps += 1
        assert steps < 10_000
        if isinstance(end, Return):
            result = words[end.value]
            assert isinstance(result, int)
            return result
        if isinstance(end, Goto):
            block, args, params = end.block, [words[arg] for arg in end.args], end.block.params
        elif isinstance(end, Branch):
            taken = _holds(end.cond, words[end.a], words[end.b])
            block, chosen = (end.then, end.then_args) if taken else (end.other, end.other_args)
            args, params = [words[arg] for arg in chosen], block.params
        else:
            return None
        words.update(zip(params, args, strict=True))


def _holds(cond: str, a: Any, b: Any) -> bool:
    number = [1 if isinstance(one, tuple) else one for one in (a, b)]  # a pointer is only compared with 0 here
    assert isinstance(number[0], int)
    assert isinstance(number[1], int)
    return holds(cond, number[0], number[1])


def _word(value: Value, args: list[Any], context: bytearray, maps: dict[str, dict[int, bytearray]]) -> Any:
    row = IR_OPS[value.op]
    if value.op == "const":
        return value.imm
    if value.op == "ctx":
        return (context, 0)
    if value.op == "map":
        return value.name
    if value.op == "lookup":
        name, key = args
        found = maps[str(name)].get(int(key) & 0xFFFF_FFFF)
        return 0 if found is None else (found, 0)
    if row.fold is not None:
        return row.fold(*args)
    memory, base = args[0]
    at, size = base + value.imm, row.bits // 8
    old = int.from_bytes(memory[at : at + size], "little")
    if value.op.startswith("load"):
        return old
    operand = args[1]
    assert isinstance(operand, int)
    update = {
        "store": lambda: operand,
        "atomic_add": lambda: old + operand,
        "atomic_or": lambda: old | operand,
        "atomic_and": lambda: old & operand,
        "atomic_xor": lambda: old ^ operand,
    }
    new = update[value.op.rstrip("0123456789")]()
    memory[at : at + size] = (new & ((1 << row.bits) - 1)).to_bytes(size, "little")
    return 0
