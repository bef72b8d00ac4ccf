"""An object file of LLVM's as an image: its sections one behind the other, relocations done or left as words.

Layouts and numbers: System V gABI chapters 4 and 5; relocations: psABI x86-64, table 4.9. The code that LLVM makes for
"jitdefault" is of the large model there: it names what is outside by words of 64 bits alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from bpfvm.core.bits import M64
from bpfvm.emulator.native.code.image import WORD, Image

MACHINE_AT, X86_64 = 18, 62  # e_machine
SYMTAB, RELA, NOBITS = 2, 4, 8  # sh_type
WRITE, ALLOC, UNWIND = 1, 2, ".eh_frame"  # sh_flags; nothing unwinds this code
ABS64, PC32, PLT32, PC64 = 1, 2, 4, 24  # R_X86_64_*
NEAR = {PC32: 4, PLT32: 4, PC64: 8}  # bytes of a distance

_IDENT = b"\x7fELF\x02\x01\x01"  # 64-bit, little-endian, version 1


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    type: int
    flags: int
    link: int
    info: int
    align: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    section: int
    value: int


def image(data: bytes) -> Image | None:
    """None where the file is not x86-64's, or asks for more than constant data, addresses and distances."""
    if data[: len(_IDENT)] != _IDENT or data[MACHINE_AT] != X86_64:
        return None
    sections = _sections(data)
    found = _Layout(sections)
    (table,) = (one for one in sections if one.type == SYMTAB)
    symbols = list(_symbols(table, sections[table.link]))
    done = found.plain
    for one in sections:
        if one.type == RELA and one.info in found.placed:
            for offset, info, addend in struct.iter_unpack("<QQq", one.data):
                at = found.placed[one.info] + offset
                done &= found.relocate(at, info & 0xFFFF_FFFF, symbols[info >> 32], addend)
    for symbol in symbols:
        if symbol.name and symbol.section in found.placed:
            found.image.exports[symbol.name] = found.placed[symbol.section] + symbol.value
    return found.image if done else None


class _Layout:
    """Sections in their places."""

    def __init__(self, sections: Iterable[_Section]) -> None:
        self.image, self.placed, self.plain = Image(bytearray()), dict[int, int](), True
        code = self.image.code
        for number, one in enumerate(sections):
            if one.flags & ALLOC and one.data and one.name != UNWIND:
                code += bytes(-len(code) % one.align)
                self.placed[number] = len(code)
                code += one.data
                self.plain &= not one.flags & WRITE and one.type != NOBITS

    def relocate(self, at: int, kind: int, symbol: _Symbol, addend: int) -> bool:
        """Change the bytes at a place; whether that can be done."""
        goal = self.placed.get(symbol.section)
        if kind == ABS64 and (goal is not None or (symbol.name and not symbol.section)):
            places = self.image.own if goal is not None else self.image.outside.setdefault(symbol.name, [])
            places.append(at)
            WORD.pack_into(self.image.code, at, ((goal or 0) + symbol.value + addend) & M64)
            return True
        if kind not in NEAR or goal is None:
            return False
        distance = goal + symbol.value + addend - at
        self.image.code[at : at + NEAR[kind]] = distance.to_bytes(NEAR[kind], "little", signed=True)
        return True


def _sections(data: bytes) -> list[_Section]:
    (start,) = struct.unpack_from("<Q", data, 40)
    count, names = struct.unpack_from("<HH", data, 60)
    rows = list(struct.iter_unpack("<IIQQQQIIQQ", data[start : start + 64 * count]))
    text = data[rows[names][4] : rows[names][4] + rows[names][5]]
    return [
        _Section(_text(text, name), kind, flags, link, info, max(align, 1), data[at : at + size])
        for name, kind, flags, _, at, size, link, info, align, _ in rows
    ]


def _symbols(table: _Section, names: _Section) -> Iterable[_Symbol]:
    for name, _, _, section, value, _ in struct.iter_unpack("<IBBHQQ", table.data):
        yield _Symbol(_text(names.data, name), section, value)


def _text(table: bytes, at: int) -> str:
    return table[at : table.index(b"\0", at)].decode()
