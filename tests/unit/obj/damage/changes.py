"""Files damaged on purpose, the same on every run: blindly, and objects with an eye for what stands where.

`damaged` takes any files. `damaged_objects` takes whole BPF objects and knows their structure: each of KINDS is one
way to be wrong, from a turned bit to a type that contains itself.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tests.unit.obj.damage.layout import ARRAY, NOBITS, PTR, REL, REL_TYPE, SECTION, SYMBOL, SYMTAB, Layout, layout

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 30, 1 << 63, (1 << 64) - 1)
FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}

Blind: TypeAlias = Callable[[bytearray, random.Random], None]
Aimed: TypeAlias = Callable[[bytearray, Layout, random.Random], None]


def damaged(files: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` files: bits turned, cut off, numbers replaced by extreme ones, stretches moved over others."""
    source = random.Random(seed)
    for _ in range(count):
        data = bytearray(source.choice(files))
        for _ in range(source.choice((1, 1, 2, 5))):
            source.choice(BLIND)(data, source)
        yield bytes(data)


@dataclass(frozen=True, slots=True)
class Damaged:
    """kind: of KINDS, the first damage that `whole` took. data: what it became."""

    kind: str
    data: bytes
    whole: bytes


def damaged_objects(files: Sequence[bytes], count: int, seed: int) -> Iterator[Damaged]:
    """`count` objects; all kinds of damage in turn, every third object with more damage on top."""
    source = random.Random(seed)
    names = list(KINDS)
    for number in range(count):
        whole = source.choice(files)
        known = layout(whole)
        data = bytearray(whole)
        kind = names[number % len(names)]
        for name in (kind, *source.choices(names, k=source.choice((0, 0, 0, 0, 1, 3)))):
            KINDS[name](data, known, source)
        yield Damaged(kind, bytes(data), whole)


# Blind damage


def _flip(data: bytearray, source: random.Random) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def _cut(data: bytearray, source: random.Random) -> None:
    del data[source.randrange(len(data) + 1) :]


def _extreme(data: bytearray, source: random.Random) -> None:
    size = source.choice((1, 2, 4, 8))
    if len(data) >= size:
        at = source.randrange(0, len(data) - size + 1) // size * size
        number = source.choice(EXTREMES) & ((1 << 8 * size) - 1)
        data[at : at + size] = number.to_bytes(size, source.choice(("little", "big")))


def _small(data: bytearray, source: random.Random) -> None:
    """A small number where another was: an id or an index that names something else."""
    if len(data) >= 4:
        at = source.randrange(len(data) // 4) * 4
        data[at : at + 4] = struct.pack(source.choice("<>") + "I", source.randrange(40))


def _move(data: bytearray, source: random.Random) -> None:
    if len(data) >= 64:
        size = source.randrange(1, 64)
        there, here = (source.randrange(len(data) - size + 1) for _ in range(2))
        data[there : there + size] = data[here : here + size]


BLIND: tuple[Blind, ...] = (_flip, _cut, _extreme, _small, _move)


# Damage with an aim. What an earlier damage cut off is not there any more: then nothing is put.


def _put(data: bytearray, known: Layout, at: int, size: int, number: int) -> None:
    if at + size <= len(data):
        struct.pack_into(known.order + FORMATS[size], data, at, number & ((1 << 8 * size) - 1))


def _get(data: bytearray, known: Layout, at: int, size: int) -> int:
    return int(struct.unpack_from(known.order + FORMATS[size], data, at)[0]) if at + size <= len(data) else 0


def _number(source: random.Random, old: int, length: int) -> int:
    """A size, a count or an offset that is wrong in an interesting way."""
    near = (old + 1, old - 1, old * 2, old + 4, old + 8, old // 2, length, length + 1, length - old, 1 << 20, 1 << 24)
    return source.choice(EXTREMES if source.random() < 0.5 else near)


def _flips(data: bytearray, known: Layout, source: random.Random) -> None:
    for _ in range(source.choice((1, 1, 2, 8, 30))):
        _flip(data, source)


def _truncate(data: bytearray, known: Layout, source: random.Random) -> None:
    """Anywhere, or at the edge of a section."""
    edges = [one.offset + one.size + source.choice((-1, 0, 1)) for one in known.parts if one.size]
    at = source.choice(edges) if source.random() < 0.5 else source.randrange(len(data) + 1)
    del data[at:]


def _huge(data: bytearray, known: Layout, source: random.Random) -> None:
    """A size, a count or an offset of any of the tables."""
    at, size = source.choice(source.choice(_size_fields(known)))
    _put(data, known, at, size, _number(source, _get(data, known, at, size), len(data)))


def _size_fields(known: Layout) -> list[list[tuple[int, int]]]:
    """File offset and width of each size, count and offset, by what they belong to."""
    sections = [
        (one.header + at, size) for one in known.parts for at, size in ((0, 4), (24, 8), (32, 8), (40, 4), (44, 4))
    ]
    groups = [[(40, 8), (58, 2), (60, 2), (62, 2)], sections, sections]
    symbols = known.tables(SYMTAB, SYMBOL)
    groups.append([(at + place, size) for at in symbols for place, size in ((0, 4), (8, 8), (16, 8))])
    if known.types:
        start = known.by_name[".BTF"].offset
        groups.append([(start + place, 4) for place in range(4, 24, 4)])
        groups.append([(one.at + place, size) for one in known.types for place, size in ((0, 4), (4, 2), (8, 4))])
        rows = [(at + place, 4) for one in known.types for at in one.rows for place in range(0, one.rows.step, 4)]
        groups += [rows] if rows else []
    if known.ext:
        start = known.by_name[".BTF.ext"].offset
        groups.append([(start + place, 4) for place in range(4, 32, 4)])
        groups.append([(at, 4) for one in known.ext for block in one.blocks for at in (one.at, block, block + 4)])
    return [group for group in groups if group]


def _cycle(data: bytearray, known: Layout, source: random.Random) -> None:
    """Types that contain themselves: one in itself, or a ring of several."""
    chosen = [(number, one) for number, one in enumerate(known.types, 1) if one.references]
    if not chosen:
        return _flip(data, source)
    ring = [source.choice(chosen) for _ in range(source.choice((1, 1, 2, 3, 8)))]
    for (_, one), (number, _) in zip(ring, [*ring[1:], ring[0]], strict=True):
        _put(data, known, source.choice(one.references), 4, number)


def _types(data: bytearray, known: Layout, source: random.Random) -> None:
    """References to other types than were meant, kinds that others were."""
    if not known.types:
        return _flip(data, source)
    for _ in range(source.choice((1, 1, 3))):
        one = source.choice(known.types)
        if one.references and source.random() < 0.7:
            number = source.choice(
                (0, len(known.types), len(known.types) + 1, source.randrange(1, len(known.types) + 1))
            )
            _put(data, known, source.choice(one.references), 4, number)
        else:
            info = _get(data, known, one.at + 4, 4)
            _put(
                data,
                known,
                one.at + 4,
                4,
                source.choice((info ^ 1 << 31, info & ~(31 << 24) | source.randrange(32) << 24)),
            )


def _maps(data: bytearray, known: Layout, source: random.Random) -> None:
    """Declarations of maps: their numbers, what their pointers lead to, the bytes of old ones."""
    old = [one for one in known.parts if one.name in ("maps", ".maps") or one.name.startswith("maps")]
    if old and source.random() < 0.3:
        part = source.choice(old)
        at = part.offset + source.randrange(max(part.size // 4, 1)) * 4
        return _put(data, known, at, 4, _number(source, _get(data, known, at, 4), part.size))
    types = known.map_types()
    if not types:
        return _huge(data, known, source)
    arrays = [one for one in types if one.kind == ARRAY]
    if arrays and source.random() < 0.5:
        at = source.choice(arrays).rows[0] + 8
        return _put(data, known, at, 4, _number(source, _get(data, known, at, 4), 100))
    one = source.choice([one for one in types if one.references] or types)
    at = source.choice(one.references) if one.references else one.at + 8
    target = source.choice(types)
    others = (0, known.types.index(target) + 1, known.types.index(one) + 1, source.randrange(1, len(known.types) + 1))
    _put(data, known, at, 4, source.choice(others))
    if one.kind == PTR and source.random() < 0.2:
        _put(data, known, one.at, 4, source.randrange(200))


def _overlap(data: bytearray, known: Layout, source: random.Random) -> None:
    """One section over another, over the headers, over itself; one table in two."""
    one, other = source.choice(known.parts), source.choice(known.parts)
    shift = source.choice((0, 0, 1, 8, -8))
    match source.randrange(5):
        case 0:
            _put(data, known, one.header + 24, 8, other.offset + shift)
        case 1:
            _put(data, known, one.header + 24, 8, other.offset)
            _put(data, known, one.header + 32, 8, other.size + shift)
        case 2:
            _put(data, known, one.header + 24, 8, source.choice((0, known.headers, known.headers + SECTION)))
        case 3:
            data[one.header : one.header + SECTION] = data[other.header : other.header + SECTION].ljust(SECTION, b"\0")
        case 4:
            _put(data, known, one.header + 32, 8, one.size + other.size)


def _sections(data: bytearray, known: Layout, source: random.Random) -> None:
    """Sections of another type, with other flags, other links, another name."""
    one = source.choice(known.parts)
    match source.randrange(4):
        case 0:
            _put(
                data, known, one.header + 4, 4, source.choice((0, 1, 2, 3, 4, 7, NOBITS, REL_TYPE, 11, 18, 0x6FFF_4C03))
            )
        case 1:
            _put(data, known, one.header + 8, 8, source.choice((0, 1, 2, 3, 4, 5, 6, 7, 0x32, 1 << 31)))
        case 2:
            _put(data, known, one.header + source.choice((40, 44)), 4, source.randrange(len(known.parts) + 2))
        case 3:
            _put(data, known, one.header, 4, _get(data, known, source.choice(known.parts).header, 4))


def _symbols(data: bytearray, known: Layout, source: random.Random) -> None:
    """Symbols elsewhere, of other size, of other kind, of other name."""
    rows = known.tables(SYMTAB, SYMBOL)
    if not rows:
        return _flip(data, source)
    at = source.choice(rows)
    match source.randrange(5):
        case 0:
            _put(data, known, at + 6, 2, source.choice((0, 1, 2, 3, 4, 5, 0xFF00, 0xFFF1, 0xFFF2, 0xFFFF)))
        case 1:
            _put(data, known, at + 8, 8, _number(source, _get(data, known, at + 8, 8), 64) & ~source.choice((0, 7)))
        case 2:
            _put(data, known, at + 16, 8, _number(source, _get(data, known, at + 16, 8), 64))
        case 3:
            _put(data, known, at + 4, 1, source.choice((0, 1, 2, 3, 4, 6)) | source.randrange(4) << 4)
        case 4:
            _put(data, known, at, 4, _get(data, known, source.choice(rows), 4))


def _relocations(data: bytearray, known: Layout, source: random.Random) -> None:
    """Relocations at other places, of other types, to other symbols."""
    rows = known.tables(REL_TYPE, REL)
    if not rows:
        return _symbols(data, known, source)
    at = source.choice(rows)
    match source.randrange(3):
        case 0:
            _put(data, known, at, 8, _number(source, _get(data, known, at, 8), 64))
        case 1:
            _put(data, known, at + (8 if known.order == "<" else 12), 4, source.choice((0, 1, 2, 3, 4, 5, 10, 99)))
        case 2:
            symbol = source.randrange(len(known.tables(SYMTAB, SYMBOL)) + 1)
            _put(data, known, at + (12 if known.order == "<" else 8), 4, symbol)


def _ext(data: bytearray, known: Layout, source: random.Random) -> None:
    """Functions, lines and their counts in .BTF.ext."""
    if not known.ext:
        return _huge(data, known, source)
    records = source.choice(known.ext)
    if source.random() < 0.4 or not records.rows:
        at = source.choice([records.at, *(block + place for block in records.blocks for place in (0, 4))])
    else:
        at = source.choice(records.rows) + source.randrange(records.size // 4) * 4
    _put(data, known, at, 4, _number(source, _get(data, known, at, 4), len(known.types)))


def _core(data: bytearray, known: Layout, source: random.Random) -> None:
    """CO-RE relocations: their instruction, type, access string and kind, and the strings themselves."""
    if len(known.ext) < 3:
        return _ext(data, known, source)
    at = source.choice(known.ext[2].rows)
    match source.randrange(5):
        case 0:
            _put(data, known, at, 4, _number(source, _get(data, known, at, 4), 64))
        case 1:
            _put(data, known, at + 4, 4, source.choice((0, source.randrange(1, len(known.types) + 2))))
        case 2:
            _put(
                data, known, at + 8, 4, _get(data, known, source.choice(known.ext[2].rows) + 8, 4) + source.randrange(3)
            )
        case 3:
            _put(data, known, at + 12, 4, source.choice((*range(14), 0xFFFF_FFFF)))
        case 4:
            start = known.by_name[".BTF"].offset
            strings = start + _get(data, known, start + 4, 4) + _get(data, known, start + 16, 4)
            text = strings + _get(data, known, at + 8, 4)
            for place, byte in enumerate(
                source.choice((b"0:99", b":", b"9999999", b"-1", b"0:\xff", b"0x1", b"0:0:0:0"))
            ):
                _put(data, known, text + place, 1, byte)


def _code(data: bytearray, known: Layout, source: random.Random) -> None:
    """Instructions: other operations, registers, distances, numbers."""
    code = [one for one in known.parts if one.type == 1 and one.size >= 8 and not one.name.startswith(".")]
    if not code:
        return _flip(data, source)
    part = source.choice(code)
    for _ in range(source.choice((1, 1, 4))):
        at = part.offset + source.randrange(part.size // 8) * 8
        place, size = source.choice(((0, 1), (1, 1), (2, 2), (4, 4)))
        number = source.choice(
            (source.getrandbits(8 * size), _get(data, known, at + place, size) + 1, 1 << 8 * size - 1)
        )
        _put(data, known, at + place, size, number)


def _names(data: bytearray, known: Layout, source: random.Random) -> None:
    """Strings: no UTF-8, no end, control characters, a neighbour's."""
    tables = [one for one in known.parts if one.name in (".strtab", ".symtab", ".BTF", "license") and one.size]
    part = source.choice(tables)
    for _ in range(source.choice((1, 2, 10))):
        at = part.offset + source.randrange(part.size)
        _put(data, known, at, 1, source.choice((0, 0xFF, 0xC3, 0x0A, 0x1B, 0x25, 0x2F, 0x2E, 0x41)))


def _stretches(data: bytearray, known: Layout, source: random.Random) -> None:
    _move(data, source)


KINDS: Mapping[str, Aimed] = {
    "flip": _flips, "truncate": _truncate, "huge": _huge, "cycle": _cycle, "types": _types, "maps": _maps,
    "overlap": _overlap, "sections": _sections, "symbols": _symbols, "relocations": _relocations, "ext": _ext,
    "core": _core, "code": _code, "names": _names, "move": _stretches,
}  # fmt: skip
