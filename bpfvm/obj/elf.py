"""The ELF container: sections, symbols and relocations of a relocatable 64-bit file, as data and as bytes.

Layouts and numbers: System V gABI chapter 4 and 5 (include/uapi/linux/elf.h); relocations of BPF:
Documentation/bpf/llvm_reloc.rst. What any of it means for BPF is the matter of elf_read and elf_write.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.errors import LoadError
from bpfvm.obj.cursor import Bytes, Strings, StringTable

MACHINE_BPF, TYPE_REL = 247, 1
HEADER_SIZE, SECTION_SIZE, SYMBOL_SIZE, REL_SIZE, RELA_SIZE = 64, 64, 24, 16, 24
PROGBITS, SYMTAB, STRTAB, RELA, NOTE, NOBITS, REL = 1, 2, 3, 4, 7, 8, 9  # sh_type
WRITE, ALLOC, EXEC, INFO_LINK = 1, 2, 4, 0x40  # sh_flags
UNDEFINED, RESERVED_INDEX, ABSOLUTE = 0, 0xFF00, 0xFFF1  # st_shndx
LOCAL, GLOBAL, WEAK = 0, 1, 2  # binding of a symbol
NOTYPE, OBJECT, FUNC, SECTION, FILE = range(5)  # type of a symbol
R_64_64, R_64_ABS64, R_64_ABS32, R_64_NODYLD32, R_64_32 = 1, 2, 3, 4, 10
RELOCATIONS: Mapping[int, str] = {
    R_64_64: "R_BPF_64_64",
    R_64_ABS64: "R_BPF_64_ABS64",
    R_64_ABS32: "R_BPF_64_ABS32",
    R_64_NODYLD32: "R_BPF_64_NODYLD32",
    R_64_32: "R_BPF_64_32",
}


@dataclass(frozen=True, slots=True)
class Section:
    """data: its bytes; empty, whatever `size` says, for sections that take no room in the file."""

    index: int
    name: str
    type: int
    flags: int
    size: int
    link: int
    info: int
    data: Bytes


@dataclass(frozen=True, slots=True)
class Symbol:
    """section: an index, or UNDEFINED, ABSOLUTE … value: offset in the section."""

    name: str
    type: int
    binding: int
    section: int
    value: int
    size: int


@dataclass(frozen=True, slots=True)
class Relocation:
    """At byte `offset` of the section that is changed."""

    offset: int
    type: int
    symbol: Symbol

    @property
    def type_name(self) -> str:
        """As llvm-readelf prints it."""
        return RELOCATIONS.get(self.type, f"relocation type {self.type}")


class Elf:
    """A file as read. Every section lies inside it and every symbol names a section that exists."""

    def __init__(self, data: bytes) -> None:
        endian = _endian(data)
        file = Bytes(data, "ELF header", endian)
        kind, machine = file.unpack("HH", 16, "the header")
        if machine != MACHINE_BPF:
            raise file.error(18, f"machine {machine} is not BPF ({MACHINE_BPF})")
        if kind != TYPE_REL:
            raise file.error(16, f"file type {kind} is not a relocatable object ({TYPE_REL})")
        self.endian = endian
        self.sections = _sections(file)
        self.symbols = self._symbols()
        self._relocations_of = self._relocation_sections()

    def section(self, name: str) -> Section | None:
        """The first section called `name`, or None."""
        return next((one for one in self.sections if one.name == name), None)

    def relocations(self, section: Section) -> list[Relocation]:
        """What changes `section`, in file order. Entries with an addend of their own are refused: BPF has none."""
        table = self._relocations_of.get(section.index)
        if table is None:
            return []
        if table.size % REL_SIZE:
            raise table.data.error(0, f"{table.size} bytes are not a whole number of {REL_SIZE}-byte entries")
        found = []
        for number, (offset, info) in enumerate(table.data.table("QQ", 0, table.size // REL_SIZE, "relocations")):
            if info >> 32 >= len(self.symbols):
                reason = f"symbol {info >> 32} is named, and there are {len(self.symbols)}"
                raise table.data.error(number * REL_SIZE, reason)
            found.append(Relocation(offset, info & 0xFFFF_FFFF, self.symbols[info >> 32]))
        return found

    def _symbols(self) -> list[Symbol]:
        table = next((one for one in self.sections if one.type == SYMTAB), None)
        if table is None:
            return []
        if not 0 < table.link < len(self.sections):
            raise table.data.error(0, f"its string table is section {table.link} of {len(self.sections)}")
        names = Strings(self.sections[table.link].data)
        rows = table.data.table("IBBHQQ", 0, table.size // SYMBOL_SIZE, "symbols")
        symbols = []
        for number, (name, info, _, section, value, size) in enumerate(rows):
            if len(self.sections) <= section < RESERVED_INDEX:
                reason = f"a symbol in section {section}, and there are {len(self.sections)}"
                raise table.data.error(number * SYMBOL_SIZE, reason)
            symbols.append(Symbol(names.at(name), info & 15, info >> 4, section, value, size))
        return symbols

    def _relocation_sections(self) -> dict[int, Section]:
        found: dict[int, Section] = {}
        for one in self.sections:
            if one.type not in (REL, RELA) or not 0 < one.info < len(self.sections):
                continue
            if not self.sections[one.info].flags & ALLOC:
                continue  # of debug information and BTF, whose places are known without them
            if one.type == RELA:
                raise one.data.error(0, "relocations with addends (SHT_RELA) are not used for BPF")
            if one.info in found:
                raise one.data.error(
                    0, f"section {self.sections[one.info].name} has relocations in {found[one.info].name} too"
                )
            found[one.info] = one
        return found


def _endian(data: bytes) -> str:
    if len(data) < HEADER_SIZE or data[:4] != b"\x7fELF":
        raise LoadError(f"not an ELF file: it begins with {data[:4]!r} and has {len(data)} bytes")
    if data[4] != 2:
        raise LoadError(f"ELF header: class {data[4]} is not 64-bit (2)")
    if data[5] not in (1, 2):
        raise LoadError(f"ELF header: byte order {data[5]} is neither little (1) nor big (2)")
    return "little" if data[5] == 1 else "big"


def _sections(file: Bytes) -> list[Section]:
    (start,) = file.unpack("Q", 40, "the header")
    entry, count, names_at = file.unpack("HHH", 58, "the header")
    if entry != SECTION_SIZE:
        raise file.error(58, f"section headers of {entry} bytes, and they have {SECTION_SIZE}")
    rows = file.table("IIQQQQIIQQ", start, count, "section headers")
    if names_at >= count:
        raise file.error(62, f"section {names_at} holds the names, and there are {count} sections")
    (_, kind, _, _, offset, size, *_) = rows[names_at]
    names = Strings(file.part(offset, 0 if kind == NOBITS else size, "section names"))
    sections = []
    for index, (name_at, kind, flags, _, offset, size, link, info, _, _) in enumerate(rows):
        name = names.at(name_at)
        in_file = size if kind != NOBITS and index else 0
        data = Bytes(file.cut(offset if in_file else 0, in_file, f"section {name}"), f"section {name}", file.endian)
        sections.append(Section(index, name, kind, flags, size, link, info, data))
    return sections


# Writing


@dataclass(frozen=True, slots=True)
class NewSection:
    """A section to write. info: for relocations, the name of the section that they change."""

    name: str
    type: int
    data: bytes
    flags: int = 0
    align: int = 1
    entry: int = 0
    changes: str = ""


@dataclass(frozen=True, slots=True)
class NewSymbol:
    """A symbol to write. section: its name, "" where undefined."""

    name: str
    type: int
    binding: int
    section: str
    value: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class NewRelocation:
    offset: int
    type: int
    symbol: NewSymbol


def build(
    sections: list[NewSection],
    symbols: list[NewSymbol],
    relocations: Mapping[str, list[NewRelocation]],
    endian: str,
) -> bytes:
    """A relocatable BPF file of `sections` in this order, with symbol, string and relocation tables behind them."""
    order = "<" if endian == "little" else ">"
    ordered = sorted(symbols, key=lambda one: one.binding != LOCAL)  # gABI: local symbols come first
    number = {one: place for place, one in enumerate(ordered, 1)}
    tables = [
        NewSection(
            f".rel{name}",
            REL,
            b"".join(struct.pack(order + "QQ", one.offset, number[one.symbol] << 32 | one.type) for one in rows),
            INFO_LINK,
            8,
            REL_SIZE,
            name,
        )
        for name, rows in relocations.items()
    ]
    index = {one.name: place for place, one in enumerate([*sections, *tables], 1)}
    strings = StringTable()
    rows = [struct.pack(order + "IBBHQQ", *_symbol_row(one, strings, index)) for one in ordered]
    symtab = NewSection(".symtab", SYMTAB, bytes(SYMBOL_SIZE) + b"".join(rows), 0, 8, SYMBOL_SIZE)
    placed = [*sections, *tables, symtab]
    names = [strings.add(one.name) for one in placed]
    placed.append(NewSection(".strtab", STRTAB, b""))
    names.append(strings.add(".strtab"))
    placed[-1] = NewSection(".strtab", STRTAB, bytes(strings))
    first_global = 1 + sum(one.binding == LOCAL for one in ordered)
    return _file(placed, names, index, first_global, order)


def _symbol_row(one: NewSymbol, strings: StringTable, index: Mapping[str, int]) -> tuple[int, ...]:
    section = index[one.section] if one.section else UNDEFINED
    return strings.add(one.name), one.binding << 4 | one.type, 0, section, one.value, one.size


def _file(placed: list[NewSection], names: list[int], index: Mapping[str, int], first_global: int, order: str) -> bytes:
    out = bytearray(HEADER_SIZE)
    headers = bytearray(SECTION_SIZE)
    symtab, strtab = len(placed) - 1, len(placed)
    for one, name in zip(placed, names, strict=True):
        out += bytes(-len(out) % one.align)
        link, info = 0, 0
        if one.type == REL:
            link, info = symtab, index[one.changes]
        elif one.type == SYMTAB:
            link, info = strtab, first_global
        place = (len(out), len(one.data), link, info, one.align, one.entry)
        headers += struct.pack(order + "IIQQQQIIQQ", name, one.type, one.flags, 0, *place)
        out += one.data
    out += bytes(-len(out) % 8)
    ident = b"\x7fELF" + bytes((2, 1 if order == "<" else 2, 1)) + bytes(9)
    sizes = (HEADER_SIZE, 0, 0, SECTION_SIZE, len(placed) + 1, strtab)
    out[:HEADER_SIZE] = ident + struct.pack(
        order + "HHIQQQIHHHHHH", TYPE_REL, MACHINE_BPF, 1, 0, 0, len(out), 0, *sizes
    )
    return bytes(out + headers)
