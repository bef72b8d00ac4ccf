"""Dynptrs: bytes of a size that is known when a program runs, read and written by helpers that look at their ends.

`d = bpf.dynptr(v.data)` is of memory in the value of a map, `d = evs.reserve_dynptr(n)` of a record of n bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bpfvm.lang.active import Machine, machine
from bpfvm.lang.helpers.words import DYNPTR, number, word
from bpfvm.lang.maps.base import Memory
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.layout import Layout, View, size_of, view
from bpfvm.lang.types.scalars import u8
from bpfvm.tables.helpers import BY_NAME

SIZE = 16  # bytes of a struct bpf_dynptr


class Dynptr:
    """One dynptr. reserved: of a record, which is submitted or discarded once on every way."""

    __slots__ = (DYNPTR, "_on", "_reserved")

    def __init__(self, on: Machine, address: int, reserved: bool) -> None:
        self._on, self._reserved, self.__bpf_dynptr__ = on, reserved, address

    def read(self, to: Any, offset: int = 0) -> int:
        """Fill a struct or an array with bytes from `offset` on: 0, or -E2BIG past the end, -EINVAL of nothing."""
        memory, at, _ = to._bpf
        address, size = word(self._on, to), size_of(type(to))
        r0 = self._on.helper("dynptr_read", address, size, self.__bpf_dynptr__, offset, 0)
        if not isinstance(memory, Memory):
            memory[at : at + size] = self._on.load(address, size)
        return int(number(BY_NAME["dynptr_read"], r0))

    def write(self, data: Any, offset: int = 0) -> int:
        """Store a struct, an array or bytes from `offset` on: 0, or -E2BIG past the end, -EINVAL of nothing."""
        size = size_of(type(data)) if isinstance(data, View) else len(data)
        r0 = self._on.helper("dynptr_write", self.__bpf_dynptr__, offset, word(self._on, data), size, 0)
        return int(number(BY_NAME["dynptr_write"], r0))

    def data(self, type: Any, offset: int = 0) -> Any:
        """A struct or an array that lies there from `offset` on, or None where it does not fit."""
        if not isinstance(type, Layout):
            raise TypeError("data() takes a struct or an array type, and where it begins")
        address = self.reach(size_of(type), offset)
        return view(type, Memory(self._on), address) if address else None

    def reach(self, size: int, offset: int = 0) -> int:
        """The address of so many bytes, 0 where they do not fit."""
        return self._on.helper("dynptr_data", self.__bpf_dynptr__, offset, size)

    def submit(self) -> None:
        """Give the record to user space."""
        self._end("ringbuf_submit_dynptr")

    def discard(self) -> None:
        """Drop the record."""
        self._end("ringbuf_discard_dynptr")

    def _end(self, helper: str) -> None:
        if not self._reserved:
            raise TypeError("only a dynptr of a record, made by reserve_dynptr(), is submitted or discarded")
        self._on.helper(helper, self.__bpf_dynptr__, 0)


class OfMemory:
    """`bpf.dynptr(v.data)`: of a struct or an array in the value of a map."""

    __name__ = "dynptr"

    def __call__(self, memory: Any) -> Dynptr:
        """TypeError for what is no such memory."""
        if not isinstance(memory, View) or not isinstance(memory._bpf[0], Memory):
            raise TypeError("bpf.dynptr() takes a struct or an array in the value of a map")
        return _of_memory(machine("bpf.dynptr()"), memory, size_of(type(memory)))


dynptr = OfMemory()


def _of_memory(on: Machine, memory: Any, size: int, flags: int = 0) -> Dynptr:
    address = on.keep(SIZE)
    on.helper("dynptr_from_mem", word(on, memory), size, flags, address)
    return Dynptr(on, address, reserved=False)


def reserved(on: Machine, ring: Any, size: int, flags: int = 0) -> Dynptr:
    """A record of `size` bytes of a ring; a dynptr to nothing where there is no room."""
    address = on.keep(SIZE)
    on.helper("ringbuf_reserve_dynptr", on.handle(ring), size, flags, address)
    return Dynptr(on, address, reserved=True)


def _data(on: Machine, one: Dynptr, offset: int, length: int) -> Any:
    return one.data(array_of(u8, length), offset)


# Helpers that make dynptrs, or give their memory
NAMED: Mapping[str, Callable[..., Any]] = {
    "dynptr_data": _data,
    "dynptr_from_mem": _of_memory,
    "ringbuf_reserve_dynptr": reserved,
}

__all__ = ["NAMED", "SIZE", "Dynptr", "OfMemory", "dynptr", "reserved"]
