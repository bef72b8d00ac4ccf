"""The emulated kernel's memory: one 4 GiB arena, regions in it, and pointers that know their region.

A guest pointer is an offset in the arena, so it fits 32 bits and is the same number in every tier and every run; u32
context fields hold whole pointers. Offset 0 is never mapped. Regions lie 64 KiB apart, more than a 16-bit offset
reaches, so that an access past one region's end never meets another one.
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M64, signed
from bpfvm.core.errors import Unavailable

SIZE = 1 << 32
SMALLEST = 1 << 26
MAP_NORESERVE = 0x4000  # mmap(2); Python names it from 3.13 on
GAP = 1 << 16
GUARD = 1 << 18  # bytes before and behind the arena that machine code may touch: what offsets add to an address
PAGE = 1 << 12


@dataclass(slots=True, eq=False)
class Region:
    """An object in memory. base, size: bytes. kind: what messages call it.

    shadow: pointers stored in it as 8 bytes, by offset. One counts while the bytes there are still its number, so
    nothing has to be cleared when memory changes. `live` is False once the region is released.
    written: bit n tells that byte n was written, -1 where every byte counts as written.
    within: for a region that holds smaller objects, the pointer into the right one, of an offset.
    ended: what became of one that is not live, in words.
    owner: of a map's key or value, the map (emulator.maps.MapStore).
    foreign: whether it holds what is not the machine's, as a file's pages: no snapshot has it.
    """

    name: str
    base: int
    size: int
    kind: str
    data: memoryview
    writable: bool = True
    readable: bool = True
    live: bool = True
    shadow: dict[int, Pointer] = field(default_factory=dict)
    written: int = -1
    within: Callable[[int], Pointer] | None = None
    ended: str = "was released"
    owner: Any = None
    foreign: bool = False

    def __repr__(self) -> str:
        return f"<Region {self.name} {self.base:#x}+{self.size}>"


class MapRegion(Region):
    """What a map pointer points to: an address of its own that no program can read; helpers take the map from it."""

    __slots__ = ("store",)

    store: Any  # emulator.maps.MapStore


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address with its provenance: `offset` bytes from the region's start, which may lie outside of it."""

    region: Region
    offset: int

    @property
    def address(self) -> int:
        """The guest's number for it, 64 bits."""
        return (self.region.base + self.offset) & M64

    def moved(self, distance: int) -> Pointer:
        """The pointer `distance` bytes on; offsets wrap as 64-bit numbers do."""
        return Pointer(self.region, signed(self.offset + distance, 64))


Snapshot: TypeAlias = "list[tuple[Region, bool, bytes]]"


class Arena:
    """The memory of one machine. Regions are laid out in the order of their allocation, from 64 KiB on.

    size: bytes, a power of two. host: where it begins in this process; GUARD bytes before and behind it are mapped too.
    """

    def __init__(self) -> None:
        memory, self.size = _reserve()
        self._memory: mmap.mmap | None = memory
        self._view = memoryview(memory)[GUARD : GUARD + self.size]
        self._next = GAP
        self._bases: list[int] = []
        self._regions: list[Region] = []

    @cached_property
    def host(self) -> int:
        """Where the arena begins in the memory of this process: for machine code."""
        import ctypes

        assert self._memory is not None, "the arena is closed"
        return ctypes.addressof(ctypes.c_char.from_buffer(self._memory)) + GUARD

    @property
    def view(self) -> memoryview:
        """All of it, unchecked: for the machine's own use."""
        return self._view

    @property
    def is_open(self) -> bool:
        """Whether it still has its memory."""
        return bool(self._bases)

    def close(self) -> None:
        """Let go of the memory; it is returned once the last view of it is gone."""
        self._regions.clear()
        self._bases.clear()
        self._view, self._memory = memoryview(b""), None

    def allocate(self, name: str, size: int, kind: str, writable: bool = True, readable: bool = True) -> Region:
        """A zeroed region of `size` bytes, page-aligned. Unavailable when the arena is full."""
        base = self._next
        end = base + max(size, 1)
        if end + GAP > self.size:
            free = max(self.size - GAP - base, 0)
            raise Unavailable(f"{name} needs {octets(size)}, and the emulated memory has {free} of {self.size} left")
        self._next = (end + GAP + PAGE - 1) // PAGE * PAGE
        region = Region(name, base, size, kind, self._view[base : base + size], writable, readable)
        self._bases.append(base)
        self._regions.append(region)
        return region

    def find(self, address: int) -> Region | None:
        """The region that holds `address`, or the nearest one within half a gap; None where there is none."""
        at = bisect_right(self._bases, address)
        below = self._regions[at - 1] if at else None
        if below is not None and address < below.base + below.size + GAP // 2:
            return below
        above = self._regions[at] if at < len(self._regions) else None
        return above if above is not None and address >= above.base - GAP // 2 else None

    def snapshot(self) -> Snapshot:
        """What the regions hold now."""
        return [(region, region.live, bytes(region.data)) for region in self._regions if not region.foreign]

    def restore(self, snapshot: Snapshot) -> None:
        """Put it back. Regions that were made since then stay, as they are."""
        for region, live, data in snapshot:
            region.live = live
            region.data[:] = data

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at `address`, without any check: for the machine's own use."""
        return bytes(self._view[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        """Store `data` at `address`, without any check: for the machine's own use."""
        self._view[address : address + len(data)] = data


def _reserve() -> tuple[mmap.mmap, int]:
    """Address space for the arena: 4 GiB, or the largest smaller power of two that the host grants."""
    size = SIZE
    while True:
        try:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
            return mmap.mmap(-1, size + 2 * GUARD, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE), size
        except (OSError, ValueError, OverflowError):
            if size <= SMALLEST:
                raise Unavailable(f"the host refuses even {octets(size)} of address space to the emulator") from None
            size //= 2
