"""dce: values that nothing reads and that do nothing."""

from __future__ import annotations

from bpfvm.compiler.ir.function import Function, operands
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Value


def dce(function: Function) -> bool:
    """Remove values without a reader and without an effect. True when anything changed.

    Needs: SSA.  Keeps: blocks and their parameters. A load whose value nothing reads goes too: it cannot fail, because
    the test before it is a branch of its own.
    """
    needed: set[Value] = set()
    waiting: list[Value] = []
    for block in function.blocks:
        waiting += operands(block.terminator)
        waiting += [value for value in block.values if IR_OPS[value.op].writes]
    while waiting:
        value = waiting.pop()
        if value not in needed:
            needed.add(value)
            waiting += value.args
    changed = False
    for block in function.blocks:
        kept = [value for value in block.values if value in needed]
        changed = changed or len(kept) != len(block.values)
        block.values = kept
    return changed
