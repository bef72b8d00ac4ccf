"""The ELF container: sections, symbols and relocations of a relocatable 64-bit file, as it is read.

Layouts and numbers: System V gABI chapter 4 and 5 (include/uapi/linux/elf.h); relocations of BPF:
Documentation/bpf/llvm_reloc.rst. What any of it means for BPF is the matter of reader and writer; `obj.elf.build`
makes such files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.cursor import Bytes, Strings

MACHINE_BPF, MACHINE_NONE, TYPE_REL = 247, 0, 1  # LLVM before 3.9 wrote no machine
HEADER_SIZE, SECTION_SIZE, SYMBOL_SIZE, REL_SIZE, RELA_SIZE = 64, 64, 24, 16, 24
PROGBITS, SYMTAB, STRTAB, RELA, NOTE, NOBITS, REL = 1, 2, 3, 4, 7, 8, 9  # sh_type
SYMTAB_SHNDX, CREL = 18, 0x4000_0014
WRITE, ALLOC, EXEC, INFO_LINK, COMPRESSED = 1, 2, 4, 0x40, 0x800  # sh_flags
UNDEFINED, RESERVED_INDEX, EXTENDED_INDEX = 0, 0xFF00, 0xFFFF  # st_shndx
ABSOLUTE, COMMON = 0xFFF1 - 0x1_0000, 0xFFF2 - 0x1_0000  # reserved indexes, as Symbol.section has them
LOCAL, GLOBAL, WEAK = 0, 1, 2  # binding of a symbol
NOTYPE, OBJECT, FUNC, SECTION, FILE = range(5)  # type of a symbol
INTERNAL, HIDDEN = 1, 2  # visibility of a symbol
R_NONE, R_64_64, R_64_ABS64, R_64_ABS32, R_64_NODYLD32, R_64_32 = 0, 1, 2, 3, 4, 10
R_DATA_32, R_DATA_64 = 11, 12
RELOCATIONS: Mapping[int, str] = {
    R_NONE: "R_BPF_NONE",
    R_64_64: "R_BPF_64_64",
    R_64_ABS64: "R_BPF_64_ABS64",
    R_64_ABS32: "R_BPF_64_ABS32",
    R_64_NODYLD32: "R_BPF_64_NODYLD32",
    R_64_32: "R_BPF_64_32",
    R_DATA_32: "R_BPF_DATA_32",  # of binutils before 2.41 (include/elf/bpf.h)
    R_DATA_64: "R_BPF_DATA_64",
}
MAX_SECTIONS, MAX_SYMBOLS, MAX_RELOCATIONS = 1 << 17, 1 << 19, 1 << 20  # far above any object; they bound memory


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
    """section: an index, UNDEFINED, or below 0 for what is in no section (ABSOLUTE …). value: offset in the section."""

    name: str
    type: int
    binding: int
    section: int
    value: int
    size: int
    visibility: int = 0

    @property
    def is_static(self) -> bool:
        """Whether other objects cannot name it, so that its callers are known."""
        return self.binding == LOCAL or self.visibility in (INTERNAL, HIDDEN)


@dataclass(frozen=True, slots=True)
class Relocation:
    """At byte `offset` of the section that is changed.

    explicit: the addend, where the entry has one; else it stands in the changed place, with `bias` added to it.
    """

    offset: int
    type: int
    symbol: Symbol
    explicit: int | None = None
    bias: int = 0

    @property
    def type_name(self) -> str:
        """As llvm-readelf prints it."""
        return RELOCATIONS.get(self.type, f"relocation type {self.type}")

    def addend(self, in_place: int) -> int:
        """Bytes from the symbol. in_place: what stands in the place that is changed."""
        return in_place - self.bias if self.explicit is None else self.explicit


class Elf:
    """A file as read. Every section lies inside it and every symbol names a section that exists."""

    def __init__(self, data: bytes) -> None:
        endian = _endian(data)
        file = Bytes(data, "ELF header", endian)
        kind, machine = file.unpack("HH", 16, "the header")
        if machine not in (MACHINE_BPF, MACHINE_NONE):
            raise file.error(18, f"machine {machine} is not BPF ({MACHINE_BPF})")
        if kind != TYPE_REL:
            raise file.error(16, f"file type {kind} is not a relocatable object ({TYPE_REL})")
        self.endian, self.size = endian, len(data)
        rows, self._names_at = _section_rows(file)
        self.sections = _sections(file, rows, self._names_at)
        self._by_name: dict[str, Section] = {}
        for one in self.sections:
            self._by_name.setdefault(one.name, one)
        self.symbols = self._symbols()
        self._relocations_of = self._relocation_sections()
        self._adds_value = False
        self._adds_value = self._adds_symbol_value()

    def section(self, name: str) -> Section | None:
        """The first section called `name`, or None."""
        return self._by_name.get(name)

    def place_name(self, symbol: Symbol) -> str:
        """The section that `symbol` stands in, for a message."""
        if 0 <= symbol.section < len(self.sections):
            return f"section {self.sections[symbol.section].name}"
        special = {ABSOLUTE: "no section (an absolute symbol)", COMMON: "no section (a common symbol)"}
        return special.get(symbol.section, f"the reserved section {symbol.section + 0x1_0000:#x}")

    def relocations(self, section: Section) -> list[Relocation]:
        """What changes `section`, in file order."""
        return [one for table in self._relocations_of.get(section.index, ()) for one in self._entries(table)]

    def _entries(self, table: Section) -> Iterable[Relocation]:
        size, layout = (RELA_SIZE, "QQq") if table.type == RELA else (REL_SIZE, "QQ")
        if table.size % size:
            raise table.data.error(0, f"{table.size} bytes are not a whole number of {size}-byte entries")
        if table.size // size > MAX_RELOCATIONS:
            raise table.data.error(0, f"{table.size // size} entries, and at most {MAX_RELOCATIONS} are read")
        for number, (offset, info, *addend) in enumerate(table.data.table(layout, 0, table.size // size, "entries")):
            if info >> 32 >= len(self.symbols):
                reason = f"symbol {info >> 32} is named, and there are {len(self.symbols)}"
                raise table.data.error(number * size, reason)
            symbol = self.symbols[info >> 32]
            bias = symbol.value if self._adds_value and symbol.type != SECTION else 0
            yield Relocation(offset, info & 0xFFFF_FFFF, symbol, addend[0] if addend else None, bias)

    def _symbols(self) -> list[Symbol]:
        table = next((one for one in self.sections if one.type == SYMTAB), None)
        if table is None:
            return []
        _check_plain(table)
        if not 0 < table.link < len(self.sections):
            raise table.data.error(0, f"its string table is section {table.link} of {len(self.sections)}")
        count = table.size // SYMBOL_SIZE
        if count > MAX_SYMBOLS:
            raise table.data.error(0, f"{count} symbols, and at most {MAX_SYMBOLS} are read")
        _check_plain(self.sections[table.link])
        names = Strings(self.sections[table.link].data)
        extended = self._extended_indexes(table, count)
        symbols = []
        for number, row in enumerate(table.data.table("IBBHQQ", 0, count, "symbols")):
            name, info, other, section, value, size = row
            if section == EXTENDED_INDEX and extended:
                section = extended[number][0]
            elif section >= RESERVED_INDEX:
                section -= 0x1_0000
            if section >= len(self.sections):
                reason = f"a symbol in section {section}, and there are {len(self.sections)}"
                raise table.data.error(number * SYMBOL_SIZE, reason)
            symbols.append(Symbol(names.at(name), info & 15, info >> 4, section, value, size, other & 3))
        return symbols

    def _extended_indexes(self, table: Section, count: int) -> list[tuple[int, ...]]:
        """Section indexes that do not fit in a symbol, by number of the symbol; empty where all fit."""
        for one in self.sections:
            if one.type == SYMTAB_SHNDX and one.link == table.index:
                _check_plain(one)
                return one.data.table("I", 0, count, "section indexes")
        return []

    def _relocation_sections(self) -> dict[int, list[Section]]:
        found: dict[int, list[Section]] = {}
        for one in self.sections:
            if one.type not in (REL, RELA, CREL) or not 0 < one.info < len(self.sections):
                continue
            if not self.sections[one.info].flags & ALLOC:
                continue  # of debug information and BTF, whose places are known without them
            if one.type == CREL:
                raise one.data.error(0, "compact relocations (SHT_CREL) are not read; compile without -Wa,--crel")
            _check_plain(one)
            found.setdefault(one.info, []).append(one)
        return found

    @property
    def gcc(self) -> int | None:
        """The version of gcc that made the file, as it says in .comment; None where another compiler did."""
        comment = self.section(".comment")
        said = re.search(rb"GCC: \([^)]*\) (\d{1,3})\.", bytes(comment.data.data)) if comment is not None else None
        return int(said[1]) if said is not None else None

    def _adds_symbol_value(self) -> bool:
        """Whether relocated places hold the symbol's value beside the addend, as binutils before 2.41 wrote them.

        Seen in objects of gcc 12.2 with binutils 2.40; gcc 14 needs a newer assembler. Without its version, the places
        tell: LLVM writes -1 into calls of functions and most often 0 elsewhere.
        """
        table = next((one for one in self.sections if one.type == SYMTAB), None)
        if table is None or table.link == self._names_at or self.section(".llvm_addrsig") is not None:
            return False  # names of sections and symbols in one table: LLVM, libbpf or this project
        if self.gcc is not None:
            return self.gcc < 14
        places = list(self._places())
        return bool(places) and all(in_place >= value for in_place, value in places)

    def _places(self) -> Iterable[tuple[int, int]]:
        """What stands in each instruction that a symbol with a value changes, and that value; a call's counts up."""
        for index, tables in self._relocations_of.items():
            section = self.sections[index]
            entries = (one for table in tables for one in self._entries(table)) if section.flags & EXEC else ()
            for one in entries:
                named = one.symbol.section > 0 and one.symbol.type != SECTION and one.symbol.value
                if named and one.type in (R_64_64, R_64_32) and one.offset + 8 <= len(section.data):
                    (in_place,) = section.data.unpack("i", one.offset + 4, "an instruction")
                    yield in_place + (one.type == R_64_32), one.symbol.value


def _check_plain(section: Section) -> None:
    if section.flags & COMPRESSED:
        raise section.data.error(0, "compressed sections are not read; decompress with llvm-objcopy")


def _endian(data: bytes) -> str:
    if not data:
        raise LoadError("not an ELF file: it is empty")
    if len(data) < HEADER_SIZE or data[:4] != b"\x7fELF":
        raise LoadError(f"not an ELF file: it begins with {data[:4]!r} and has {octets(len(data))}")
    if data[4] != 2:
        raise LoadError(f"ELF header: class {data[4]} is not 64-bit (2)")
    if data[5] not in (1, 2):
        raise LoadError(f"ELF header: byte order {data[5]} is neither little (1) nor big (2)")
    return "little" if data[5] == 1 else "big"


def _sections(file: Bytes, rows: list[tuple[int, ...]], names_at: int) -> list[Section]:
    (_, kind, flags, _, offset, size, *_) = rows[names_at]
    if flags & COMPRESSED:
        raise file.error(offset, "the section names are compressed, which is not read")
    names = Strings(file.part(offset, 0 if kind == NOBITS else size, "section names"))
    sections = []
    for index, (name_at, kind, flags, _, offset, size, link, info, _, _) in enumerate(rows):
        name = names.at(name_at)
        in_file = size if kind != NOBITS and index else 0
        data = Bytes(file.cut(offset if in_file else 0, in_file, f"section {name}"), f"section {name}", file.endian)
        if flags & COMPRESSED and (flags & ALLOC or name in (".BTF", ".BTF.ext")):
            raise data.error(0, "compressed sections are not read; decompress with llvm-objcopy")
        sections.append(Section(index, name, kind, flags, size, link, info, data))
    return sections


def _section_rows(file: Bytes) -> tuple[list[tuple[int, ...]], int]:
    """The section headers, and which has the names. What does not fit in the file header stands in section 0."""
    (start,) = file.unpack("Q", 40, "the header")
    entry, count, names_at = file.unpack("HHH", 58, "the header")
    if not start:
        raise file.error(40, "the file has no section headers")
    if entry != SECTION_SIZE:
        raise file.error(58, f"section headers of {octets(entry)}, and they have {SECTION_SIZE}")
    if not count or names_at == EXTENDED_INDEX:
        first = file.unpack("IIQQQQIIQQ", start, "section header 0")
        count = count or first[5]
        names_at = first[6] if names_at == EXTENDED_INDEX else names_at
    if count > MAX_SECTIONS:
        raise file.error(60, f"{count} sections, and at most {MAX_SECTIONS} are read")
    rows = file.table("IIQQQQIIQQ", start, count, "section headers")
    if names_at >= count:
        raise file.error(62, f"section {names_at} holds the names, and there are {count} sections")
    return rows, names_at
