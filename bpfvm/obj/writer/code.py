"""Sections of code to be written: programs in their own, the functions they call in .text, laid out as clang does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bpfvm.core.bits import M32
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import BY_NAME
from bpfvm.obj.btf.ext import CoreRecord, Ext, FuncInfo, LineInfo
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import EXTERN, Func
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.build import NewRelocation, NewSection, NewSymbol
from bpfvm.obj.writer.unlink import Body

TEXT = ".text"
_CODE = elf.ALLOC | elf.EXEC
_LDDW, _CALL = BY_NAME["lddw"], BY_NAME["call_local"]  # what stands in a file beside a relocation


@dataclass(frozen=True, slots=True)
class Named:
    """What an instruction refers to by relocation: a symbol and, in bytes, the addend that stands in its imm."""

    symbol: NewSymbol
    addend: int = 0


Resolve: TypeAlias = Callable[[Insn], Named | None]


class CodeSections:
    """The functions of an object in their places. bodies: as unlink gives them; btf: None where there is none."""

    def __init__(self, bodies: Sequence[Body], btf: Btf | None) -> None:
        self._bodies, self._kinds = bodies, _function_types(bodies, btf)
        self._sections: dict[str, list[int]] = {}
        self._starts: dict[int, int] = {}  # slot in its section
        self._alias_of = self._aliases() if btf is not None else {}
        self._incomplete = {number for number in range(len(bodies)) if bodies[number].section and self._lacks(number)}
        sizes: dict[str, int] = {}
        for number, one in enumerate(bodies):
            section = one.section or TEXT
            if number not in self._alias_of:
                self._sections.setdefault(section, []).append(number)
                self._starts[number] = sizes.get(section, 0)
                sizes[section] = self._starts[number] + one.slot_count
        self._starts.update({number: self._starts[other] for number, other in self._alias_of.items()})
        self._symbols = {number: self._symbol(number) for number in range(len(bodies))}
        self._text = NewSymbol("", elf.SECTION, elf.LOCAL, TEXT)

    def _lacks(self, number: int) -> bool:
        """Whether a program needs a function that BTF does not know: loaders want all declared, or not the entry."""
        pending, seen = [number], {number}
        while pending:
            one = pending.pop()
            if one not in self._kinds:
                return True
            new = set(self._bodies[one].targets.values()) - seen
            seen |= new
            pending += new
        return False

    def _aliases(self) -> dict[int, int]:
        """Programs that are another name of a program in the same section. BTF knows only the name of the code."""
        known: dict[object, int] = {}
        for number, one in enumerate(self._bodies):
            if one.section and number in self._kinds:
                known.setdefault(self._content(one), number)
        return {
            number: known[self._content(one)]
            for number, one in enumerate(self._bodies)
            if one.section and number not in self._kinds and self._content(one) in known
        }

    def _content(self, one: Body) -> object:
        return one.section, *one.content(), tuple(one.targets.items())

    def _symbol(self, number: int) -> NewSymbol:
        one = self._bodies[number]
        binding = elf.LOCAL if one.is_static else elf.GLOBAL
        place, size = self._starts[number] * SLOT, one.slot_count * SLOT
        return NewSymbol(one.name, elf.FUNC, binding, one.section or TEXT, place, size)

    def symbols(self) -> list[NewSymbol]:
        """Of all functions, and of section .text where static functions are referred to through it."""
        return [*([self._text] if TEXT in self._sections else []), *self._symbols.values()]

    def programs(self) -> dict[str, NewSymbol]:
        """The symbol of each program, by name."""
        return {one.name: self._symbols[number] for number, one in enumerate(self._bodies) if one.section}

    def sections(self, resolve: Resolve, endian: str) -> list[NewSection]:
        return [
            NewSection(name, elf.PROGBITS, encode(self._written(numbers, resolve), endian), _CODE, SLOT)
            for name, numbers in self._sections.items()
        ]

    def _written(self, numbers: Sequence[int], resolve: Resolve) -> list[Insn]:
        """The instructions of a section as they stand in a file."""
        out = []
        for number in numbers:
            body = self._bodies[number]
            for one, slot in zip(body.insns, slots(body.insns), strict=False):
                named = self._named(body, number, one, slot, resolve)
                if named is not None and one.op.name in ("call_local", "call_kfunc"):
                    one = replace(one, op=_CALL, src=_CALL.src_is or 0, imm=named.addend // SLOT - 1)
                elif named is not None:
                    one = replace(one, op=_LDDW, src=_LDDW.src_is or 0, imm=named.addend & M32)
                elif slot in body.targets:
                    one = replace(one, imm=self._starts[body.targets[slot]] - (self._starts[number] + slot + 1))
                out.append(one)
        return out

    def _named(self, body: Body, number: int, one: Insn, slot: int, resolve: Resolve) -> Named | None:
        """What the relocation of this instruction names, None where it has none: static functions through .text."""
        if slot not in body.targets:
            return resolve(one)
        target = body.targets[slot]
        if not self._bodies[target].is_static:
            return Named(self._symbols[target])
        if one.op.name == "call_local" and not body.section:
            return None  # within .text, where the distance says it all
        return Named(self._text, self._starts[target] * SLOT)

    def relocations(self, resolve: Resolve) -> dict[str, list[NewRelocation]]:
        """By section, in order of place."""
        found: dict[str, list[NewRelocation]] = {}
        for section, numbers in self._sections.items():
            for number in numbers:
                body = self._bodies[number]
                for one, slot in zip(body.insns, slots(body.insns), strict=False):
                    named = self._named(body, number, one, slot, resolve)
                    if named is not None:
                        kind = elf.R_64_32 if one.op.name in ("call_local", "call_kfunc") else elf.R_64_64
                        place = (self._starts[number] + slot) * SLOT
                        found.setdefault(section, []).append(NewRelocation(place, kind, named.symbol))
        return found

    def debug(self, sources: Mapping[tuple[str, int], str]) -> Ext:
        """Where each function, each source line and each CO-RE relocation stands."""
        functions: dict[str, list[FuncInfo]] = {}
        lines: dict[str, list[LineInfo]] = {}
        core: dict[str, list[CoreRecord]] = {}
        for section, numbers in self._sections.items():
            for number in numbers:
                body, base = self._bodies[number], self._starts[number]
                if number in self._kinds and number not in self._incomplete:
                    functions.setdefault(section, []).append(FuncInfo(base * SLOT, self._kinds[number]))
                for slot, place in body.lines.items():
                    text = sources.get((place.file, place.line), "")
                    one = LineInfo((base + slot) * SLOT, place.file, text, place.line, place.col)
                    lines.setdefault(section, []).append(one)
                for row in body.core:
                    record = CoreRecord((base + row.slot) * SLOT, row.type, row.access, row.kind)
                    core.setdefault(section, []).append(record)
        return Ext(functions, lines, core)


def _function_types(bodies: Sequence[Body], btf: Btf | None) -> dict[int, int]:
    """Number of a function -> id of its Func. Static functions of one name take theirs in order.

    A function that is known by its second name only is declared extern in BTF; loaders want a Func, whatever its kind.
    """
    free: dict[str, list[int]] = {}
    kinds = [(one, number) for number, one in enumerate(btf if btf is not None else (), 1) if isinstance(one, Func)]
    for one, number in sorted(kinds, key=lambda pair: pair[0].linkage == EXTERN):
        free.setdefault(one.name, []).append(number)
    return {number: free[one.name].pop(0) for number, one in enumerate(bodies) if free.get(one.name)}
