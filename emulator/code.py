"""A program's instructions made ready to run: checked once, indexed by slot, operands resolved.

What a run could never recover from is refused here, by name: jumps out of the program or into the middle of a wide
instruction, a last instruction that falls off the end, writes to r10, division by the constant 0, operations that no
emulator tier has.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bpfvm.core.bits import M32, M64, mask
from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.emulator.arguments import Helper, fault
from bpfvm.emulator.helpers.missing import how
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.isa.codec import SLOT
from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind, Op
from bpfvm.obj.btf.view import essential_name
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.progs import BY_NAME

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

R10 = 10
DIVISIONS = ("div", "mod", "sdiv", "smod")
WRITES_DST = (Kind.ALU, Kind.LOAD, Kind.LOAD_SX, Kind.LOAD_ACQUIRE, Kind.IMM64)
REFUSED = {
    "addr_space_cast": "casts between address spaces need an arena map, and there are none in this version",
    "callx": "calls through a register exist in no kernel",
    "gotox": "jumps through a register take a table of targets, which no object of this version holds",
    "lddw_btf_id": "addresses of kernel variables are not emulated in this version",
    "lddw_map_idx": "map indexes belong to the loader's fd array, which no object holds",
    "lddw_map_idx_value": "map indexes belong to the loader's fd array, which no object holds",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction, ready. operand: the immediate as an unsigned 64-bit number, used where `src` is None.

    size: bytes of a memory access. target: the slot of a jump or of a call's function. next: the slot behind.
    cut: the mask of the operands' width. value: what an lddw loads, or a call of a kernel function calls. touched: a
    bit for each byte of a memory access, kept: the mask of its width. row: what every instruction needs, to be taken
    apart at once, faster than by name.
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
    touched: int = field(init=False)
    kept: int = field(init=False)
    row: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        row = (self, self.kind, self.next, self.dst, self.src, self.operand, self.cut, self.compute, self.op.bits)
        object.__setattr__(self, "touched", mask(self.size))
        object.__setattr__(self, "kept", mask(8 * self.size))
        object.__setattr__(self, "row", row)


@dataclass(frozen=True, slots=True)
class Code:
    """A program ready to run. steps: by slot, a wide instruction in both of its slots; rows: what each has in `row`.

    region: where its functions have their addresses, 8 bytes a slot; nothing can be read or written there. callbacks:
    the slots of those whose addresses it loads.
    """

    program: ProgramSpec
    steps: list[Step]
    region: Region
    callbacks: frozenset[int]
    rows: list[tuple[Any, ...]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", [step.row for step in self.steps])

    def function(self, pointer: Pointer) -> int | None:
        """The slot of the function that `pointer` is the address of, or None: sums of addresses name none."""
        slot, rest = divmod(pointer.offset, SLOT)
        return slot if pointer.region is self.region and not rest and slot in self.callbacks else None


def prepare(program: ProgramSpec, system: System) -> Code:
    """Check `program` and bind it to the maps of `system`. LoadError or Unavailable says what cannot run."""
    size = max(program.slot_count, 1) * SLOT
    region = system.arena.allocate(f"code of {program.name}", size, "code", writable=False, readable=False)
    return Code(program, _steps(program, system, region), region, _callbacks(program))


def _steps(program: ProgramSpec, system: System, region: Region) -> list[Step]:
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
        target = target_slot(insn, slot)
        if target is None:
            target = following
        elif target not in starts:
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
            M32 if op.bits == 32 else M64, op.value or op.test, _loaded(program, insn, slot, system, region),
        )  # fmt: skip
        steps += [step] * insn.width
    return steps


def _functions(program: ProgramSpec, at: list[int]) -> list[int]:
    """Where functions begin: the entry, what calls and loads of addresses name, the end of the program. In order."""
    named = ("call_local", "lddw_func")
    goals = (target_slot(one, slot) for slot, one in zip(at, program.insns, strict=False) if one.op.name in named)
    return sorted({0, at[-1], *(goal for goal in goals if goal is not None)})


def _callbacks(program: ProgramSpec) -> frozenset[int]:
    named = ((one, slot) for slot, one in zip(slots(program.insns), program.insns, strict=False))
    goals = (target_slot(one, slot) for one, slot in named if one.op.name == "lddw_func")
    return frozenset(goal for goal in goals if goal is not None)


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


def _kernel_function(program: ProgramSpec, insn: Insn, slot: int, system: System) -> Helper:
    """What a call of a kernel function calls: what users gave, what the emulator has, a fault for one that is weak and
    that nobody has. Unavailable for any other.
    """
    name = insn.symbol or f"#{insn.imm}"
    extern, given = system.spec.externs.get(name), system.answers.get(name)
    if extern is not None and given is not None:
        from bpfvm.emulator.answers import kernel_function

        return kernel_function(extern, system.spec, given)
    found = system.kfuncs(essential_name(name), program.type)
    if found is not None:
        return found
    message = f"calls {name}, a kernel function that is not emulated in this version; {how(name)}"
    if extern is not None and extern.weak:  # which programs ask for before they call it
        return fault(message)
    raise Unavailable(f"{program.name}: instruction {slot} (call_kfunc) {message}")


def _symbol(program: ProgramSpec, insn: Insn, slot: int, system: System, region: Region) -> int | Pointer:
    """The address of the kernel's symbol: programs ask whether it is 0, for what is weak."""
    extern = system.spec.externs.get(insn.symbol or "")
    if extern is not None and extern.kind == "kfunc":
        name = essential_name(extern.name)
        has_it = extern.name in system.answers or system.kfuncs(name, program.type) is not None
        if has_it or extern.weak:
            return Pointer(region, 0) if has_it else 0
    elif extern is not None and extern.weak:
        return 0
    raise Unavailable(f"{program.name}: instruction {slot} takes the address of the kernel's {insn.symbol}")


def _loaded(
    program: ProgramSpec, insn: Insn, slot: int, system: System, region: Region
) -> int | Pointer | Helper | None:  # fmt: skip
    """What an lddw loads, and what a kernel function's call calls; None for all other instructions."""
    if insn.op.name == "call_kfunc":
        return _kernel_function(program, insn, slot, system)
    if insn.op.kind is not Kind.IMM64:
        return None
    if insn.op.name == "lddw":
        if insn.symbol is not None:
            return _symbol(program, insn, slot, system, region)
        return insn.imm
    if insn.op.name == "lddw_func":
        return Pointer(region, (target_slot(insn, slot) or 0) * SLOT)
    if insn.symbol is None or insn.symbol not in system.spec.maps:
        raise LoadError(f"{program.name}: instruction {slot} refers to map {insn.symbol!r}, which the object lacks")
    store = system.make_map(insn.symbol)
    return Pointer(store.handle, 0) if insn.op.name == "lddw_map" else store.direct(insn.imm >> 32)
