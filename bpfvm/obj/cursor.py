"""Bytes that nobody is trusted about: every offset, size and count is checked before it is used.

All readers of files (ELF, BTF, captures) go through `Bytes` and `Strings`, so that damage is a LoadError that names the
part, the offset, what was wanted and what is there, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import struct

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.core.errors import one_line as one_line  # for those that read files

MAX_TEXT = 1 << 26  # bytes of all strings taken from one table; overlapping strings could otherwise add up without end


class Bytes:
    """A part of a file. name: what messages call it. endian: "little" or "big"."""

    def __init__(self, data: bytes | memoryview, name: str, endian: str = "little") -> None:
        self.data, self.name, self.endian = memoryview(data), name, endian
        self._order = "<" if endian == "little" else ">"

    def __len__(self) -> int:
        return len(self.data)

    def error(self, offset: int, reason: str) -> LoadError:
        """What is wrong at `offset` of this part."""
        return LoadError(f"{self.name}: offset {offset:#x}: {reason}")

    def cut(self, offset: int, size: int, what: str) -> memoryview:
        """`size` bytes from `offset`, none of them copied."""
        if offset < 0 or size < 0 or offset + size > len(self.data):
            raise self.error(
                offset,
                f"{what} needs {octets(size)}, and {max(0, len(self.data) - offset)} are left",
            )
        return self.data[offset : offset + size]

    def part(self, offset: int, size: int, what: str) -> Bytes:
        """The same as `cut`, as a part of its own that starts again at offset 0."""
        return Bytes(self.cut(offset, size, what), what, self.endian)

    def unpack(self, layout: str, offset: int, what: str) -> tuple[int, ...]:
        """Integers in this file's byte order; `layout` as in struct, without the byte order."""
        form = struct.Struct(self._order + layout)
        return form.unpack(self.cut(offset, form.size, what))

    def u32(self, offset: int, what: str) -> int:
        return self.unpack("I", offset, what)[0]

    def table(self, layout: str, offset: int, count: int, what: str) -> list[tuple[int, ...]]:
        """`count` rows of `layout`; the space is checked before the first is read."""
        form = struct.Struct(self._order + layout)
        return list(form.iter_unpack(self.cut(offset, form.size * count, f"a table of {count} ({what})")))


class Strings:
    """A table of strings that end with NUL, found by offset (ELF string tables, BTF strings)."""

    def __init__(self, table: Bytes) -> None:
        self._table, self._raw = table, bytes(table.data)
        self._known: dict[int, str] = {}
        self._taken = 0

    def at(self, offset: int) -> str:
        """The string at `offset`, which must be text in UTF-8 and end inside the table."""
        known = self._known.get(offset)
        return self._read(offset) if known is None else known

    def _read(self, offset: int) -> str:
        end = self._raw.find(b"\0", offset) if 0 <= offset < len(self._raw) else -1
        if end < 0:
            raise self._table.error(offset, f"no string ends here, and the table has {octets(len(self._raw))}")
        self._taken += end - offset
        if self._taken > MAX_TEXT:
            raise self._table.error(offset, f"more than {MAX_TEXT} bytes of strings")
        try:
            text = self._raw[offset:end].decode()
        except UnicodeDecodeError:
            raise self._table.error(offset, f"the string {self._raw[offset:end][:40]!r} is not UTF-8") from None
        self._known[offset] = text
        return text


class StringTable:
    """The strings of a table being written: offset 0 is the empty string, equal strings stand once."""

    def __init__(self) -> None:
        self._offsets = {"": 0}
        self._out = bytearray(1)

    def add(self, text: str) -> int:
        """The offset of `text`; LoadError where it holds a NUL."""
        offset = self._offsets.get(text)
        if offset is None:
            if "\0" in text:
                raise LoadError(f"the name {text!r} holds a NUL and cannot be written")
            offset = self._offsets[text] = len(self._out)
            self._out += text.encode(errors="surrogateescape") + b"\0"
        return offset

    def __bytes__(self) -> bytes:
        return bytes(self._out)
