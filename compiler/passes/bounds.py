"""bounds: of several tests of one address against the packet's end, which fail alike, the farthest, made first."""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.compiler.ir.function import Block, Branch, FaultExit, Function, Goto, Return
from bpfvm.compiler.ir.graph import predecessors
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Ptr, Value, Word
from bpfvm.compiler.passes.simplify import Fired, unheard
from bpfvm.core.amounts import octets
from bpfvm.core.bits import M32
from bpfvm.lang.types.interval import Interval

_END = Ptr("packet_end")


def bounds(function: Function, fired: Fired = unheard) -> bool:
    """Merge tests. True when anything changed.

    Needs: SSA.  Keeps: SSA, blocks. A packet that is too short for a later access ends the program at the first one
    already. Nobody can tell where nothing is done in between, every way out in between gives what the fault gives, and
    it is not noted which fault it was: a function says so by `faults_alike`.
    """
    if not function.faults_alike or function.is_subprogram or function.result_offset is not None:
        return False
    changed = False
    before = predecessors(function.blocks)
    numbers = _numbers(function)
    for block in function.blocks:
        first = _tested(function, block)
        if first is None:
            continue
        pointer, most = first
        later = list(_later(function, block, pointer, before))
        for one, limit in later:
            end = one.terminator
            assert isinstance(end, Branch), "it ends by a test"
            one.terminator = Goto(end.other, end.other_args, span=end.span)
            most = max(most, limit)
            before = predecessors(function.blocks)
        if most > first[1]:
            end = block.terminator
            assert isinstance(end, Branch), "it ends by a test"
            fired(f"tested with what follows => {octets(most)}", end.a)
            end.a = _behind(block, pointer, most, numbers)
        changed = changed or bool(later)
    return changed


def _numbers(function: Function) -> Iterator[int]:
    """Numbers that no value has."""
    last = max((value.id for block in function.blocks for value in (*block.params, *block.values)), default=0)
    while True:
        last += 1
        yield last


def _behind(block: Block, pointer: Value, distance: int, numbers: Iterator[int]) -> Value:
    """A new address at the end of a block."""
    span = block.terminator.span if block.terminator is not None else None
    by = Value(next(numbers), "const", [], Word(Interval(distance, distance)), distance, span=span)
    made = Value(next(numbers), "add", [pointer, by], pointer.type, span=span)
    block.values += [by, made]
    return made


def _tested(function: Function, block: Block) -> tuple[Value, int] | None:
    """The address whose distance from the packet's end decides the end of a block, and how far it must be."""
    end = block.terminator
    if not isinstance(end, Branch) or end.cond != "ugt" or end.b.type != _END or not _fails(function, end.then):
        return None
    if end.a.op != "add" or end.a.args[1].op != "const" or end.then_args:
        return None
    return end.a.args[0], end.a.args[1].imm


def _later(
    function: Function, block: Block, pointer: Value, before: dict[Block, list[Block]]
) -> Iterator[tuple[Block, int]]:  # fmt: skip
    """Blocks behind `block` that end by a test of the same address, on the way that does not end as a fault does."""
    end = block.terminator
    assert isinstance(end, Branch), "it ends by a test"
    onward: Block | None = end.other
    seen = {block}
    while onward is not None and onward not in seen and len(before[onward]) == 1:
        here = onward
        seen.add(here)
        if any(IR_OPS[value.op].writes for value in here.values):
            return
        end, onward = here.terminator, None
        found = _tested(function, here)
        if isinstance(end, Goto):
            onward = end.block
        elif isinstance(end, Branch):
            if found is not None and found[0] is pointer and end.other is not here:
                yield here, found[1]
                onward = end.other
            elif _fails(function, end.then) and not end.then_args:
                onward = end.other
            elif _fails(function, end.other) and not end.other_args:
                onward = end.then


def _fails(function: Function, block: Block, steps: int = 4) -> bool:
    """Whether a block ends the program as any fault does, at the latest behind so many others."""
    if block.params or any(value.op != "const" for value in block.values):
        return False
    end = block.terminator
    if isinstance(end, FaultExit):
        return True
    if isinstance(end, Goto) and not end.args and end.block is not block and steps:
        return _fails(function, end.block, steps - 1)
    return isinstance(end, Return) and end.value.op == "const" and not (end.value.imm - function.on_fault) & M32
