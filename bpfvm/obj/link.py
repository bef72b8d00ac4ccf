"""Functions of an object file, and programs made of them: an entry with the functions it calls behind it.

A function in a file calls others by place: by a relocation, or by a distance within its section. A program is linked by
laying its functions out one behind the other and writing the new distances; unlinking cuts it into its functions again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, slots
from bpfvm.obj.model import FunctionSpec, ProgramSpec

MAX_SLOTS = 1 << 20  # of one program: the most that bpf(2) takes (BPF_COMPLEXITY_LIMIT_INSNS, include/linux/bpf.h)

Place: TypeAlias = tuple[int, int]  # section index, slot in it


@dataclass(frozen=True, slots=True)
class Function:
    """One function as a file holds it. insns: references to maps resolved.

    calls: slot -> the place that the call_local there goes to. lines: slot -> source. Slots count from the function.
    """

    name: str
    section: str
    place: Place
    is_static: bool
    insns: tuple[Insn, ...]
    calls: Mapping[int, Place]
    lines: Mapping[int, Location]

    @property
    def slot_count(self) -> int:
        """Size in 8-byte units."""
        return slots(self.insns)[-1]


@dataclass(frozen=True, slots=True)
class Linked:
    """A program's code: what ProgramSpec holds."""

    insns: tuple[Insn, ...]
    lines: dict[int, Location]
    functions: tuple[FunctionSpec, ...]
    places: tuple[Place, ...]


def link(entry: Function, functions: Mapping[Place, Function]) -> Linked:
    """`entry` with the functions it calls, directly or not, in order of first call."""
    bases = _bases(entry, functions)
    insns: list[Insn] = []
    lines: dict[int, Location] = {}
    for place, base in bases.items():
        one = functions[place]
        insns += _relinked(one, base, bases, functions)
        lines.update({base + slot: source for slot, source in one.lines.items()})
    behind = [functions[place] for place in list(bases)[1:]]
    specs = tuple(FunctionSpec(one.name, bases[one.place], one.is_static) for one in behind)
    return Linked(tuple(insns), lines, specs, tuple(bases))


def _bases(entry: Function, functions: Mapping[Place, Function]) -> dict[Place, int]:
    """Place of each function that `entry` needs -> its first slot in the program."""
    order, seen = [entry], {entry.place}
    bases: dict[Place, int] = {}
    total = 0
    for one in order:
        bases[one.place] = total
        total += one.slot_count
        if total > MAX_SLOTS:
            raise LoadError(f"program {entry.name}: more than {MAX_SLOTS} instructions with the functions it calls")
        for slot, place in one.calls.items():
            if place not in functions:
                raise LoadError(
                    f"function {one.name}: instruction {slot} calls slot {place[1]}, where no function starts"
                )
            if place not in seen:
                seen.add(place)
                order.append(functions[place])
    return bases


def _relinked(
    one: Function, base: int, bases: Mapping[Place, int], functions: Mapping[Place, Function]
) -> Sequence[Insn]:
    if not one.calls:
        return one.insns
    out = list(one.insns)
    for number, slot in enumerate(slots(one.insns)[:-1]):
        if slot in one.calls:
            place = one.calls[slot]
            out[number] = replace(out[number], imm=bases[place] - (base + slot + 1), symbol=functions[place].name)
    return out


def called_slot(call: Insn, slot: int) -> int:
    """The slot that a call_local at `slot` goes to."""
    return slot + 1 + call.imm


@dataclass(frozen=True, slots=True)
class Body:
    """One function on its own. calls: slot -> name of the function called there; imm of these calls is 0."""

    name: str
    is_static: bool
    insns: tuple[Insn, ...]
    calls: Mapping[int, str]
    lines: Mapping[int, Location]


def unlink(programs: Mapping[str, ProgramSpec]) -> dict[str, Body]:
    """The functions of all programs by name, each once. LoadError where two of one name differ."""
    found: dict[str, Body] = {}
    for program in programs.values():
        for one in _bodies(program):
            if found.setdefault(one.name, one) != one:
                raise LoadError(f"function {one.name} of program {program.name} differs from another of this name")
    return found


def _bodies(program: ProgramSpec) -> Iterator[Body]:
    functions = (FunctionSpec(program.name, 0), *program.functions)
    at = slots(program.insns)
    number_of = {slot: number for number, slot in enumerate(at)}
    names = {one.slot: one.name for one in functions}
    ends = [one.slot for one in functions[1:]] + [at[-1]]
    lines = sorted(program.lines.items())
    for one, end in zip(functions, ends, strict=True):
        if one.slot not in number_of or end not in number_of or one.slot >= end:
            raise LoadError(
                f"program {program.name}: function {one.name} from slot {one.slot} to {end} is no run of its code"
            )
        insns = list(program.insns[number_of[one.slot] : number_of[end]])
        calls: dict[int, str] = {}
        for place, slot in enumerate(slots(insns)[:-1]):
            if insns[place].op.name == "call_local":
                calls[slot] = _callee(program, names, insns[place], one.slot + slot)
                insns[place] = replace(insns[place], imm=0)
        own = {slot - one.slot: source for slot, source in lines if one.slot <= slot < end}
        yield Body(one.name, one.is_static, tuple(insns), calls, own)


def _callee(program: ProgramSpec, names: Mapping[int, str], call: Insn, slot: int) -> str:
    target = called_slot(call, slot)
    if target not in names:
        raise LoadError(f"program {program.name}: instruction {slot} calls slot {target}, where no function starts")
    return names[target]
