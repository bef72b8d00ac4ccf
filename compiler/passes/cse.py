"""cse: a value that is computed again, where the first time is on every way to it, is the first one."""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.compiler.ir.function import Block, Function, replace_operands
from bpfvm.compiler.ir.graph import immediate_dominators
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Ptr, Value
from bpfvm.compiler.passes.simplify import Fired, unheard

Key = tuple[object, ...]
# Made anew at each use anyway: one register for all of them would only be missing elsewhere.
_CHEAP = ("const", "ctx", "map", "slot")


def cse(function: Function, fired: Fired = unheard) -> bool:
    """Replace values by equal ones that dominate them. True when anything changed.

    Needs: SSA.  Keeps: SSA, blocks.  Only what depends on its operands alone, and no part of an address but the index
    itself: the kernel's verifier knows of an address what was known of the index where it was computed, and a test in
    between may have shown more. The one that stays keeps its own type:
    the other's may hold behind a test only. It is also the one that tests were made of, so that what the kernel's
    verifier knows of it serves every use.
    """
    above = immediate_dominators(function)
    below: dict[Block, list[Block]] = {block: [] for block in above}
    for block, parent in above.items():
        if parent is not None:
            below[parent].append(block)
    new: dict[Value, Value] = {}
    known: dict[Key, Value] = {}
    alone = set(_addresses(function))
    waiting: list[tuple[Block, list[Key] | None]] = [(function.blocks[0], None)]
    while waiting:
        block, made = waiting.pop()
        if made is not None:  # all that it dominates is done
            for key in made:
                del known[key]
            continue
        waiting.append((block, _block(block, known, new, alone)))
        waiting += [(one, None) for one in below[block]]
    for block in function.blocks:
        replace_operands(block.terminator, new)
    for value, first in new.items():
        fired(f"computed before => {first}", value)
    return bool(new)


def _addresses(function: Function) -> Iterator[Value]:
    """Addresses with a part that is not constant, and that part where it is a multiple of an index."""
    for value in function.values():
        if value.op == "add" and isinstance(value.type, Ptr):
            parts = [arg for arg in value.args if arg.op != "const" and not isinstance(arg.type, Ptr)]
            yield from (value, *(part for part in parts if part.op in ("shl", "mul"))) if parts else ()


def _block(block: Block, known: dict[Key, Value], new: dict[Value, Value], alone: set[Value]) -> list[Key]:
    """The keys under which the block's own values are known from now on. alone: values that stay."""
    kept, made = [], []
    for value in block.values:
        value.args = [new.get(arg, arg) for arg in value.args]
        key = _key(value) if value not in alone else None
        if key in known:
            new[value] = known[key]
            continue
        kept.append(value)
        if key is not None:
            known[key] = value
            made.append(key)
    block.values = kept
    return made


def _key(value: Value) -> Key | None:
    """What equal values have in common; None for those that are no use to compare."""
    row = IR_OPS[value.op]
    if not row.pure or value.op in _CHEAP:
        return None
    operands = [_operand(arg) for arg in value.args]
    if row.commutes:
        operands.sort()
    return (value.op, value.imm, value.name, isinstance(value.type, Ptr), *operands)


def _operand(value: Value) -> tuple[int, int]:
    """What tells two operands apart; constants are equal by their words."""
    return (0, value.imm) if value.op == "const" else (1, id(value))
