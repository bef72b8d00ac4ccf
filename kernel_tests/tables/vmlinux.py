"""The running kernel's own types: enumerators, and the members of structures with their places.

A reader of its own, of the few kinds that are asked for: what the tables say is held against nothing of bpfvm itself.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

PATH = Path("/sys/kernel/btf/vmlinux")

# bytes behind the 12 of each type, by kind (Documentation/bpf/btf.rst): of a fixed part, and of each of vlen entries
_FIXED = {1: 4, 3: 12, 14: 4, 17: 4}
_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _TYPEDEF, _CONST, _FUNC, _ENUM64 = 1, 2, 3, 4, 5, 6, 8, 10, 12, 19

Type = tuple[int, str, int, int, int, int]  # kind, name, vlen, size or type, offset of what follows, kind flag


class Vmlinux:
    """The types of /sys/kernel/btf/vmlinux."""

    def __init__(self, data: bytes) -> None:
        _, _, _, length, types, size, strings, _ = struct.unpack_from("<HBBIIIII", data)
        self._data, self._strings = data, length + strings
        self.types: list[Type] = [(0, "", 0, 0, 0, 0), *self._walk(length + types, length + types + size)]

    def _walk(self, at: int, end: int) -> Iterator[Type]:
        while at < end:
            name, info, size = struct.unpack_from("<III", self._data, at)
            kind, vlen = info >> 24 & 0x1F, info & 0xFFFF
            yield kind, self._text(name), vlen, size, at + 12, info >> 31
            at += 12 + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * vlen

    def _text(self, at: int) -> str:
        start = self._strings + at
        return self._data[start : self._data.index(0, start)].decode()

    @functools.cached_property
    def _places(self) -> Mapping[tuple[int, str], int]:
        return {(one[0], one[1]): number for number, one in reversed(list(enumerate(self.types)))}

    def find(self, kind: int, name: str) -> int | None:
        """The number of the first type of this kind and name."""
        return self._places.get((kind, name))

    def typedef(self, name: str) -> int | None:
        """A typedef's number."""
        return self.find(_TYPEDEF, name)

    def function(self, name: str) -> int | None:
        """A function's number."""
        return self.find(_FUNC, name)

    def enum(self, name: str) -> dict[str, int]:
        """The enumerators of an enum: name -> value."""
        number = self.find(_ENUM, name)
        assert number is not None, name
        _, _, vlen, _, at, _ = self.types[number]
        pairs = struct.iter_unpack("<II", self._data[at : at + 8 * vlen])
        return {self._text(text): value for text, value in pairs}

    def members(self, name: str) -> dict[str, tuple[int, int]]:
        """Offset and size in bytes of each member of a structure; those of unnamed members stand beside the others."""
        number = self.find(_STRUCT, name)
        assert number is not None, name
        return dict(self._members(number, 0))

    def size(self, name: str) -> int:
        """Bytes of a structure."""
        number = self.find(_STRUCT, name)
        assert number is not None, name
        return self.types[number][3]

    def _members(self, number: int, base: int) -> Iterator[tuple[str, tuple[int, int]]]:
        _, _, vlen, _, at, flag = self.types[number]
        for text, kind, bits in struct.iter_unpack("<III", self._data[at : at + 12 * vlen]):
            name, offset = self._text(text), base + (bits & 0xFFFFFF if flag else bits) // 8
            inner = self._strip(kind)
            if not name and self.types[inner][0] in (_STRUCT, _UNION):
                yield from self._members(inner, offset)
            elif name:
                yield name, (offset, self._size(inner))

    def _strip(self, number: int) -> int:
        while self.types[number][0] in (_TYPEDEF, 9, _CONST, 11, 18):
            number = self.types[number][3]
        return number

    def _size(self, number: int) -> int:
        kind, _, _, size, at, _ = self.types[number]
        if kind == _PTR:
            return 8
        if kind != _ARRAY:
            return size
        element, _, count = struct.unpack_from("<III", self._data, at)
        return int(count) * self._size(self._strip(element))


@functools.cache
def vmlinux() -> Vmlinux:
    """The running kernel's types."""
    return Vmlinux(PATH.read_bytes())
