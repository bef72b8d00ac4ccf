"""Call stacks of tests by the names of functions, and names for the addresses that maps and records have of them.

A function's address follows from its name, so that a stack has one number in all runs.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from bpfvm.core.errors import UsageError

_BASES = {"user": 0x5555_0000_0000, "kernel": 0xFFFF_FFFF_8100_0000}
_FUNCTION = 1 << 12  # bytes of each; an offset is below
_COUNT = {"user": 1 << 20, "kernel": 1 << 14}  # functions that there is room for
_FRAME = re.compile(r"([^\s+]+)(?:\+(0x[0-9a-fA-F]+|\d+))?")

_addresses: dict[tuple[str, str], int] = {}
_names: dict[int, str] = {}


def address(space: str, function: str) -> int:
    """Where a function of the kernel or of a process begins."""
    known = _addresses.get((space, function))
    if known is None:
        known = _BASES[space] + zlib.crc32(function.encode()) % _COUNT[space] * _FUNCTION
        while known in _names:
            known += _FUNCTION
        _addresses[space, function], _names[known] = known, function
    return known


def frames(space: str, given: Iterable[str | int] | None) -> tuple[int, ...] | None:
    """The return addresses of a stack, the innermost first: of functions by name ("do_nanosleep+0x6e"), or numbers."""
    if given is None:
        return None
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"a stack is a list of functions, the innermost first, not {given!r:.60}")
    return tuple(_address(space, one) for one in given)


def _address(space: str, frame: str | int) -> int:
    if isinstance(frame, int):
        return frame & (1 << 64) - 1
    found = _FRAME.fullmatch(frame) if isinstance(frame, str) and frame.isprintable() else None
    plus = int(found[2] or "0", 0) if found is not None else _FUNCTION
    if found is None or plus >= _FUNCTION:
        raise UsageError(f"a frame of a stack is a function, \"main\" or \"main+0x1c\" (below {_FUNCTION:#x}), or an "
                         f"address, not {frame!r:.60}")  # fmt: skip
    return address(space, found[1]) + plus


def named(frame: int) -> str:
    """The function that an address is in, "main+0x1c"; the address in hex where none is known."""
    start = frame // _FUNCTION * _FUNCTION
    if start not in _names:
        return f"{frame:#x}"
    return f"{_names[start]}+{frame - start:#x}" if frame != start else _names[start]
