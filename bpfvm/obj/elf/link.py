"""Functions of an object file, and programs made of them: an entry with the functions it needs behind it.

A function in a file names others by place: by a relocation, or by a distance within its section. A program is linked by
laying its functions out one behind the other and writing the new distances; `unlink` cuts it into its functions again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bpfvm.core.bits import M32, signed
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import CoreReloc, FunctionSpec

MAX_SLOTS = 1 << 20  # of one program: the most that bpf(2) takes (BPF_COMPLEXITY_LIMIT_INSNS, include/linux/bpf.h)
CALL, ADDRESS = "call_local", "lddw_func"  # the two instructions that name a function of the same program

Place: TypeAlias = tuple[int, int]  # section index, slot in it


@dataclass(frozen=True, slots=True)
class Reference:
    """Instruction number `index`, at `slot` of its function, calls or takes the address of the function at `place`."""

    index: int
    slot: int
    place: Place


@dataclass(frozen=True, slots=True)
class Function:
    """One function as a file holds it. insns: what they name of maps and externs is resolved.

    references: to other functions, in slot order. lines: slot -> source. Slots count from the function's first.
    """

    name: str
    section: str
    place: Place
    is_static: bool
    insns: tuple[Insn, ...]
    slot_count: int
    references: tuple[Reference, ...] = ()
    lines: Mapping[int, Location] = field(default_factory=dict)
    core: tuple[CoreReloc, ...] = ()


@dataclass(frozen=True, slots=True)
class Linked:
    """A program's code: what ProgramSpec holds."""

    insns: tuple[Insn, ...]
    lines: dict[int, Location]
    functions: tuple[FunctionSpec, ...]
    core: tuple[CoreReloc, ...]


def link(entry: Function, functions: Mapping[Place, Function]) -> Linked:
    """`entry` with the functions it needs, directly or not: each stands behind those met before it, depth first.

    That is libbpf's order, seen in what it gives to the kernel (libbpf 1.1): where a function is named for the first
    time, it is appended, and then what it names itself, before the caller's next instruction.
    """
    bases = _bases(entry, functions)
    insns: list[Insn] = []
    lines: dict[int, Location] = {}
    core: list[CoreReloc] = []
    for place, base in bases.items():
        one = functions[place]
        insns += _relinked(one, base, bases, functions)
        lines.update({base + slot: source for slot, source in one.lines.items()})
        core += [replace(row, slot=base + row.slot) for row in one.core]
    behind = [functions[place] for place in list(bases)[1:]]
    specs = tuple(FunctionSpec(one.name, bases[one.place], one.is_static) for one in behind)
    return Linked(tuple(insns), lines, specs, tuple(core))


def _bases(entry: Function, functions: Mapping[Place, Function]) -> dict[Place, int]:
    """Place of each function that `entry` needs -> its first slot in the program."""
    bases = {entry.place: 0}
    total = entry.slot_count
    stack = [(entry, iter(entry.references))]
    while stack:
        one, rest = stack[-1]
        reference = next(rest, None)
        if reference is None:
            stack.pop()
        elif reference.place not in bases:
            callee = _function(one, reference, functions)
            bases[callee.place] = total
            total += callee.slot_count
            stack.append((callee, iter(callee.references)))
        if total > MAX_SLOTS:
            raise LoadError(f"program {entry.name}: more than {MAX_SLOTS} instructions with the functions it calls")
    return bases


def _function(one: Function, reference: Reference, functions: Mapping[Place, Function]) -> Function:
    callee = functions.get(reference.place)
    if callee is None:
        does = "calls" if one.insns[reference.index].op.name == CALL else "takes the address of"
        where = f"slot {reference.place[1]} of its section"
        if reference.place[0] != one.place[0]:
            where = f"slot {reference.place[1]} of section number {reference.place[0]}"
        raise LoadError(
            f"function {one.name} in section {one.section}: instruction {reference.slot} {does} {where}, where no "
            "function starts"
        )
    return callee


def _relinked(
    one: Function, base: int, bases: Mapping[Place, int], functions: Mapping[Place, Function]
) -> Sequence[Insn]:
    if not one.references:
        return one.insns
    out = list(one.insns)
    for reference in one.references:
        old = out[reference.index]
        distance = bases[reference.place] - (base + reference.slot + 1)
        imm = distance if old.op.name == CALL else distance & M32
        symbol = functions[reference.place].name
        out[reference.index] = Insn(old.op, old.dst, old.src, old.off, imm, symbol, old.source)
    return out


def named_slot(one: Insn, slot: int) -> int:
    """The slot that a call_local or a lddw_func at `slot` names."""
    return slot + 1 + signed(one.imm, 32)
