"""The bytes of section .BTF.ext, both ways: which function and which source line stands at which instruction.

    header        magic 0xeb9f, version, flags, header length; offset and length of functions, lines, CO-RE relocations
    each of them  record size, then for each code section: its name, how many, the records

(include/uapi/linux/btf.h has the magic, include/uapi/linux/bpf.h bpf_func_info, bpf_line_info and bpf_core_relo; in a
file insn_off counts bytes of the section, in the kernel slots of the program.)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.codec import MAGIC, VERSION
from bpfvm.obj.cursor import Bytes, Strings, StringTable

HEADER, HEADER_NO_CORE = 32, 24
FUNC_SIZE, LINE_SIZE, CORE_SIZE = 8, 16, 16
COLUMN_BITS = 10
MAX_COLUMN, MAX_LINE = (1 << COLUMN_BITS) - 1, (1 << 32 - COLUMN_BITS) - 1


@dataclass(frozen=True, slots=True)
class FuncInfo:
    """A function starts at byte `offset` of its section; type: id of its Func."""

    offset: int
    type: int


@dataclass(frozen=True, slots=True)
class LineInfo:
    """The code from byte `offset` of its section on comes from this line; text: the line itself."""

    offset: int
    file: str
    text: str
    line: int
    col: int


CORE_KINDS: tuple[str, ...] = (  # enum bpf_core_relo_kind of include/uapi/linux/bpf.h, in order, without BPF_CORE_
    "field_byte_offset",
    "field_byte_size",
    "field_exists",
    "field_signed",
    "field_lshift_u64",
    "field_rshift_u64",
    "type_id_local",
    "type_id_target",
    "type_exists",
    "type_size",
    "enumval_exists",
    "enumval_value",
    "type_matches",
)
_CORE_NUMBER: Mapping[str, int] = {name: number for number, name in enumerate(CORE_KINDS)}


@dataclass(frozen=True, slots=True)
class CoreRecord:
    """The instruction at byte `offset` of its section depends on the kernel's types.

    type: id of the root type in .BTF. access: indexes from it, "0:1:2". kind: one of CORE_KINDS.
    """

    offset: int
    type: int
    access: str
    kind: str


Record = TypeVar("Record", FuncInfo, LineInfo, CoreRecord)


@dataclass(frozen=True, slots=True)
class Ext:
    """By section name, in file order."""

    functions: Mapping[str, Sequence[FuncInfo]] = field(default_factory=dict)
    lines: Mapping[str, Sequence[LineInfo]] = field(default_factory=dict)
    core: Mapping[str, Sequence[CoreRecord]] = field(default_factory=dict)


def decode(section: Bytes, strings: Strings) -> Ext:
    """strings: those of .BTF."""
    magic, version, _, header = section.unpack("HBBI", 0, "the header")
    if magic != MAGIC or version != VERSION or header < HEADER_NO_CORE:
        raise section.error(
            0, f"magic {magic:#06x} version {version} header {header} is no BTF.ext of version {VERSION}"
        )
    places = section.unpack("IIII" if header < HEADER else "IIIIII", 8, "the header")
    parts = [
        section.part(header + at, size, f"{section.name} {what}")
        for what, at, size in zip(("functions", "lines", "CO-RE relocations"), places[::2], places[1::2], strict=False)
    ]
    functions = _blocks(parts[0], strings, FUNC_SIZE, "II")
    lines = _blocks(parts[1], strings, LINE_SIZE, "IIII")
    core = _blocks(parts[2], strings, CORE_SIZE, "IIII") if len(parts) > 2 else {}
    return Ext(
        {name: [FuncInfo(*row) for row in rows] for name, rows in functions.items()},
        {name: [_line(row, strings) for row in rows] for name, rows in lines.items()},
        {name: [_core(row, strings, section) for row in rows] for name, rows in core.items()},
    )


def _line(row: tuple[int, ...], strings: Strings) -> LineInfo:
    offset, file, text, place = row
    return LineInfo(offset, strings.at(file), strings.at(text), place >> COLUMN_BITS, place & MAX_COLUMN)


def _core(row: tuple[int, ...], strings: Strings, section: Bytes) -> CoreRecord:
    offset, root, access, kind = row
    if kind >= len(CORE_KINDS):
        known = f"kinds go from 0 to {len(CORE_KINDS) - 1} ({CORE_KINDS[-1]})"
        raise LoadError(
            f"{section.name}: a CO-RE relocation at offset {offset:#x} has the unknown kind {kind}; {known}"
        )
    return CoreRecord(offset, root, strings.at(access), CORE_KINDS[kind])


def _blocks(part: Bytes, strings: Strings, least: int, layout: str) -> dict[str, list[tuple[int, ...]]]:
    """Rows by section. Records may be longer than we know; what follows our part of one is for newer readers."""
    found: dict[str, list[tuple[int, ...]]] = {}
    if not len(part):
        return found
    size = part.u32(0, "the record size")
    if size < least or size % 4:
        raise part.error(0, f"records of {octets(size)}; they have {least} or more, a multiple of 4")
    layout += f"{size - least}x"
    at = 4
    while at < len(part):
        name, count = part.unpack("II", at, "a section's records")
        found.setdefault(strings.at(name), []).extend(part.table(layout, at + 8, count, "records"))
        at += 8 + size * count
    return found


def encode(ext: Ext, strings: StringTable, endian: str) -> bytes:
    """The bytes of section .BTF.ext; its strings go to `strings`, before .BTF is encoded."""
    order = "<" if endian == "little" else ">"
    functions = _encode_blocks(ext.functions, strings, order, FUNC_SIZE, lambda one: (one.offset, one.type))
    lines = _encode_blocks(ext.lines, strings, order, LINE_SIZE, lambda one: _line_row(one, strings))
    core = _encode_blocks(ext.core, strings, order, CORE_SIZE, lambda one: _core_row(one, strings))
    places = (0, len(functions), len(functions), len(lines), len(functions) + len(lines), len(core))
    return struct.pack(order + "HBBI6I", MAGIC, VERSION, 0, HEADER, *places) + functions + lines + core


def _line_row(one: LineInfo, strings: StringTable) -> tuple[int, ...]:
    return one.offset, strings.add(one.file), strings.add(one.text), one.line << COLUMN_BITS | one.col


def _core_row(one: CoreRecord, strings: StringTable) -> tuple[int, ...]:
    if one.kind not in _CORE_NUMBER:
        raise LoadError(
            f"the CO-RE relocation {one} has the unknown kind {one.kind}; known are {', '.join(CORE_KINDS)}"
        )
    return one.offset, one.type, strings.add(one.access), _CORE_NUMBER[one.kind]


def _encode_blocks(
    blocks: Mapping[str, Sequence[Record]],
    strings: StringTable,
    order: str,
    size: int,
    row: Callable[[Record], tuple[int, ...]],
) -> bytes:
    if not blocks:
        return b""
    out = bytearray(struct.pack(order + "I", size))
    for name, records in blocks.items():
        out += struct.pack(order + "II", strings.add(name), len(records))
        for one in records:
            out += struct.pack(f"{order}{size // 4}I", *row(one))
    return bytes(out)
