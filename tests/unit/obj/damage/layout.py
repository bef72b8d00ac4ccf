"""Where the fields of a whole object file stand, found by a reader of its own: what damage.py aims at.

Written apart from bpfvm.obj, so that one misunderstanding does not hide in both. Only for files that are sound.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

HEADER, SECTION, SYMBOL, REL = 64, 64, 24, 16  # bytes of the ELF header and of one row of each table
SYMTAB, NOBITS, REL_TYPE = 2, 8, 9  # sh_type
ARRAY, STRUCT, DATASEC, PTR, VAR = 3, 4, 15, 2, 14  # BTF kinds
# Kinds of BTF whose third word is a type id. Then kind: words of a row that follows, the places of type ids among them,
# and whether there is one row for each vlen.
REFERS = frozenset({2, 8, 9, 10, 11, 12, 13, 14, 17, 18})
ROWS: Mapping[int, tuple[int, tuple[int, ...], bool]] = {
    1: (1, (), False), 3: (3, (0, 1), False), 4: (3, (1,), True), 5: (3, (1,), True), 6: (2, (), True),
    13: (2, (1,), True), 14: (1, (), False), 15: (3, (0,), True), 17: (1, (), False), 19: (3, (), True),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A section. header: file offset of its section header. offset, size: of its bytes, size 0 for those without."""

    name: str
    type: int
    header: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class TypeAt:
    """A BTF type at file offset `at`. references: file offsets of the type ids in it. rows: of the words behind it."""

    at: int
    name: str
    kind: int
    third: int
    references: tuple[int, ...]
    rows: range


@dataclass(frozen=True, slots=True)
class Records:
    """Records of .BTF.ext for one section. size: of one. blocks: file offsets of (section name, count) pairs."""

    at: int
    size: int
    blocks: tuple[int, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """order: "<" or ">". ext: functions, lines, CO-RE relocations, as far as the file has them."""

    order: str
    headers: int
    parts: tuple[Part, ...]
    types: tuple[TypeAt, ...] = ()
    ext: tuple[Records, ...] = ()
    by_name: Mapping[str, Part] = field(default_factory=dict)

    def tables(self, kind: int, row: int) -> list[int]:
        """File offsets of the rows of all tables of section type `kind`."""
        return [at for one in self.parts if one.type == kind for at in range(one.offset, one.offset + one.size, row)]

    def map_types(self) -> list[TypeAt]:
        """The BTF types that section .maps is made of, to the depth of arrays and values."""
        start = [number for number, one in enumerate(self.types) if (one.kind, one.name) == (DATASEC, ".maps")]
        found: dict[int, TypeAt] = {}
        while start and len(found) < 200:
            number = start.pop()
            one = self.types[number]
            if number in found:
                continue
            found[number] = one
            start += [target - 1 for target in self.targets[number] if 0 < target <= len(self.types)]
        return list(found.values())

    targets: tuple[tuple[int, ...], ...] = ()  # by type, the ids that it names


@lru_cache(maxsize=256)
def layout(data: bytes) -> Layout:
    """The layout of an object file."""
    order = "<" if data[5] == 1 else ">"
    (headers,) = struct.unpack_from(order + "Q", data, 40)
    _, count, names_at = struct.unpack_from(order + "HHH", data, 58)
    rows = [struct.unpack_from(order + "IIQQQQIIQQ", data, headers + SECTION * number) for number in range(count)]
    names = rows[names_at][4]
    parts = tuple(
        Part(_text(data, names + row[0]), row[1], headers + SECTION * number, row[4], 0 if row[1] == NOBITS else row[5])
        for number, row in enumerate(rows)
    )
    by_name = {one.name: one for one in parts}
    if ".BTF" not in by_name:
        return Layout(order, headers, parts, by_name=by_name)
    types = tuple(_types(data, by_name[".BTF"].offset, order))
    targets = tuple(tuple(struct.unpack_from(order + "I", data, at)[0] for at in one.references) for one in types)
    ext = tuple(_ext(data, by_name[".BTF.ext"].offset, order)) if ".BTF.ext" in by_name else ()
    return Layout(order, headers, parts, types, ext, by_name, targets)


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def _types(data: bytes, start: int, order: str) -> Iterator[TypeAt]:
    length, types_at, size, strings_at = struct.unpack_from(order + "IIII", data, start + 4)
    at, strings = start + length + types_at, start + length + strings_at
    end = at + size
    while at < end:
        name, info, third = struct.unpack_from(order + "III", data, at)
        kind = info >> 24 & 31
        words, places, counted = ROWS.get(kind, (0, (), False))
        rows = (
            range(at + 12, at + 12 + 4 * words * (info & 0xFFFF if counted else 1), 4 * words or 4)
            if words
            else range(0)
        )
        references: tuple[int, ...] = (at + 8,) if kind in REFERS else ()
        references += tuple(row + 4 * place for row in rows for place in places)
        yield TypeAt(at, _text(data, strings + name), kind, third, references, rows)
        at += 12 + 4 * words * len(rows)


def _ext(data: bytes, start: int, order: str) -> Iterator[Records]:
    (length,) = struct.unpack_from(order + "I", data, start + 4)
    for field_at in range(start + 8, start + min(length, 32), 8):
        offset, size = struct.unpack_from(order + "II", data, field_at)
        if not size:
            continue
        at = first = start + length + offset
        (record,) = struct.unpack_from(order + "I", data, at)
        blocks: list[int] = []
        rows: list[int] = []
        at += 4
        while at < first + size:
            (count,) = struct.unpack_from(order + "I", data, at + 4)
            blocks.append(at)
            rows += range(at + 8, at + 8 + record * count, record)
            at += 8 + record * count
        yield Records(first, record, tuple(blocks), tuple(rows))
