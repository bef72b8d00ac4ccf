"""Programs cut into the functions that a file holds: each function once, whatever programs it stands behind.

Names do not tell functions apart: an object linked of several holds static functions of one name, even equal ones. What
is one function in the file follows from what must be: global functions of one name are one, and what one function calls
at one place is one. Of the rest all are put together that are equal, with what they call, and not apart in a program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, slots
from bpfvm.obj.elf.link import ADDRESS, CALL, Function, Reference, link, named_slot
from bpfvm.obj.model import CoreReloc, FunctionSpec, ProgramSpec

REFERENCES = frozenset({CALL, ADDRESS})  # what names a function of the same program


@dataclass(frozen=True, slots=True)
class Body:
    """One function on its own, its slots counting from its start.

    section: of the program that it is the entry of, "" for all others.
    targets: slot -> number of the function that is called there or whose address is taken; imm is 0 at these.
    """

    name: str
    is_static: bool
    section: str
    insns: tuple[Insn, ...]
    targets: Mapping[int, int]
    lines: Mapping[int, Location]
    core: tuple[CoreReloc, ...]

    @property
    def slot_count(self) -> int:
        """Size in 8-byte units."""
        return slots(self.insns)[-1]

    def content(self) -> tuple[Hashable, ...]:
        """All but name, place and what it refers to by number."""
        named = tuple(one.symbol for one in self.insns if one.op.name not in REFERENCES)
        return self.is_static, self.insns, named, tuple(self.targets), tuple(self.lines.items()), self.core


def unlink(programs: Mapping[str, ProgramSpec]) -> list[Body]:
    """The functions of all programs, each once, in order of first appearance; a function's number is its place here.

    LoadError for a function that is no run of its program's code, a reference to where no function starts, and two
    functions of one name that differ and are not static.
    """
    drafts: list[Body] = []
    owners: list[str] = []
    for program in programs.values():
        drafts += cut(program, len(drafts))
        owners += [program.name] * (len(drafts) - len(owners))
    numbers = _numbered(_Merger(drafts, owners).merged())
    found: dict[int, Body] = {}
    for one, number in zip(drafts, numbers, strict=True):
        section = found[number].section if number in found else ""
        targets = {slot: numbers[target] for slot, target in one.targets.items()}
        found[number] = replace(one, section=one.section or section, targets=targets)
    return list(found.values())


def _numbered(keys: Iterable[Hashable]) -> list[int]:
    """Equal keys get equal numbers, from 0 in order of first appearance."""
    known: dict[Hashable, int] = {}
    return [known.setdefault(key, len(known)) for key in keys]


class _Merger:
    """Which drafts are one function: a union-find that merges what two merged drafts refer to as well."""

    def __init__(self, drafts: Sequence[Body], owners: Sequence[str]) -> None:
        self._drafts = drafts
        self._parent = list(range(len(drafts)))
        self._owners = [{owner} for owner in owners]  # programs with a draft in the class, by root
        self._looks = self._alike()

    def merged(self) -> list[int]:
        """For each draft the number of one that stands for its function."""
        known: dict[str, int] = {}
        for number, one in enumerate(self._drafts):
            if not one.is_static and not self._merge(known.setdefault(one.name, number), number):
                raise LoadError(f"function {one.name} stands in this object twice, differs, and is not static")
        seen: dict[int, list[int]] = {}
        for number, look in enumerate(self._looks):
            others = seen.setdefault(look, [])
            if not any(self._merge(other, number) for other in others):
                others.append(number)
        return [self._root(number) for number in range(len(self._drafts))]

    def _alike(self) -> list[int]:
        """Equal numbers for drafts that are equal with all that they refer to, found as in minimising an automaton."""
        looks = _numbered((one.name, *one.content()) for one in self._drafts)
        while True:
            targets = [tuple(looks[target] for target in one.targets.values()) for one in self._drafts]
            finer = _numbered(zip(looks, targets, strict=True))
            if finer == looks:
                return looks
            looks = finer

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            number = self._parent[number]
        return number

    def _merge(self, first: int, second: int) -> bool:
        """Make two drafts one, if they look alike and no program has both, nor of what they refer to; else nothing."""
        pending, undo = [(first, second)], list[tuple[int, int]]()
        while pending:
            left, right = (self._root(number) for number in pending.pop())
            if left == right:
                continue
            if self._looks[left] != self._looks[right] or self._owners[left] & self._owners[right]:
                for old, root in reversed(undo):
                    self._parent[old] = old
                    self._owners[root] -= self._owners[old]
                return False
            self._parent[right] = left
            self._owners[left] |= self._owners[right]
            undo.append((right, left))
            pairs = zip(self._drafts[left].targets.values(), self._drafts[right].targets.values(), strict=True)
            pending += pairs
        return True


def cut(program: ProgramSpec, base: int = 0) -> list[Body]:
    """The functions of `program` in slot order; targets count them, the first being number `base`."""
    functions = (FunctionSpec(program.name, 0), *program.functions)
    at = slots(program.insns)
    place_of = {slot: place for place, slot in enumerate(at)}
    number_of = {one.slot: base + number for number, one in enumerate(functions)}
    ends = [one.slot for one in functions[1:]] + [at[-1]]
    found = []
    for one, end in zip(functions, ends, strict=True):
        if one.slot not in place_of or end not in place_of or one.slot >= end:
            raise LoadError(
                f"program {program.name}: function {one.name} from slot {one.slot} to {end} is no run of its code"
            )
        insns = list(program.insns[place_of[one.slot] : place_of[end]])
        targets: dict[int, int] = {}
        for place, slot in enumerate(slots(insns)[:-1]):
            if insns[place].op.name in REFERENCES:
                targets[slot] = _target(program, number_of, insns[place], one.slot + slot)
                insns[place] = replace(insns[place], imm=0)
        lines = {slot - one.slot: place for slot, place in sorted(program.lines.items()) if one.slot <= slot < end}
        core = tuple(replace(row, slot=row.slot - one.slot) for row in program.core if one.slot <= row.slot < end)
        section = "" if one.slot else program.section
        found.append(Body(one.name, one.is_static, section, tuple(insns), targets, lines, core))
    return found


def _target(program: ProgramSpec, number_of: Mapping[int, int], one: Insn, slot: int) -> int:
    target = named_slot(one, slot)
    if target not in number_of:
        does = "calls" if one.op.name == CALL else "takes the address of"
        raise LoadError(f"program {program.name}: instruction {slot} {does} slot {target}, where no function starts")
    return number_of[target]


def relinked(program: ProgramSpec) -> ProgramSpec:
    """`program` with its functions in the order that reading it from a file gives.

    LoadError for a function that nothing in the program names: a file has no place that says whose it is.
    """
    if not program.functions:
        cut(program)
        return program
    bodies = cut(program)
    functions = {(0, number): _function(number, one) for number, one in enumerate(bodies)}
    linked = link(functions[0, 0], functions)
    if len(linked.functions) + 1 < len(bodies):
        left = Counter(one.name for one in bodies[1:]) - Counter(one.name for one in linked.functions)
        raise LoadError(f"program {program.name}: nothing in it calls function {next(iter(left))}")
    return replace(program, insns=linked.insns, lines=linked.lines, functions=linked.functions, core=linked.core)


def _function(number: int, one: Body) -> Function:
    at = slots(one.insns)[:-1]
    references = tuple(
        Reference(index, slot, (0, one.targets[slot])) for index, slot in enumerate(at) if slot in one.targets
    )
    return Function(
        one.name, one.section, (0, number), one.is_static, one.insns, one.slot_count, references, one.lines, one.core
    )
