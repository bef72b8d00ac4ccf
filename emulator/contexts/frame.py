"""The packet of a run: where it lies, how it grows and shrinks at both ends, which pointers into it are still good.

    room    | ... headroom ... | metadata | linear part | frags | ... |
              lowest             meta       start         linear  end

A helper that moves an end makes a new region of the packet. The old one is dead from then on, so that the reference
tier tells of pointers that a program kept; addresses of bytes do not change. Headroom reads as zeros in every run.
"""

from __future__ import annotations

from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import Unavailable
from bpfvm.emulator.memory import Arena, Pointer, Region

LARGEST = 1 << 17  # bytes of a packet that are taken
ROOM_BEHIND = 1 << 15
PAGE = 1 << 12  # bytes of one of the frags
METADATA = "metadata"  # the name of its region


class Frame:
    """One packet, in a room that is used again for every run. Places are offsets in the room.

    head: bytes of the room before a packet as it comes in. packet: data to data_end. metadata: what stands before it.
    """

    def __init__(self, arena: Arena, head: int) -> None:
        self.head = head
        self._home = arena.allocate("packet", head + LARGEST + ROOM_BEHIND, "packet")
        self._room = self._home.data
        self.base = self._home.base
        self.start = self.meta = self.linear = self.end = self._lowest = head
        self._home.within = self._within
        self._frags: Region | None = None  # once a program has a pointer there
        self.packet = self._region()
        self.metadata = self._before()

    def load(self, packet: bytes, meta: int, linear: int) -> None:
        """Begin a run: `meta` zero bytes of metadata, then the packet, of which `linear` bytes are not in frags."""
        head, size = self.head, len(packet)
        if size > LARGEST:
            raise Unavailable(f"a packet of {octets(size)} is over the emulator's {LARGEST}")
        if self._lowest < head:
            self._room[self._lowest : head] = bytes(head - self._lowest)
        end = head + size
        self._room[head:end] = packet
        known = self.packet
        if not known.live or self.start != head or known.size != linear:
            self.start, self.linear = head, head + linear
            self.packet = self._region()
        self.end, self._frags = end, None
        if self.meta != head - meta or self.metadata.base + self.metadata.size != known.base or not self.metadata.live:
            self.meta = head - meta
            self.metadata = self._before()
        self._lowest = self.meta

    def saved(self) -> tuple[object, ...]:
        """Where the packet lies and what points to it, for put_back."""
        regions = (self.packet, self.metadata, self._frags)
        places = (self.start, self.meta, self.linear, self.end, self._lowest)
        return places, regions, [one.live for one in regions if one is not None]

    def put_back(self, saved: Any) -> None:
        """Make it what it was; the bytes are in the arena."""
        places, regions, live = saved
        for old in (self.packet, self.metadata, self._frags):
            if old is not None and old not in regions:
                old.live, old.ended = False, "was of a packet that was put back"
        self.start, self.meta, self.linear, self.end, self._lowest = places
        self.packet, self.metadata, self._frags = regions
        for one, alive in zip((one for one in regions if one is not None), live, strict=True):
            one.live = alive

    @property
    def is_alone(self) -> bool:
        """Whether its linear part is all that pointers may be to."""
        return not self.metadata.size and self._frags is None

    @property
    def size(self) -> int:
        """Bytes of the packet, frags and all."""
        return self.end - self.start

    def whole(self) -> bytes:
        """The packet."""
        return bytes(self._room[self.start : self.end])

    def read(self, at: int, size: int) -> bytes:
        """Bytes at a place counted from the packet's start, which may lie before it."""
        return bytes(self._room[self.start + at : self.start + at + size])

    def write(self, at: int, data: bytes) -> None:
        """Store bytes at a place counted from the packet's start."""
        self._room[self.start + at : self.start + at + len(data)] = data

    def piece(self, at: int, size: int) -> Pointer | None:
        """Bytes at a place counted from the packet's start, where they lie in one piece: linear, or in one frag."""
        place = self.start + at
        if place + size <= self.linear:
            return Pointer(self.packet, at)
        behind = place - self.linear
        if behind < 0 or place + size > self.end or behind // PAGE != (behind + size - 1) // PAGE:
            return None
        if self._frags is None:
            view = self._room[self.linear : self.end]
            self._frags = Region("frags of the packet", self.base + self.linear, len(view), "packet", view)
        return Pointer(self._frags, behind)

    def move(self, start: int, meta: int, linear: int, end: int, by: str) -> None:
        """The packet lies elsewhere from now on; `by` is the helper that moved it, in faults to come."""
        self.start, self.meta, self.linear, self.end = start, meta, linear, end
        self._lowest = min(self._lowest, meta)
        for old in (self.packet, self.metadata, self._frags):
            if old is not None:
                old.live, old.ended = False, f"was moved by {by}"
        self._frags = None
        self.packet = self._region()
        self.metadata = self._before()

    def resize(self, front: int, behind: int, by: str) -> None:
        """A linear packet gets `front` bytes before it and `behind` after it, or loses them where they are negative.

        What is new is zero.
        """
        start, end = self.start - front, self.end + behind
        if front > 0:
            self._room[start : self.start] = bytes(front)
        if behind > 0:
            self._room[self.end : end] = bytes(behind)
        self.move(start, start, end, end, by)

    def open(self, at: int, size: int, by: str) -> None:
        """Make `size` zero bytes of room at `at`: what stands before it moves to the front."""
        before = self.read(0, at)
        self.resize(size, 0, by)
        self.write(0, before + bytes(size))

    def cut(self, at: int, size: int, by: str) -> None:
        """Take `size` bytes away at `at`: what stands before them moves back."""
        before = self.read(0, at)
        self.resize(-size, 0, by)
        self.write(0, before)

    def fill(self, at: int, size: int) -> None:
        """Zero bytes at a place of the room."""
        self._room[at : at + size] = bytes(size)

    def shift(self, at: int, size: int, to: int) -> None:
        """Copy bytes within the room."""
        self._room[to : to + size] = bytes(self._room[at : at + size])

    def _region(self) -> Region:
        size = self.linear - self.start
        return Region("packet", self.base + self.start, size, "packet", self._room[self.start : self.linear])

    def _before(self) -> Region:
        size = self.start - self.meta
        return Region(METADATA, self.base + self.meta, size, "packet", self._room[self.meta : self.start])

    def _within(self, offset: int) -> Pointer:
        if self.meta <= offset < self.start:
            return Pointer(self.metadata, offset - self.meta)
        if self._frags is not None and self.linear <= offset < self.end:
            return Pointer(self._frags, offset - self.linear)
        return Pointer(self.packet, offset - self.start)
