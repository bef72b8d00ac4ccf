"""Memory that is no map's, packet's or stack's: records of ring buffers, and what callers of a global function lend it.

Kernels before 6.2 take no such memory as the key or the value of a map. Which calls give it is told by the
instructions: where a pointer comes from, along moves, additions and spills.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bpfvm.core.errors import LoadError
from bpfvm.isa.cfg import Cfg, control_flow
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Const, Func, FuncProto, Ptr, Restrict, Struct, Typedef, Volatile
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_ID as HELPERS
from bpfvm.tables.helpers import Arg, Ret
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

_FRAME, _LENDING = 10, range(1, 6)  # r10; the registers of arguments, which calls clobber

# Where such pointers are: a register's number, or a place below the frame pointer
Places = frozenset[int]


def pointer_arguments(spec: ObjectSpec, program: ProgramSpec) -> dict[int, tuple[int, ...]]:
    """Global functions of the program that are given pointers other than its context: slot -> which arguments are."""
    types, context = spec.btf, PROGRAM_TYPES[program.type].context if program.type in PROGRAM_TYPES else None
    if types is None:
        return {}
    found: dict[int, tuple[int, ...]] = {}
    for one in program.functions:
        number = None if one.is_static else types.find(Func, one.name)
        function = types[number] if number else None
        proto = types[function.type] if isinstance(function, Func) else None
        if isinstance(proto, FuncProto):
            given = tuple(at for at, (_, type) in enumerate(proto.params, 1) if _is_memory(types, type, context))
            found |= {one.slot: given} if given else {}
    return found


def _is_memory(types: Btf, number: int, context: str | None) -> bool:
    """A pointer, but for one to the context's structure."""
    one = _bare(types, number)
    if not isinstance(one, Ptr):
        return False
    to = _bare(types, one.type)
    return not (isinstance(to, Struct) and to.name == context)


def _bare(types: Btf, number: int) -> object:
    """A type without names and qualifiers; None for void."""
    one = types[number] if number else None
    while isinstance(one, Typedef | Const | Volatile | Restrict):
        one = types[one.type] if one.type else None
    return one


def lends(spec: ObjectSpec, program: ProgramSpec) -> bool:
    """Whether the program gives such memory as a map's key or value."""
    insns = program.insns
    if not any(_takes(one) for one in insns):
        return False
    given = pointer_arguments(spec, program)
    if not given and not any(_reserves(one) for one in insns):
        return False
    try:
        graph = control_flow(insns, (one.slot for one in program.functions))
    except LoadError:
        return False
    return any(_gives(insns, graph, {graph.block_at(slot): places for slot, places in given.items()}))


def _gives(insns: tuple[Insn, ...], graph: Cfg, given: Mapping[int, Iterable[int]]) -> Iterator[bool]:
    """Of each call that takes a key or a value, whether it may be such memory. given: by function's first block."""
    known: dict[int, Places] = {}
    waiting = [(root, frozenset(given.get(root, ()))) for root in graph.roots]
    while waiting:
        block, places = waiting.pop()
        places |= known.get(block, frozenset())
        if known.get(block) == places:
            continue
        known[block] = places
        for one in insns[graph.blocks[block].first : graph.blocks[block].last]:
            yield any(at in places for at in _takes(one))
            places = _after(one, places)
        waiting += [(edge.to, places) for edge in graph.blocks[block].edges]


def _after(one: Insn, places: Places) -> Places:
    """Where such pointers are behind an instruction."""
    kind, name = one.op.kind, one.op.name
    if kind is Kind.CALL:
        left = places - {0, *_LENDING}
        return left | {0} if _reserves(one) else left
    if kind is Kind.STORE and name == "stx64" and one.dst == _FRAME:
        return places | {one.off} if one.src in places else places - {one.off}
    if kind is Kind.LOAD and name == "ldx64" and one.src == _FRAME:
        return places | {one.dst} if one.off in places else places - {one.dst}
    if kind is Kind.ALU and name == "mov64_x":
        return places | {one.dst} if one.src in places else places - {one.dst}
    if kind is Kind.ALU and name in ("add64_k", "add64_x", "sub64_k", "sub64_x"):
        return places | {one.dst} if "src" in one.op.uses and one.src in places else places
    if kind in (Kind.ALU, Kind.LOAD, Kind.LOAD_SX, Kind.IMM64):
        return places - {one.dst}
    return places


def _takes(one: Insn) -> tuple[int, ...]:
    """Registers in which a call takes a key or a value."""
    row = HELPERS.get(one.imm) if one.op.name == "call" else None
    return tuple(at for at, arg in enumerate(row.args, 1) if arg in (Arg.KEY, Arg.VALUE)) if row is not None else ()


def _reserves(one: Insn) -> bool:
    row = HELPERS.get(one.imm) if one.op.name == "call" else None
    return row is not None and row.ret is Ret.RECORD_OR_NULL
