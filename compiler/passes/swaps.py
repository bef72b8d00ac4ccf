"""swaps: a number of the network that is only compared with a constant stays as it is; the constant is swapped."""

from __future__ import annotations

from collections import Counter

from bpfvm.compiler.ir.function import Branch, Function, operands
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Value, Word
from bpfvm.compiler.passes.simplify import Fired, unheard
from bpfvm.core.bits import swapped
from bpfvm.lang.types.interval import Interval

_SWAPS = {"bswap16": "load16", "bswap32": "load32", "bswap64": "load64"}


def swaps(function: Function, fired: Fired = unheard) -> bool:
    """Compare loads with swapped constants. True when anything changed.

    Needs: SSA.  Keeps: SSA, blocks. Leaves swaps that nothing reads. A load gives no more bits than the swap takes.
    """
    uses = Counter(arg for block in function.blocks for value in block.values for arg in value.args)
    uses.update(one for block in function.blocks for one in operands(block.terminator))
    changed = False
    last = max((value.id for block in function.blocks for value in (*block.params, *block.values)), default=0)
    for block in function.blocks:
        end = block.terminator
        if not isinstance(end, Branch) or end.cond not in ("eq", "ne") or end.b.op != "const" or uses[end.a] > 1:
            continue
        if end.a.op not in _SWAPS or end.a.args[0].op != _SWAPS[end.a.op]:
            continue
        bits = IR_OPS[end.a.op].bits
        if end.b.imm >> bits:
            continue
        last += 1
        number = swapped(end.b.imm, bits)
        fired("x swapped == c => x == c swapped", end.a)
        made = Value(last, "const", [], Word(Interval(number, number)), number, span=end.span)
        block.values.append(made)
        end.a, end.b = end.a.args[0], made
        changed = True
    return changed
