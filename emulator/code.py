"""A program's instructions made ready to run: checked once, indexed by slot, operands resolved.

What a run could never recover from is refused here, by name: jumps out of the program or into the middle of a wide
instruction, a last instruction that falls off the end, writes to r10, division by the constant 0, operations that no
emulator tier has.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm.core.bits import M32, M64
from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind, Op
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.progs import BY_NAME

R10 = 10
DIVISIONS = ("div", "mod", "sdiv", "smod")
WRITES_DST = (Kind.ALU, Kind.LOAD, Kind.LOAD_SX, Kind.LOAD_ACQUIRE, Kind.IMM64)
REFUSED = {
    "call_kfunc": "kernel functions are not emulated in this version",
    "lddw_btf_id": "addresses of kernel variables are not emulated in this version",
    "lddw_func": "function addresses, and the callbacks they are for, are not emulated in this version",
    "lddw_map_idx": "map indexes belong to the loader's fd array, which no object holds",
    "lddw_map_idx_value": "map indexes belong to the loader's fd array, which no object holds",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction, ready. operand: the immediate as an unsigned 64-bit number, used where `src` is None.

    size: bytes of a memory access. target: the slot of a jump or of a call's function. next: the slot behind.
    cut: the mask of the operands' width. value: what an lddw loads.
    """

    kind: Kind
    op: Op
    slot: int
    next: int
    dst: int
    src: int | None
    off: int
    operand: int
    size: int
    target: int
    cut: int
    compute: Callable[[int, int, int], Any] | None
    value: Any = None


def prepare(program: ProgramSpec, maps: Mapping[str, Any], value_of: Callable[[str, int], Any]) -> list[Step]:
    """The steps of `program` by slot; a wide instruction stands in both of its slots.

    maps: what an lddw of a map's name loads. value_of: what one of a map's value, at a byte offset, loads.
    """
    insns = program.insns
    at = slots(insns)
    if not insns:
        raise LoadError(f"{program.name}: the program has no instructions")
    steps: list[Step] = []
    starts = set(at[:-1])
    bounds = _functions(program, at)
    for index, insn in enumerate(insns):
        slot, following = at[index], at[index + 1]
        _check(program, insn, slot)
        target = slot + 1 + insn.jump if insn.jump is not None else following
        if insn.jump is not None and target not in starts:
            raise LoadError(f"{program.name}: instruction {slot} jumps to {_wrong(target, at[-1])}")
        if insn.jump is not None and insn.op.kind is not Kind.CALL and bisect(bounds, slot) != bisect(bounds, target):
            raise LoadError(f"{program.name}: instruction {slot} jumps to {target}, which is in another function")
        if following in bounds and insn.op.kind not in (Kind.EXIT, Kind.GOTO):
            raise LoadError(
                f"{program.name}: instruction {slot} is the last one of its function and is no exit or jump"
            )
        op, source = insn.op, insn.src if insn.op.operand == "src" else None
        step = Step(
            op.kind, op, slot, following, insn.dst, source, insn.off, insn.imm & M64, op.bits // 8, target,
            M32 if op.bits == 32 else M64, op.value or op.test, _loaded(program, insn, slot, maps, value_of),
        )  # fmt: skip
        steps += [step] * insn.width
    return steps


def _functions(program: ProgramSpec, at: list[int]) -> list[int]:
    """Where functions begin: the entry, what local calls name; and the end of the program. In order."""
    calls = [slot + 1 + one.imm for slot, one in zip(at, program.insns, strict=False) if one.op.name == "call_local"]
    return sorted({0, at[-1], *calls})


def _wrong(target: int, size: int) -> str:
    if 0 <= target < size:
        return f"{target}, the second half of a 64-bit load"
    return f"{target}, outside of the {size} slots"


def _check(program: ProgramSpec, insn: Insn, slot: int) -> None:
    op, where = insn.op, f"{program.name}: instruction {slot} ({insn.op.name})"
    if op.name in REFUSED:
        raise Unavailable(f"{where}: {REFUSED[op.name]}")
    if R10 in _written(insn):
        raise LoadError(f"{where} writes to r10, the frame pointer, which is read-only")
    if op.kind is Kind.ALU and op.operand == "imm" and op.name.rstrip("_kx0123456789") in DIVISIONS and not insn.imm:
        raise LoadError(f"{where} divides by the constant 0")
    if op.kind is Kind.PACKET and not BY_NAME[program.type].ld_abs:
        raise LoadError(f"{where}: legacy packet loads do not exist in {program.type} programs")


def _written(insn: Insn) -> tuple[int, ...]:
    """The registers that operands name and the instruction writes. Compare-and-exchange writes r0, not its source."""
    if insn.op.kind in WRITES_DST:
        return (insn.dst,)
    return (insn.src,) if insn.op.fetches and not insn.op.name.startswith("atomic_cmpxchg") else ()


def _loaded(
    program: ProgramSpec, insn: Insn, slot: int, maps: Mapping[str, Any], value_of: Callable[[str, int], Any]
) -> Any:
    if insn.op.kind is not Kind.IMM64:
        return None
    if insn.op.name == "lddw":
        return insn.imm
    if insn.symbol is None or insn.symbol not in maps:
        raise LoadError(f"{program.name}: instruction {slot} refers to map {insn.symbol!r}, which the object lacks")
    if insn.op.name == "lddw_map":
        return maps[insn.symbol]
    return value_of(insn.symbol, insn.imm >> 32)
