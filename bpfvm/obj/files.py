"""Files that a user named, opened and read: whatever is wrong with one is one clear line."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from bpfvm.core.errors import LoadError
from bpfvm.obj.cursor import one_line


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """`path` open for reading. LoadError for what cannot be opened and for all but regular files: a pipe nobody writes
    to, or a device without an end, would hang.
    """
    name = one_line(os.fspath(path))
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise LoadError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise LoadError(f"{name}: not a regular file")
    return os.fdopen(number, "rb")


def read_at(number: int, offset: int, size: int) -> bytes:
    """`size` bytes of a file from `offset` on; fewer where it has no more. OSError where it cannot be read."""
    found = os.pread(number, size, offset)
    while found and len(found) < size:
        more = os.pread(number, size - len(found), offset + len(found))
        if not more:
            break
        found += more
    return found
