"""BPF_MAP_TYPE_USER_RINGBUF: messages from user space to programs, laid out as a ring buffer is (ringbuf.py).

    page 0         u64 consumer position, the kernel's
    page 1         u64 producer position, user space's
    from page 2    data, `size` bytes, and as many again for a message that runs over the end

Each message has a header of 8 bytes: u32 length, with bit 31 while it is written and bit 30 when it is discarded; u32
unused. In contents a message stands under an empty key, the oldest first; programs take them out.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Entries
from bpfvm.emulator.maps.ringbuf import BUSY, DISCARD, HEADER, LENGTH, POSITIONS, ring_size, whole
from bpfvm.emulator.maps.store import Store
from bpfvm.emulator.memory import PAGE, Pointer, Region
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

_CONSUMER, _PRODUCER = 0, PAGE // 8  # words of 8 bytes


class UserRing(Store):
    """One such ring. dynptr: 16 bytes that a callback gets its message by. busy: a program drains it now."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self.size = ring_size(spec)
        memory = system.arena.allocate(f"{spec.name} messages", POSITIONS + 2 * self.size, "map", False, False)
        memory.within = self._within
        self._memory = memory
        self._message: Region | None = None  # that a callback sees now
        self._positions, self._base = memory.data[:POSITIONS].cast("Q"), memory.base + POSITIONS
        self._place = system.arena.allocate(f"{spec.name} dynptr", 16, "dynptr")
        self.busy = False

    def dynptr(self) -> Pointer:
        """Where the dynptr of the message is that a callback sees."""
        place = self._place
        return Pointer(Region(place.name, place.base, place.size, place.kind, place.data), 0)

    def messages(self) -> Iterator[tuple[int, int]]:
        """Address and length of each message, which is taken out when the next one is asked for."""
        positions = self._positions
        while positions[_CONSUMER] < positions[_PRODUCER]:
            at = positions[_CONSUMER]
            address = self._base + (at & self.size - 1) + HEADER
            word = self.words[address - HEADER >> 2]
            if not word & DISCARD:
                size = word & LENGTH
                part = self.view[address : address + size]
                self._message = Region(f"{self.spec.name} message", address, size, "object", part)
                yield address, size
                self._message = None
            positions[_CONSUMER] = at + whole(word & LENGTH)

    def _within(self, offset: int) -> Pointer:
        """The message that a callback sees, where an address is in it."""
        message = self._message
        at = self._memory.base + offset - message.base if message is not None else -1
        return Pointer(message, at) if message is not None and 0 <= at < message.size else Pointer(self._memory, offset)

    def reload(self) -> None:
        """No program drains it between two instructions."""
        self.busy, self._message = False, None

    def entries(self) -> Entries:
        """Messages that no program took yet, oldest first."""
        found: Entries = []
        at, end = self._positions[_CONSUMER], self._positions[_PRODUCER]
        while at < end:
            address = self._base + (at & self.size - 1) + HEADER
            word = self.words[address - HEADER >> 2]
            if not word & (DISCARD | BUSY):
                found.append((b"", bytes(self.view[address : address + (word & LENGTH)])))
            at += whole(word & LENGTH)
        return found

    def fill(self, entries: Entries) -> None:
        """Add messages behind those that are there, as user space does. LoadError for one that finds no room."""
        for key, message in entries:
            if key or not isinstance(message, bytes):
                raise LoadError(f"map {self.spec.name}: a message is bytes under an empty key")
            if self.send(message):
                free = self.size - (self._positions[_PRODUCER] - self._positions[_CONSUMER])
                raise LoadError(
                    f"map {self.spec.name}: a message of {octets(len(message))} takes {whole(len(message))}, "
                    f"and {free} of {self.size} are free"
                )

    def send(self, message: bytes) -> int:
        """0, or -ENOSPC."""
        end, length = self._positions[_PRODUCER], whole(len(message))
        if end + length - self._positions[_CONSUMER] > self.size:
            return -errno.ENOSPC
        at = self._base + (end & self.size - 1)
        self.view[at : at + HEADER + len(message)] = len(message).to_bytes(HEADER, "little") + message
        self._positions[_PRODUCER] = end + length
        return 0


TYPES: Mapping[str, MapClass] = {"user_ringbuf": UserRing}
