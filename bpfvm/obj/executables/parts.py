"""A file of which a few parts are read, each when it is asked for.

Mapped, it would be a signal for who reads it while somebody cuts it short; and debug files have gigabytes, too many to
be read whole.
"""

from __future__ import annotations

import os
import struct
import weakref

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.cursor import Bytes
from bpfvm.obj.files import open_regular, read_at


class Parts:
    """Parts of a file as Bytes gives them. LoadError for a file that cannot be read, or is damaged.

    endian: "little" or "big", of what it holds.
    """

    def __init__(self, path: str) -> None:
        self.path, self.endian = path, "little"
        with open_regular(path) as file:
            self._number = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._number)
        self._size = os.fstat(self._number).st_size

    def __len__(self) -> int:
        return self._size

    def error(self, offset: int, reason: str) -> LoadError:
        """What is wrong at `offset` of the file."""
        return LoadError(f"{self.path}: offset {offset:#x}: {reason}")

    def part(self, offset: int, size: int, what: str) -> Bytes:
        """`size` bytes from `offset`, which messages call `what`."""
        if offset + size > self._size:
            left = max(0, self._size - offset)
            raise self.error(offset, f"{what} needs {octets(size)}, and {left} are left")
        try:
            found = read_at(self._number, offset, size)
        except OSError as error:
            raise LoadError(f"{self.path}: {error.strerror or error}") from None
        if len(found) < size:
            raise self.error(offset, f"somebody cut the file short while {what} was read")
        return Bytes(found, what, self.endian)

    def unpack(self, layout: str, offset: int, what: str) -> tuple[int, ...]:
        """Integers in the file's byte order; `layout` as in struct, without the byte order."""
        return self.part(offset, struct.calcsize("=" + layout), what).unpack(layout, 0, what)
