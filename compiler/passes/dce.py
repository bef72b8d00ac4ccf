"""dce: values and block parameters that nothing reads and that do nothing."""

from __future__ import annotations

from bpfvm.compiler.ir.function import Block, Branch, Function, Return, edges
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Value
from bpfvm.compiler.passes.simplify import Fired, unheard


def dce(function: Function, fired: Fired = unheard) -> bool:
    """Remove values without a reader and without an effect, parameters without a reader. True when anything changed.

    Needs: SSA.  Keeps: blocks, the entry's parameters. A load whose value nothing reads goes too: it cannot fail,
    because the test before it is a branch of its own. A parameter that only its own next turn reads is not read.
    """
    needed = _needed(function)
    entry = function.blocks[0]
    changed = False
    for block in function.blocks:
        kept = [value for value in block.values if value in needed]
        for value in block.values if len(kept) < len(block.values) else ():
            if value not in needed:
                fired("nothing reads it => nothing", value)
        changed = changed or len(kept) != len(block.values)
        block.values = kept
    for block in function.blocks:
        for target, args in edges(block.terminator):
            if target is not entry:
                args[:] = [arg for arg, param in zip(args, target.params, strict=True) if param in needed]
    for block in function.blocks:
        if block is not entry:
            changed = changed or any(param not in needed for param in block.params)
            block.params = [param for param in block.params if param in needed]
    return changed


def _needed(function: Function) -> set[Value]:
    """Values that an effect, a decision or a result is made of."""
    arriving: dict[Value, list[Value]] = {}  # what each parameter is given
    waiting: list[Value] = []
    for block in function.blocks:
        waiting += [value for value in block.values if IR_OPS[value.op].writes]
        waiting += _read(block)
        for target, args in edges(block.terminator):
            for param, arg in zip(target.params, args, strict=True):
                arriving.setdefault(param, []).append(arg)
    needed: set[Value] = set()
    while waiting:
        value = waiting.pop()
        if value not in needed:
            needed.add(value)
            waiting += value.args
            waiting += arriving.get(value, ())
    return needed


def _read(block: Block) -> list[Value]:
    """What the end of a block reads itself, besides what it passes on."""
    end = block.terminator
    if isinstance(end, Branch):
        return [end.a, end.b]
    return [end.value] if isinstance(end, Return) else []
