"""What an IR function computes, by its definition: each value's word, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bpfvm.compiler.ir.function import Block, Branch, Function, Goto, MayGoto, Return
from bpfvm.compiler.ir.graph import natural_loop
from bpfvm.compiler.ir.ops import IR_OPS, holds
from bpfvm.compiler.ir.types import Value

STEPS = 100_000
PATIENCE = 1 << 23  # turns that a may_goto allows, as the emulator's tiers count them


def evaluate(
    function: Function, context: bytearray, maps: dict[str, dict[int, bytearray]], arguments: Sequence[Any] = ()
) -> int | None:
    """r0, or None after a fault exit. Memory: the context at (ctx, 0), values of `maps` at (name, index)."""
    words: dict[Value, Any] = dict(zip(function.blocks[0].params, arguments, strict=True))
    slots = [bytearray(one.size) for one in function.slots]
    block, steps = function.blocks[0], 0
    turns: dict[Value, int] = {}  # of loops that a helper makes, by their `again`
    while True:
        for value in block.values:
            args = [words[arg] for arg in value.args]
            if value.op == "slot":
                words[value] = (slots[value.imm], 0)
            elif value.op == "call":
                words[value] = evaluate(function.callees[value.name], context, maps, args)
            elif value.op == "function":
                words[value] = function.callees[value.name]
            elif value.op in ("again", "given", "outcome"):
                words[value] = _of_loop(value, args, turns)
            elif value.op == "helper" and value.name == "loop":
                words[value] = _loop(args, context, maps)
            else:
                words[value] = _word(value, args, context, maps)
        end = block.terminator
        steps += 1
        assert steps < STEPS
        if isinstance(end, Return):
            result = words[end.value]
            assert isinstance(result, int)
            return result
        if isinstance(end, Goto | MayGoto):
            (onward, args), params = (end.block, [words[arg] for arg in end.args]), end.block.params
        elif isinstance(end, Branch):
            taken = _holds(end.cond, words[end.a], words[end.b])
            onward, chosen = (end.then, end.then_args) if taken else (end.other, end.other_args)
            args, params = [words[arg] for arg in chosen], onward.params
        else:
            return None
        _entered(function, block, onward, turns)
        block = onward
        words.update(zip(params, args, strict=True))


def _entered(function: Function, block: Block, onward: Block, turns: dict[Value, int]) -> None:
    """Control goes from one block to another: to the head of a loop from outside it has made no turn."""
    for value in onward.values:
        if value.op == "again" and block not in natural_loop(function, onward):
            turns.pop(value, None)


def _of_loop(value: Value, args: list[Any], turns: dict[Value, int]) -> int:
    """What a loop that bpf_loop makes asks at its head, `again`, and what it is told. turns: of each, from 1 on."""
    if value.op == "again":
        turns[value] = turns.get(value, 0) + 1
        return int(turns[value] <= args[0])
    begun = turns[value.args[0]]
    if value.op == "given":
        assert value.imm == 0
        return begun - 1
    return begun if args[0] else begun - 1


def _loop(args: list[Any], context: bytearray, maps: dict[str, dict[int, bytearray]]) -> int:
    """bpf_loop."""
    turns, callback, shared, _ = args
    for done in range(turns):
        if evaluate(callback, context, maps, [done, shared]):
            return int(done) + 1
    return int(turns)


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
        return _found(maps, name, int(key) & 0xFFFF_FFFF)
    if value.op == "forget":
        return args[0]
    if value.op == "kfunc":  # a section, which computes nothing
        return 0
    if value.op == "helper":
        return _helper(value.name, args, maps)
    if value.op == "add" and isinstance(args[0], tuple):
        return (args[0][0], args[0][1] + args[1])
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
        "atomic_xchg": lambda: operand,
        "atomic_cmpxchg": lambda: int(args[2]) if old == operand & ((1 << row.bits) - 1) else old,
        "atomic_add": lambda: old + operand,
        "atomic_or": lambda: old | operand,
        "atomic_and": lambda: old & operand,
        "atomic_xor": lambda: old ^ operand,
    }
    name = value.op.rstrip("0123456789")
    new = update[name.replace("fetch_", "")]()
    memory[at : at + size] = (new & ((1 << row.bits) - 1)).to_bytes(size, "little")
    return old if "fetch" in name or "xchg" in name else 0


def _found(maps: dict[str, dict[int, bytearray]], name: str, key: int) -> Any:
    found = maps[name].get(key)
    return 0 if found is None else (found, 0)


def _helper(name: str, args: list[Any], maps: dict[str, dict[int, bytearray]]) -> Any:
    """Those that generated functions call."""
    if name == "get_smp_processor_id":
        return 0
    assert name == "map_lookup_elem", name
    memory, at = args[1]
    return _found(maps, args[0], int.from_bytes(memory[at : at + 4], "little"))
