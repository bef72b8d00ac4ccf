"""The bytes of BTF in a file: raw, as /sys/kernel/btf has it, or section .BTF of an ELF file of any machine.

An ELF file (a vmlinux with debug information may have a gigabyte) is not read whole: only its section headers, their
names and the one section.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.codec import MAGIC
from bpfvm.obj.cursor import Bytes, Strings, one_line
from bpfvm.obj.files import open_regular

MAX_SIZE = 256 << 20  # bytes of BTF; a kernel with all its modules has under 64 MiB
_NOBITS = 8

# Where e_shoff, e_shentsize and sh_offset stand, by ELF class: gABI chapter 4
_HEADER = {1: (52, "I", 32, 46), 2: (64, "Q", 40, 58)}  # size, address, offset of e_shoff and of e_shentsize
_SECTION = {1: "IIIIII", 2: "IIQQQQ"}  # name, type, flags, address, offset, size


def read_btf(path: str | os.PathLike[str]) -> Bytes:
    """The BTF in file `path`. LoadError, one line, for a file that cannot be read or has none."""
    name = one_line(os.fspath(path))
    with open_regular(path) as file:
        try:
            return _read(file, name)
        except OSError as error:
            raise LoadError(f"{name}: {error.strerror or error}") from None


def _read(file: BinaryIO, name: str) -> Bytes:
    start = file.read(4)
    if start == b"\x7fELF":
        return _section(_File(file, name), name)
    endian = {MAGIC.to_bytes(2, "little"): "little", MAGIC.to_bytes(2, "big"): "big"}.get(start[:2])
    if endian is None:
        raise LoadError(f"{name}: neither BTF nor ELF: it begins with {start!r}")
    file.seek(0)
    data = file.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise LoadError(f"{name}: more than {MAX_SIZE >> 20} MiB of BTF")
    return Bytes(data, f"{name}: .BTF", endian)


class _File:
    """Parts of a file, read when they are wanted."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        self.size = os.fstat(file.fileno()).st_size

    def part(self, offset: int, size: int, what: str, endian: str) -> Bytes:
        if size > MAX_SIZE or offset + size > self.size:
            there = f"the file has {self.size}, of which at most {MAX_SIZE} are read at once"
            raise LoadError(f"{self.name}: {what} needs {octets(size)} at {offset:#x}, and {there}")
        self.file.seek(offset)
        return Bytes(self.file.read(size), f"{self.name}: {what}", endian)


def _section(file: _File, name: str) -> Bytes:
    ident = file.part(0, min(16, file.size), "ELF header", "little").cut(0, 16, "the header")
    if ident[4] not in _HEADER or ident[5] not in (1, 2):
        raise LoadError(f"{name}: ELF class {ident[4]} and byte order {ident[5]}; wanted are 1 or 2")
    endian = "little" if ident[5] == 1 else "big"
    size, address, table_at, entry_at = _HEADER[ident[4]]
    header = file.part(0, size, "ELF header", endian)
    (start,) = header.unpack(address, table_at, "e_shoff")
    entry, count, names_at = header.unpack("HHH", entry_at, "e_shentsize")
    table = file.part(start, entry * count, "section headers", endian)
    rows = [table.unpack(_SECTION[ident[4]], number * entry, "a section header") for number in range(count)]
    if names_at >= count:
        raise LoadError(f"{name}: section {names_at} holds the names, and there are {count} sections")
    names = Strings(file.part(rows[names_at][4], rows[names_at][5], "section names", endian))
    for name_at, kind, _, _, offset, length in rows:
        if kind != _NOBITS and names.at(name_at) == ".BTF":
            return file.part(offset, length, ".BTF", endian)
    raise LoadError(f"{name}: no section .BTF; the file has no BTF")
