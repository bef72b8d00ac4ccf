"""Large BTF, of a kernel or its modules: an index of where types stand, and types decoded when they are asked for.

The index of a kernel's 130 000 types is made in one pass over their bytes and kept on disk (cache.py). A module's BTF
is split: its ids and its strings go on where those of the kernel end (Documentation/bpf/btf.rst).
"""

from __future__ import annotations

import os
import sys
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import ClassVar, Literal

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf import cache as btf_cache
from bpfvm.obj.btf.cache import Table
from bpfvm.obj.btf.codec import KINDS, MAX_VLEN, check_ids, decode_one, split, unknown_kind
from bpfvm.obj.btf.file import read_btf
from bpfvm.obj.btf.types import Enum, Enum64, Int, Type
from bpfvm.obj.btf.view import POINTER_SIZE, TypeView, essential_name
from bpfvm.obj.cursor import Bytes, Strings

SMALL = 1 << 18  # bytes of BTF whose index is made faster than it is read from disk
_LONG = ("long", "long int", "unsigned long", "long unsigned int", "unsigned long int")  # in Linux as wide as a pointer


def open_index(path: str | os.PathLike[str], base: BtfIndex | None = None) -> BtfIndex:
    """The BTF in file `path`, raw or in an ELF file. base: what it continues, where it is a module's."""
    return BtfIndex(read_btf(path), base)


class BtfIndex(TypeView):
    """The types of a section .BTF (`section`), those of `base` in front of them."""

    def __init__(self, section: Bytes, base: BtfIndex | None = None) -> None:
        if base is not None and base.endian != section.endian:
            raise LoadError(
                f"{section.name}: {section.endian}-endian, and the BTF that it continues is {base.endian}-endian"
            )
        self.endian, self.name, self.base = section.endian, section.name, base
        self._part, table = split(section)
        self._texts = Strings(table)
        self.strings = table.data
        self._text_start = base.text_end if base is not None else 0
        self.text_end: int = self._text_start + len(table)
        self._first = len(base) + 1 if base is not None else 1
        self._table = _table(section, self._part, _Texts(table, base))
        self._known: dict[int, Type] = {}
        self._pointer_size = 0

    def __len__(self) -> int:
        return self._first - 1 + len(self._table.offsets)

    def __repr__(self) -> str:
        return f"<BtfIndex of {len(self)} types, {self.name}>"

    def __getitem__(self, number: int) -> Type:
        known = self._known.get(number)
        if known is not None:
            return known
        if not 0 < number <= len(self):
            raise LoadError(f"there is no BTF type {number}: ids go from 1 to {len(self)}")
        if number < self._first:
            assert self.base is not None
            return self.base[number]
        one, _ = decode_one(self._part, self._table.offsets[number - self._first], self.text)
        check_ids(one, number, len(self), self.name)
        self._known[number] = one
        return one

    def text(self, offset: int) -> str:
        """The string at `offset`."""
        if offset < self._text_start:
            assert self.base is not None
            return self.base.text(offset)
        return self._texts.at(offset - self._text_start)

    def named(self, essential: str) -> Sequence[int]:
        """The ids of all types whose name without its flavour is `essential`, in order."""
        found = list(self.base.named(essential)) if self.base is not None else []
        key = _key(essential.encode(errors="surrogateescape"))
        for at in range(bisect_left(self._table.keys, key), len(self._table.keys)):
            if self._table.keys[at] != key:
                break
            number = self._table.ids[at]
            name = self._part.u32(self._table.offsets[number], "a type")
            if essential_name(self.text(name)) == essential:
                found.append(self._first + number)
        return found

    def beginning(self, start: str) -> list[str]:
        """Names that begin so, of whatever they are."""
        first = start.encode(errors="surrogateescape")
        return sorted(
            {one.decode(errors="replace") for one in bytes(self.strings).split(b"\0") if one.startswith(first)}
        )

    def enumerator(self, name: str) -> int | None:
        """The value of an enumerator, None where no enum has one of this name; of several the first."""
        wanted = name.encode(errors="surrogateescape")
        table, data = b"\0" + bytes(self.strings), bytes(self._part.data)
        place = table.find(b"\0" + wanted + b"\0")
        if place < 0 or not wanted:
            return self.base.enumerator(name) if self.base is not None else None
        word = (self._text_start + place).to_bytes(4, self._order)
        at = data.find(word)
        while at >= 0:
            number = bisect_right(self._table.offsets, at) - 1
            one = self[self._first + number] if at % 4 == 0 and number >= 0 else None
            if isinstance(one, Enum | Enum64) and name in dict(one.values):
                return dict(one.values)[name]
            at = data.find(word, at + 1)
        return None

    @property
    def _order(self) -> Literal["little", "big"]:
        return "big" if self.endian == "big" else "little"

    @property
    def pointer_size(self) -> int:
        """Bytes of a pointer: those of `long`, where that is described."""
        if not self._pointer_size:
            longs = (self[number] for number in sorted(number for name in _LONG for number in self.named(name)))
            sizes = (one.size for one in longs if isinstance(one, Int) and one.size in (4, 8))
            self._pointer_size = next(sizes, POINTER_SIZE)
        return self._pointer_size


class _Texts:
    """The strings of a section and of what it continues, as bytes."""

    def __init__(self, table: Bytes, base: BtfIndex | None) -> None:
        self.own, self._base = bytes(table.data), base
        self.start = base.text_end if base is not None else 0

    def at(self, offset: int) -> bytes:
        """The string at `offset`; b"" for one that is damaged, which is found when it is read."""
        if self._base is not None and offset < self.start:
            return self._base.text(offset).encode(errors="surrogateescape")
        return self.own[offset - self.start : max(self.own.find(0, offset - self.start), 0)]

    def digest(self, section: Bytes) -> str:
        """Of `section` and of the strings that it refers to."""
        import hashlib

        found = hashlib.sha256(section.data)
        base = self._base
        while base is not None:
            found.update(base.strings)
            base = base.base
        return found.hexdigest()


def _table(section: Bytes, part: Bytes, texts: _Texts) -> Table:
    """The index, from disk or made anew. Ids in it count from 0."""
    if len(section) < SMALL:
        return _made(part, texts)
    digest = texts.digest(section)
    found = btf_cache.load(digest, len(part))
    if found is None:
        found = _made(part, texts)
        btf_cache.save(digest, found)
    return found


def _made(part: Bytes, texts: _Texts) -> Table:
    numbers = btf_cache.words(bytes(part.data[: len(part) & ~3]))
    if part.endian != sys.byteorder:
        numbers.byteswap()
    places = _places(part, numbers)
    names = [numbers[place] for place in places]
    keys = _keys(set(names), texts)
    named = [number for number, name in enumerate(names) if name in keys]
    of_type = [keys.get(name, 0) for name in names]
    named.sort(key=of_type.__getitem__)
    return Table([4 * place for place in places], btf_cache.words([of_type[one] for one in named]), named)


class _Steps(dict[int, int]):
    """Info word of a type -> how many words the type has; 0 for a kind that is not known."""

    _ROWS: ClassVar = {row.number: (len(row.layout), row.counted) for row in KINDS}

    def __missing__(self, info: int) -> int:
        words, counted = self._ROWS.get(info >> 24 & 31, (-3, False))
        self[info] = step = 3 + words * (info & MAX_VLEN if counted else 1)
        return step


def _places(part: Bytes, numbers: Sequence[int]) -> list[int]:
    """Where each type begins, in words. LoadError for a kind that is not known and a type that is cut off."""
    places: list[int] = []
    steps = _Steps()
    at, end = 0, len(numbers) - 2  # a type has three words or more
    while at < end:
        places.append(at)
        step = steps[numbers[at + 1]]
        if not step:
            raise part.error(4 * at, unknown_kind(numbers[at + 1] >> 24 & 31))
        at += step
    if 4 * at != len(part):
        last = places[-1] if places else 0
        raise part.error(4 * last, f"the last type ends at {4 * at:#x}, and the types at {len(part):#x}")
    return places


def _keys(offsets: set[int], texts: _Texts) -> dict[int, int]:
    """Offset of a name -> its key, for types that have one."""
    found = {}
    at = texts.start
    for name in texts.own.split(b"\0")[:-1]:
        if name and at in offsets:
            found[at] = zlib.crc32(name) if b"___" not in name else _key(name)
        at += len(name) + 1
    for offset in offsets - found.keys():  # in what this section continues, or in the middle of a string
        name = texts.at(offset)
        if name:
            found[offset] = _key(name)
    return found


def _key(name: bytes) -> int:
    return zlib.crc32(essential_name(name.decode(errors="surrogateescape")).encode(errors="surrogateescape"))
