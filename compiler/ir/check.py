"""What must hold of a function between passes. A broken rule is a bug of the pass before, and says so."""

from __future__ import annotations

from bpfvm.compiler.ir.function import NOTED, Block, Branch, FaultExit, Function, edges, operands
from bpfvm.compiler.ir.graph import Dominance
from bpfvm.compiler.ir.ops import CONDITIONS, IR_OPS, MOST_ARGUMENTS, accepts
from bpfvm.compiler.ir.ops import operands as operands_of
from bpfvm.compiler.ir.types import SPACES, Ptr, Type, Value
from bpfvm.lang.helpers.kernel_functions import row_of
from bpfvm.tables.helpers import BY_NAME as HELPERS

_MEMORY = ("load", "store", "atomic", "lookup", "update", "slot")
# Operations on words alone, of which only the number of operands can be wrong
_PLAIN = {
    name: row.args
    for name, row in IR_OPS.items()
    if row.args is not None and not row.named and not name.startswith(_MEMORY)
}


class BrokenIr(Exception):
    """A function that breaks a rule of the IR: an error of the compiler, never of its user."""


def check(function: Function) -> None:
    """Raise BrokenIr for the first broken rule, with the block and value that break it."""
    _check_shape(function)
    for block in function.blocks:
        for value in block.values:
            if len(value.args) != _PLAIN.get(value.op) or isinstance(value.type, Ptr):
                _check_value(function, block, value)
        _check_terminator(function, block)
    _check_dominance(function)


def _fail(function: Function, block: Block, text: str) -> None:
    raise BrokenIr(f"{function.name}, {block}: {text}")


def _check_shape(function: Function) -> None:
    if not function.blocks:
        raise BrokenIr(f"{function.name} has no blocks")
    entry = function.blocks[0]
    if entry.params and not function.is_subprogram:
        _fail(function, entry, "the entry has parameters")
    if function.has_status and (not entry.params or entry.params[-1].type != Ptr("stack")):
        _fail(function, entry, "the last parameter is not the address of the status")
    if len(entry.params) > MOST_ARGUMENTS:
        _fail(function, entry, f"{len(entry.params)} parameters, and a call passes {MOST_ARGUMENTS}")
    known = set(map(id, function.blocks))
    seen: set[int] = set()
    for block in function.blocks:
        if block.terminator is None:
            _fail(function, block, "no terminator")
        for target, _ in edges(block.terminator):
            if id(target) not in known:
                _fail(function, block, f"goes to {target}, which is not in the function")
            if target is entry:
                _fail(function, block, "goes back to the entry")
        for value in (*block.params, *block.values):
            if value.id in seen:
                _fail(function, block, f"{value} is defined twice")
            seen.add(value.id)


def _check_value(function: Function, block: Block, value: Value) -> None:
    row = IR_OPS.get(value.op)
    if row is None:
        return _fail(function, block, f"{value} has the unknown op {value.op}")
    if not accepts(row, len(value.args)):
        _fail(function, block, f"{value}: {value.op} has {len(value.args)} operands instead of {operands_of(row)}")
    _check_name(function, block, value, row.named)
    if isinstance(value.type, Ptr) and value.type.space not in SPACES:
        _fail(function, block, f"{value}: there is no space {value.type.space}")
    if value.op.startswith(("load", "store", "atomic")):
        _check_address(function, block, value, value.args[0].type)
    if value.op in ("lookup", "update") and value.args[0].op != "map":
        _fail(function, block, f"{value}: {value.op} needs a map, got {value.args[0]}")


def _check_name(function: Function, block: Block, value: Value, named: str) -> None:
    if named == "map" and value.name not in function.maps:
        _fail(function, block, f"{value}: {value.op} names map {value.name!r}, which the function lacks")
    if named == "helper" and value.name not in HELPERS:
        _fail(function, block, f"{value}: there is no helper {value.name!r}")
    if named == "core" and value.name not in function.core:
        _fail(function, block, f"{value}: {value.op} names {value.name!r}, which the function does not ask for")
    if named == "kfunc" and row_of(value.name) is None:
        _fail(function, block, f"{value}: there is no kernel function {value.name!r}")
    if value.op == "slot" and not 0 <= value.imm < len(function.slots):
        _fail(function, block, f"{value}: stack object {value.imm} of {len(function.slots)}")
    if named != "function":
        return
    callee = function.callees.get(value.name)
    if callee is None or not callee.is_subprogram:
        _fail(function, block, f"{value}: {value.name!r} is no subprogram of the function")
    elif value.op == "call" and len(callee.blocks[0].params) != len(value.args):
        wanted = len(callee.blocks[0].params)
        _fail(function, block, f"{value}: {value.name} takes {wanted} arguments, got {len(value.args)}")


def _check_address(function: Function, block: Block, value: Value, kind: Type) -> None:
    if not isinstance(kind, Ptr) or kind.space in ("map", "packet_end"):
        _fail(function, block, f"{value}: {value.op} of {kind}, which cannot be accessed")


def _check_terminator(function: Function, block: Block) -> None:
    end = block.terminator
    if isinstance(end, Branch) and end.cond not in CONDITIONS:
        _fail(function, block, f"branch on the unknown condition {end.cond}")
    if isinstance(end, FaultExit) and function.is_subprogram and not (function.has_status or function.is_later):
        _fail(function, block, "a fault exit in a subprogram that has no status to say so")
    if isinstance(end, FaultExit) and end.site != NOTED and not 0 <= end.site < len(function.fault_sites):
        _fail(function, block, f"fault site {end.site} of {len(function.fault_sites)}")
    for target, args in edges(end):
        if len(args) != len(target.params):
            _fail(
                function, block, f"gives {len(args)} arguments to {target}, which has {len(target.params)} parameters"
            )
        for arg, param in zip(args, target.params, strict=False):
            if isinstance(arg.type, Ptr) != isinstance(param.type, Ptr):
                _fail(function, block, f"gives {arg} of {arg.type} for {param} of {param.type}")


def _check_dominance(function: Function) -> None:
    """Every use is reached only through its definition. Blocks that nothing reaches are not looked at."""
    dominance = Dominance(function)
    home = {value: block for block in dominance.order for value in (*block.params, *block.values)}
    for block in dominance.order:
        above = set(block.params)
        for value in block.values:
            for used in value.args:
                if used not in above and not _reaches(used, block, home, dominance):
                    _fail(function, block, f"{value} uses {used} before it is defined")
            above.add(value)
        for used in operands(block.terminator):
            if used not in above and not _reaches(used, block, home, dominance):
                _fail(function, block, f"the terminator uses {used} before it is defined")


def _reaches(used: Value, block: Block, home: dict[Value, Block], dominance: Dominance) -> bool:
    return used in home and home[used] is not block and dominance.holds(home[used], block)
