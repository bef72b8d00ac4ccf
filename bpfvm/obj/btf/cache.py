"""Indexes of large BTF on disk, so that a kernel's is made once.

One file an index, named by the SHA-256 of the BTF that it is of: another kernel's BTF has another name, so no answer is
ever of the wrong one. A file that is damaged or of another version counts as missing; where none can be kept, the index
is made each time.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bpfvm.obj import kept

_MAGIC = f"bpfvm BTF index 1 {sys.byteorder}\n".encode().ljust(32, b"\0")
_HEADER = struct.Struct("=32sQQI4x")  # magic, types, names, CRC-32 of what follows
_WORD = 4


@dataclass(frozen=True, slots=True)
class Table:
    """offsets: byte offset of each type. keys: the CRC-32 of names without flavour, in order; ids: whose they are."""

    offsets: Sequence[int]
    keys: Sequence[int]
    ids: Sequence[int]


def words(numbers: Sequence[int] | bytes) -> array[int]:
    """Numbers of 32 bits, or the bytes of such numbers."""
    found = array("I")
    assert found.itemsize == _WORD
    if isinstance(numbers, bytes):
        found.frombytes(numbers)
    else:
        found.extend(numbers)
    return found


def load(digest: str, types: int) -> Table | None:
    """The index of the BTF with this digest, whose types have this many bytes, or None."""
    data = kept.read(_path(digest))
    if data is None or len(data) < _HEADER.size:
        return None
    magic, count, names, check = _HEADER.unpack_from(data)
    body = memoryview(data)[_HEADER.size :]
    if magic != _MAGIC or len(body) != _WORD * (count + 2 * names) or zlib.crc32(body) != check:
        return None
    numbers = body.cast("I")
    found = Table(numbers[:count], numbers[count : count + names], numbers[count + names :])
    return found if not count or found.offsets[-1] < types else None


def save(digest: str, table: Table) -> None:
    """Keep `table` for later runs, whole or not at all; a folder that cannot be written is no error."""
    body = b"".join(words(part).tobytes() for part in (table.offsets, table.keys, table.ids))
    header = _HEADER.pack(_MAGIC, len(table.offsets), len(table.keys), zlib.crc32(body))
    kept.write(_path(digest), header + body)


def _path(digest: str) -> Path:
    return kept.folder() / f"btf-{digest}.index"
