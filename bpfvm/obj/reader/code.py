"""Sections of code into functions: symbols cut them, relocations bind what they name, .BTF.ext says their lines."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.codec import SLOT, decode
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import OPS, Kind
from bpfvm.obj.btf.ext import CoreRecord, Ext, LineInfo
from bpfvm.obj.elf.container import R_NONE, Elf, Relocation, Section
from bpfvm.obj.elf.functions import Bounds, bounds, candidates, is_text
from bpfvm.obj.elf.link import MAX_SLOTS, Function, Place, Reference
from bpfvm.obj.model import CoreReloc
from bpfvm.obj.reader.references import Binder

MAX_CODE = 2 * MAX_SLOTS  # slots of all sections of an object together, and of all its linked programs
_NAMING = frozenset(
    {one.name for one in OPS if one.kind is Kind.IMM64 and one.name != "lddw"} | {"call_local", "call_kfunc"}
)  # what means nothing without a relocation, or names a function


class CodeReader:
    """The functions of one file, by place, and which of them are programs, under each of their names."""

    def __init__(self, file: Elf, ext: Ext, binder: Binder) -> None:
        self.functions: dict[Place, Function] = {}
        self.entries: list[Function] = []
        self._file, self._ext, self._binder = file, ext, binder
        self._symbols = candidates(file.symbols)
        self._size = 0

    def read(self, section: Section) -> None:
        """Add the functions of `section`."""
        self._size += section.size // SLOT
        if self._size > MAX_CODE:
            raise LoadError(f"section {section.name}: more than {MAX_CODE} instructions in one object")
        if self._size * SLOT > self._file.size:
            raise LoadError(f"section {section.name}: sections of code overlap: they have more bytes than the file")
        found = bounds(section, self._symbols.get(section.index, ()))
        pending = _Pending(
            section,
            self._relocations(section),
            _sorted(section, self._ext.lines.get(section.name, ())),
            _sorted(section, self._ext.core.get(section.name, ())),
        )
        for place in found:
            one = self._function(pending, place)
            self.functions[one.place] = one
            if not is_text(section.name):
                self.entries += [replace(one, name=name.text) for name in place.names if name.is_entry]
        for slot, relocation in pending.relocations.items():
            name = relocation.symbol.name
            raise LoadError(
                f"section {section.name}: a relocation at slot {slot} (to {name}), where no instruction starts"
            )

    def _relocations(self, section: Section) -> dict[int, Relocation]:
        found: dict[int, Relocation] = {}
        for one in self._file.relocations(section):
            if one.type == R_NONE:
                continue
            slot = one.offset // SLOT
            if one.offset % SLOT or slot in found:
                raise section.data.error(one.offset, f"{one.type_name} is not the one relocation of an instruction")
            found[slot] = one
        return found

    def _function(self, pending: _Pending, place: Bounds) -> Function:
        section, name = pending.section, place.names[0]
        where = f"function {name.text} in section {section.name}"
        size = place.end - place.start
        try:
            insns = decode(bytes(section.data.cut(place.start * SLOT, size * SLOT, "code")), self._file.endian)
            references = self._bind(insns, pending, place.start)
            core = pending.core_in(place.start, place.end)
            if core:
                _check_core(core, slots(insns))
        except LoadError as error:
            raise LoadError(f"{where}: {error}") from None
        return Function(
            name=name.text,
            section=section.name,
            place=(section.index, place.start),
            is_static=name.is_static,
            insns=tuple(insns),
            slot_count=size,
            references=tuple(references),
            lines=pending.lines_in(place.start, place.end),
            core=core,
        )

    def _bind(self, insns: list[Insn], pending: _Pending, start: int) -> list[Reference]:
        """Bind what `insns` name, which begin at slot `start`; the functions that they name."""
        references: list[Reference] = []
        slot = start
        for index, one in enumerate(insns):
            relocation = pending.relocations.pop(slot, None)
            if relocation is not None or one.op.name in _NAMING:
                try:
                    insns[index], target = self._binder.bound(one, (pending.section.index, slot), relocation)
                except LoadError as error:
                    raise LoadError(f"instruction {slot - start} ({one.op.name}) {error}") from None
                if target is not None:
                    references.append(Reference(index, slot - start, target))
            slot += one.width
        return references


_Row = TypeVar("_Row", LineInfo, CoreRecord)


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is known of a section's code, by slot of the section. relocations: those not used yet."""

    section: Section
    relocations: dict[int, Relocation]
    lines: Sequence[LineInfo]
    core: Sequence[CoreRecord]

    def lines_in(self, start: int, end: int) -> dict[int, Location]:
        """Slot of the function from `start` to `end` -> source place, in slot order; the first of one slot counts."""
        found: dict[int, Location] = {}
        for one in _between(self.lines, start, end):
            found.setdefault(one.offset // SLOT - start, Location(one.file, one.line, one.col))
        return found

    def core_in(self, start: int, end: int) -> tuple[CoreReloc, ...]:
        """The CO-RE relocations of the function from `start` to `end`."""
        rows = _between(self.core, start, end)
        return tuple(CoreReloc(one.offset // SLOT - start, one.kind, one.type, one.access) for one in rows)


def _between(rows: Sequence[_Row], start: int, end: int) -> Sequence[_Row]:
    """The rows, which are in order, of the code from slot `start` to before `end`."""
    first = bisect_left(rows, start * SLOT, key=lambda one: one.offset)
    return rows[first : bisect_left(rows, end * SLOT, lo=first, key=lambda one: one.offset)]


def _sorted(section: Section, rows: Sequence[_Row]) -> Sequence[_Row]:
    """`rows` of .BTF.ext by place in `section`. LoadError where one is not at an instruction."""
    found = sorted(rows, key=lambda one: one.offset)
    for one in found:
        if one.offset % SLOT or one.offset >= section.size:
            what = f"line {one.line} of {one.file}" if isinstance(one, LineInfo) else f"the CO-RE relocation {one.kind}"
            place = f"{section.name} offset {one.offset:#x}"
            raise LoadError(f"section .BTF.ext: {what} stands at {place}, not an instruction")
    return found


def _check_core(core: Sequence[CoreReloc], starts: Sequence[int]) -> None:
    known = set(starts)
    for one in core:
        if one.slot not in known:
            raise LoadError(f"a CO-RE relocation ({one.kind}) at slot {one.slot}, where no instruction starts")
