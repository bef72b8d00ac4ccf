"""The peer of `benchmarks.tables` in bcc's Python: `items()` of a table over the map behind descriptor sys.argv[1].

It runs by itself under the system's Python, which has bcc; nothing of the project is imported. Keys and values have
sys.argv[2] bytes. Prints the least CPU seconds of sys.argv[3] rounds of items() and of items_lookup_batch(), and how
many elements there were.
"""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any

ENTRIES = 100_000


class Wide(ctypes.Structure):
    """A struct of 24 bytes, as BPF() makes one for a C struct."""

    _fields_ = (("first", ctypes.c_ulonglong), ("second", ctypes.c_ulonglong), ("third", ctypes.c_ulonglong))


def main() -> None:
    from bcc.table import HashTable  # type: ignore[import-not-found]

    number, size, rounds = map(int, sys.argv[1:4])
    table: Any = object.__new__(HashTable)  # its __init__ asks a compiled module for what is set here
    table.map_fd, table.max_entries, table.flags = number, ENTRIES, 0
    table.Key = table.Leaf = Wide if size == ctypes.sizeof(Wide) else ctypes.c_ulonglong
    spent: dict[str, list[float]] = {"items": [], "items_lookup_batch": []}
    for _ in range(rounds):
        for way, each in spent.items():
            start = time.thread_time()
            for _key, _value in getattr(table, way)():
                pass
            each.append(time.thread_time() - start)
    count = len(table.items())
    print(*(min(each) for each in spent.values()), count)


if __name__ == "__main__":
    main()
