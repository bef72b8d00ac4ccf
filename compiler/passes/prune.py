"""prune: branches on constants, blocks that nothing reaches, parameters that are one value, chains of blocks."""

from __future__ import annotations

from bpfvm.compiler.ir.function import Block, Branch, Function, Goto, edges, latest, substitute
from bpfvm.compiler.ir.graph import order, predecessors
from bpfvm.compiler.ir.ops import holds
from bpfvm.compiler.ir.types import Value


def prune(function: Function) -> bool:
    """Remove ways that are never taken. True when anything changed.

    Needs: SSA.  Keeps: SSA, the entry. Never joins two blocks whose tests differ: a join loses what the kernel's
    verifier knows of a value.
    """
    changed = False
    while _decide_branches(function) | _drop_unreached(function) | _drop_parameters(function):
        changed = True
    return _merge_chains(function) or changed


def _drop_unreached(function: Function) -> bool:
    reached = order(function)
    changed = len(reached) != len(function.blocks)
    function.blocks = reached
    return changed


def _decide_branches(function: Function) -> bool:
    changed = False
    for block in function.blocks:
        end = block.terminator
        if not isinstance(end, Branch):
            continue
        if end.a.op == "const" and end.b.op == "const":
            then = holds(end.cond, end.a.imm, end.b.imm)
        elif end.then is end.other and end.then_args == end.other_args:
            then = True
        else:
            continue
        way = (end.then, end.then_args) if then else (end.other, end.other_args)
        block.terminator = Goto(*way, span=end.span)
        changed = True
    return changed


def _drop_parameters(function: Function) -> bool:
    """A parameter that gets the same value on every edge, or itself on a way back, is that value."""
    arriving: dict[Block, list[list[Value]]] = {block: [] for block in function.blocks}
    for block in function.blocks:
        for target, args in edges(block.terminator):
            arriving[target].append(args)
    new: dict[Value, Value] = {}
    for block in function.blocks[1:]:
        for index in reversed(range(len(block.params))):
            param = block.params[index]
            given = {latest(new, args[index]) for args in arriving[block]} - {param}
            only = given.pop() if len(given) == 1 else _one_constant(given)
            if only is None:
                continue
            del block.params[index]
            for args in arriving[block]:
                del args[index]
            new[param] = _constant_in(block, only, param) if only.op == "const" else only
    _replace(function, new)
    return bool(new)


def _one_constant(given: set[Value]) -> Value | None:
    """One of `given`, where all are the same constant."""
    if given and all(value.op == "const" for value in given) and len({value.imm for value in given}) == 1:
        return min(given, key=lambda value: value.id)
    return None


def _constant_in(block: Block, constant: Value, param: Value) -> Value:
    """`constant` made anew at the top of `block`, under the parameter's number: it may be defined on one way only."""
    made = Value(param.id, "const", [], param.type, constant.imm, span=constant.span)
    block.values.insert(0, made)
    return made


def _merge_chains(function: Function) -> bool:
    """A block with one way out, to a block with one way in, becomes one block with it."""
    before = predecessors(order(function))
    new: dict[Value, Value] = {}
    gone: set[Block] = set()
    for block in function.blocks:
        while block not in gone:
            end = block.terminator
            if not isinstance(end, Goto) or len(before[end.block]) != 1 or end.block is block:
                break
            target = end.block
            new |= {param: latest(new, arg) for param, arg in zip(target.params, end.args, strict=True)}
            block.values += target.values
            block.terminator = target.terminator
            gone.add(target)
    function.blocks = [block for block in function.blocks if block not in gone]
    _replace(function, new)
    return bool(gone)


def _replace(function: Function, new: dict[Value, Value]) -> None:
    """Put the last values of `new` in place of its keys."""
    if not new:
        return
    substitute(function, {old: latest(new, old) for old in new})
