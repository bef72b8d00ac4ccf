"""Machine code as it is kept: flat bytes, and which words of them need an address. A process lays it into executable
memory without LLVM, whose library alone takes longer to load than most programs take to run."""

from __future__ import annotations

import ctypes
import json
import mmap
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from bpfvm.core.bits import M64
from bpfvm.core.errors import Unavailable
from bpfvm.emulator.executable import PROT_EXEC, REFUSED

WORD = struct.Struct("<Q")


@dataclass(slots=True)
class Image:
    """code: the bytes. exports: where functions are in it. own: places of words to which the code's address is added.
    outside: places of words to which the address of a function of the C library is added, by its name."""

    code: bytearray
    exports: dict[str, int] = field(default_factory=dict)
    own: list[int] = field(default_factory=list)
    outside: dict[str, list[int]] = field(default_factory=dict)

    def __bytes__(self) -> bytes:
        """As it is kept: a line of JSON, then the code."""
        head = {"exports": self.exports, "own": self.own, "outside": self.outside}
        return json.dumps(head).encode() + b"\n" + self.code

    @classmethod
    def kept(cls, data: bytes) -> Self:
        """What bytes() gave."""
        head, _, code = data.partition(b"\n")
        return cls(bytearray(code), **json.loads(head))


class Loaded:
    """An image in memory, executable as long as this lives; Unavailable where that is refused after all.

    addresses: of what it exports.
    """

    def __init__(self, image: Image) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._memory = mmap.mmap(-1, max(len(image.code), 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        first = ctypes.c_char.from_buffer(self._memory)
        base = ctypes.addressof(first)
        del first
        code = bytearray(image.code)
        _add(code, image.own, base)
        for name, places in image.outside.items():
            _add(code, places, ctypes.cast(getattr(libc, name), ctypes.c_void_p).value or 0)
        self._memory[: len(code)] = bytes(code)
        libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        if libc.mprotect(base, len(self._memory), mmap.PROT_READ | PROT_EXEC):
            raise Unavailable(f"engine native: {REFUSED}")
        self.addresses = {name: base + at for name, at in image.exports.items()}


def _add(code: bytearray, places: Iterable[int], number: int) -> None:
    for at in places:
        (word,) = WORD.unpack_from(code, at)
        WORD.pack_into(code, at, word + number & M64)
