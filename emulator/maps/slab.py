"""Elements of one size in the arena, handed out and taken back in the kernel's order.

What is freed last on a CPU is handed out first there, so that what a program still points to changes when the kernel's
would. Memory is not cleared: it stays readable as it was until it is handed out again. Layout, in words of 4 bytes:

    control: chunks in use | first byte never handed out | end of its chunk | spare of each CPU
             | first free element of each CPU | base of each chunk
    element: the map's | next free element, while it is free | the rest is the map's

Elements come in chunks of doubling size, so that a map takes memory as it grows; their number is limited. The first
word of a free element stays what it was, because a loop over the map may stand on it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

from bpfvm.emulator.memory import Pointer, Region

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

CHUNKS = 32
FIRST = 64  # elements of the first chunk
_CHUNKS, FRESH, ELEMENTS_END, SPARE = range(4)  # words of the control
LINK = 4


class Slab:
    """size: bytes of an element, a multiple of 8. limit: elements at most.

    control: guest address of the control. free_place, bases_place: of the first CPU's free list and of the chunks'
    bases among its words.
    """

    def __init__(
        self, system: System, name: str, size: int, limit: int, within: Callable[[int], Pointer],
    ) -> None:  # fmt: skip
        """within: the pointer into the right value, of an address in here."""
        self._system, self._name, self.size, self.limit, self._within = system, name, size, limit, within
        self._cpus = system.cpus
        self._chunks: list[Region] = []  # all that were ever made, also those that a restored arena knows nothing of
        self._bases: list[int] = []
        words = SPARE + 2 * self._cpus + CHUNKS
        control = system.arena.allocate(f"{name} elements", 4 * words, "map", writable=False, readable=False)
        self.control = control.base
        self._words = control.data.cast("I")
        self._memory = system.arena.view.cast("I")
        self.free_place = SPARE + self._cpus
        self.bases_place = self.free_place + self._cpus

    def reserve(self) -> list[tuple[int, int]]:
        """Make all chunks that there can be, so that compiled code can begin them; each from its base to its end."""
        while (count := self._room(len(self._chunks))) > 0:
            self._add(count)
        return [(one.base, one.base + one.size) for one in self._chunks]

    def allocate(self) -> int:
        """An element, or 0 where all are in use."""
        words, free = self._words, self.free_place + self._system.cpu
        if words[free]:
            return self._take(free)
        if words[FRESH] != words[ELEMENTS_END] or self._grow():
            address = words[FRESH]
            words[FRESH] = address + self.size
            return address
        for cpu in range(self._cpus):
            if words[self.free_place + cpu]:
                return self._take(self.free_place + cpu)
        return 0

    def free(self, address: int) -> None:
        """Take an element back, on the CPU that runs."""
        words, free = self._words, self.free_place + self._system.cpu
        self._memory[address + LINK >> 2] = words[free]
        words[free] = address

    def swap(self, address: int) -> int:
        """The CPU's spare element for `address`, which becomes its spare; 0 where there is none yet."""
        spare = SPARE + self._system.cpu
        found, self._words[spare] = self._words[spare], address
        return found

    def start(self, address: int) -> int:
        """Where the element begins that `address` is in, or the nearest one."""
        at = max(bisect_right(self._bases, address) - 1, 0)
        chunk = self._chunks[at]
        last = chunk.size // self.size - 1
        return chunk.base + min(max(address - chunk.base, 0) // self.size, last) * self.size

    def _room(self, number: int) -> int:
        """Elements of a chunk; 0 or less at the limit."""
        before = FIRST * ((1 << number) - 1)
        return min(FIRST << number, self.limit - before) if number < CHUNKS else 0

    def _add(self, count: int) -> None:
        """Allocate the next chunk."""
        chunk = self._system.arena.allocate(f"{self._name} value", count * self.size, "map value")
        chunk.within = lambda offset: self._within(chunk.base + offset)
        self._chunks.append(chunk)
        self._bases.append(chunk.base)

    def _take(self, free: int) -> int:
        address = self._words[free]
        self._words[free] = self._memory[address + LINK >> 2]
        return address

    def _grow(self) -> bool:
        """Begin the next chunk; False at the limit."""
        number = self._words[_CHUNKS]
        count = self._room(number)
        if count <= 0:
            return False
        if number == len(self._chunks):
            self._add(count)
        else:  # a restored arena knows nothing of it
            self._chunks[number].data[:] = bytes(count * self.size)
        base = self._bases[number]
        self._words[self.bases_place + number] = base
        self._words[_CHUNKS], self._words[FRESH], self._words[ELEMENTS_END] = number + 1, base, base + count * self.size
        return True
