"""A relocatable ELF file for BPF as bytes, of sections, symbols and relocations by their names."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.errors import LoadError
from bpfvm.obj.cursor import StringTable
from bpfvm.obj.elf.container import (
    HEADER_SIZE,
    INFO_LINK,
    LOCAL,
    MACHINE_BPF,
    NOBITS,
    REL,
    REL_SIZE,
    SECTION_SIZE,
    STRTAB,
    SYMBOL_SIZE,
    SYMTAB,
    TYPE_REL,
    UNDEFINED,
)


@dataclass(frozen=True, slots=True)
class NewSection:
    """A section to write. changes: for relocations, the name of the section that they change. data: of a NOBITS section
    zeros, of which only their number is written.
    """

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
    if len(index) < len(sections) + len(tables):
        called = [one.name for one in (*sections, *tables)]
        raise LoadError(f"two sections are called {next(name for name in called if called.count(name) > 1)}")
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
        out += one.data if one.type != NOBITS else b""
    out += bytes(-len(out) % 8)
    ident = b"\x7fELF" + bytes((2, 1 if order == "<" else 2, 1)) + bytes(9)
    sizes = (HEADER_SIZE, 0, 0, SECTION_SIZE, len(placed) + 1, strtab)
    out[:HEADER_SIZE] = ident + struct.pack(
        order + "HHIQQQIHHHHHH", TYPE_REL, MACHINE_BPF, 1, 0, 0, len(out), 0, *sizes
    )
    return bytes(out + headers)
