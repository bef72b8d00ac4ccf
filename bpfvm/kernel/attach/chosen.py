"""Functions that are chosen among several when a file is loaded, by what the CPU can do: strlen, memcpy of a libc.

Their symbols (STT_GNU_IFUNC, the GNU gABI) stand at what chooses, which runs once in a process and never again. What it
chooses is the same in every process of a machine, so it is asked of this one, where the dynamic linker has the file
loaded; nothing is loaded for it.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.obj.executables.symbols import Function

_MAPS = Path("/proc/self/maps")


def chosen(program: str, path: str, one: Function) -> int:
    """Where in the file the function is that was chosen. LoadError where this process has not loaded the file."""
    try:
        library = ctypes.CDLL(path, mode=os.RTLD_LAZY | os.RTLD_NOLOAD)
        address = ctypes.cast(getattr(library, one.name), ctypes.c_void_p).value or 0
    except (OSError, AttributeError):
        address = 0
    found = _in_file(path, address)
    if found is None:
        raise LoadError(
            f"{program}: {path} chooses what {one.name} is when it is loaded (STT_GNU_IFUNC), and this process has not "
            f"loaded it: name one of those that it chooses among, or an address"
        )
    return found


def _in_file(path: str, address: int) -> int | None:
    """The place in a file of what this process has at an address; None where that is not the file's."""
    for line in _MAPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        area, _, offset, _, inode, *rest = line.split(maxsplit=5)
        start, end = (int(word, 16) for word in area.split("-"))
        if start <= address < end:
            is_same = bool(rest) and int(inode) == os.stat(path).st_ino
            return address - start + int(offset, 16) if is_same else None
    return None
