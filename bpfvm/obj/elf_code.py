"""Sections of code into functions: symbols cut them, relocations bind what they name, .BTF.ext says their lines."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.codec import SLOT, decode
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import BY_NAME, Kind
from bpfvm.obj.btf_ext import Ext, LineInfo
from bpfvm.obj.elf import FUNC, LOCAL, R_64_32, R_64_64, UNDEFINED, Elf, Relocation, Section, Symbol
from bpfvm.obj.link import MAX_SLOTS, Function, Place, called_slot

MAX_CODE = 2 * MAX_SLOTS  # slots of all sections of an object together, and of all its linked programs


class CodeReader:
    """The functions of one file, by place. map_names: offset in section .maps (of index `map_section`) -> name."""

    def __init__(self, elf: Elf, ext: Ext, map_section: int, map_names: Mapping[int, str]) -> None:
        self.elf, self.ext = elf, ext
        self.map_section, self.map_names = map_section, map_names
        self.functions: dict[Place, Function] = {}
        self._size = 0
        self._symbols_of: dict[int, list[Symbol]] = {}
        for symbol in elf.symbols:
            if symbol.type == FUNC:
                self._symbols_of.setdefault(symbol.section, []).append(symbol)

    def read(self, section: Section) -> None:
        """Add the functions of `section`, which must cover it whole."""
        self._size += section.size // SLOT
        if self._size > MAX_CODE:
            raise LoadError(f"section {section.name}: more than {MAX_CODE} instructions in one object")
        pending = _Pending(section, self._relocations(section), self._lines(section), self._core(section))
        for symbol in self._symbols(section):
            one = self._function(pending, symbol)
            self.functions[one.place] = one
        for slot in pending.relocations:
            raise LoadError(f"section {section.name}: a relocation at slot {slot}, where no instruction starts")

    def _symbols(self, section: Section) -> list[Symbol]:
        """The function symbols in order of place, without gaps between them."""
        found = self._symbols_of.get(section.index, [])
        found.sort(key=lambda one: one.value)
        end = 0
        for one in found:
            if one.value != end or one.size % SLOT or not one.size:
                reason = (
                    f"function {one.name} has {one.size} bytes at {one.value:#x}, wanted whole instructions at {end:#x}"
                )
                raise LoadError(f"section {section.name}: {reason}")
            end += one.size
        if end != section.size:
            raise LoadError(f"section {section.name}: functions cover {end} of its {section.size} bytes of code")
        return found

    def _relocations(self, section: Section) -> dict[int, Relocation]:
        found: dict[int, Relocation] = {}
        for one in self.elf.relocations(section):
            slot = one.offset // SLOT
            if one.offset % SLOT or slot in found:
                raise section.data.error(one.offset, f"{one.type_name} is not the one relocation of an instruction")
            found[slot] = one
        return found

    def _lines(self, section: Section) -> list[LineInfo]:
        found = sorted(self.ext.lines.get(section.name, ()), key=lambda one: one.offset)
        for one in found:
            if one.offset % SLOT or one.offset >= section.size:
                place = f"{section.name} offset {one.offset:#x}"
                raise LoadError(
                    f"section .BTF.ext: line {one.line} of {one.file} stands at {place}, not an instruction"
                )
        return found

    def _core(self, section: Section) -> list[int]:
        return sorted(offset // SLOT for offset in self.ext.core.get(section.name, ()))

    def _function(self, pending: _Pending, symbol: Symbol) -> Function:
        section, start = pending.section, symbol.value // SLOT
        where = f"function {symbol.name} in section {section.name}"
        end = start + symbol.size // SLOT
        at = bisect_left(pending.core, start)
        if at < len(pending.core) and pending.core[at] < end:
            raise LoadError(
                f"{where}: instruction {pending.core[at] - start}: CO-RE relocations are not read in this version"
            )
        try:
            insns = decode(bytes(section.data.cut(symbol.value, symbol.size, "code")), self.elf.endian)
            calls: dict[int, Place] = {}
            for number, slot in enumerate(slots(insns)[:-1]):
                relocation = pending.relocations.pop(start + slot, None)
                insns[number] = self._bound(insns[number], slot, relocation)
                if insns[number].op.name == "call_local":
                    calls[slot] = _target(insns[number], start + slot, section, relocation)
        except LoadError as error:
            raise LoadError(f"{where}: {error}") from None
        place = (section.index, start)
        return Function(
            symbol.name, section.name, place, symbol.binding == LOCAL, tuple(insns), calls, pending.lines_in(start, end)
        )

    def _bound(self, one: Insn, slot: int, relocation: Relocation | None) -> Insn:
        """`one` with what its relocation names; LoadError where it needs one and has none, or has another."""
        if relocation is None:
            if (one.op.kind is Kind.IMM64 and one.op.name != "lddw") or one.op.name == "call_kfunc":
                raise LoadError(f"instruction {slot} ({one.op.name}) names something by number and has no relocation")
            return one
        symbol = relocation.symbol
        name = symbol.name or self.elf.sections[symbol.section if symbol.section < len(self.elf.sections) else 0].name
        if symbol.section == UNDEFINED:
            raise LoadError(f"instruction {slot} refers to the extern symbol {name}, not resolved in this version")
        if (relocation.type, one.op.name) == (R_64_32, "call_local"):
            return replace(one, symbol=name)
        if (relocation.type, one.op.name) != (R_64_64, "lddw"):
            raise LoadError(f"instruction {slot} ({one.op.name}) has {relocation.type_name} to {name}")
        if symbol.section != self.map_section:
            raise LoadError(
                f"instruction {slot} refers to {name} in {self._section_name(symbol)}, not read in this version"
            )
        offset = symbol.value + one.imm
        if offset not in self.map_names:
            raise LoadError(f"instruction {slot} refers to {name} + {one.imm:#x}, where no map is declared")
        return Insn(_MAP, one.dst, _MAP.src_is or 0, 0, 0, self.map_names[offset], one.source)

    def _section_name(self, symbol: Symbol) -> str:
        known = symbol.section < len(self.elf.sections)
        return f"section {self.elf.sections[symbol.section].name}" if known else f"section number {symbol.section:#x}"


_MAP = BY_NAME["lddw_map"]


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is known of a section's code, by slot of the section. relocations: those not used yet."""

    section: Section
    relocations: dict[int, Relocation]
    lines: list[LineInfo]
    core: list[int]

    def lines_in(self, start: int, end: int) -> dict[int, Location]:
        """Slot of the function from `start` to `end` -> source place, in slot order; the first of one slot counts."""
        found: dict[int, Location] = {}
        first = bisect_left(self.lines, start * SLOT, key=lambda one: one.offset)
        for one in self.lines[first : bisect_left(self.lines, end * SLOT, key=lambda one: one.offset)]:
            found.setdefault(one.offset // SLOT - start, Location(one.file, one.line, one.col))
        return found


def _target(call: Insn, slot: int, section: Section, relocation: Relocation | None) -> Place:
    """Where a call_local at `slot` of `section` goes. With a relocation, imm counts from its symbol, less one."""
    if relocation is None:
        return section.index, called_slot(call, slot)
    return relocation.symbol.section, relocation.symbol.value // SLOT + call.imm + 1
