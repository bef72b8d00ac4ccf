"""Memory of a process and of the kernel that tests lay out: blocks of bytes that point to one another.

Addresses are given out in order, so they are the same in each run of a script; user space lies below 2**47.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakValueDictionary

SPACES: Final = ("user", "kernel")
_FIRST = {"user": 0x5555_5555_0000, "kernel": 0xFFFF_8880_0100_0000}  # of what is no one script's
_OF_EVENTS = {"user": 0x7FFC_0000_0000, "kernel": 0xFFFF_C900_0000_0000}
_ALIGN = 64
_WORD = 8


class Heap:
    """Gives out addresses of one space."""

    def __init__(self, first: int) -> None:
        self._next = first

    def take(self, size: int) -> int:
        """The address of `size` bytes. The next ones lie apart, so that no read runs on into them."""
        at = self._next
        self._next += (size // _ALIGN + 2) * _ALIGN
        return at


class Block:
    """Bytes at an address. points: by offset, the blocks whose addresses stand there. owner: the task whose struct it
    is, None for none. paths: by offset, what a struct path there leads to."""

    def __init__(self, address: int, data: bytes) -> None:
        self.address, self.data = address, bytearray(data)
        self.points: dict[int, Block] = {}
        self.owner: Any = None
        self.paths: dict[int, bytes] = {}

    def write(self, offset: int, data: bytes) -> None:
        """Store bytes; pointers that stood there are gone."""
        self.data[offset : offset + len(data)] = data
        for at in [one for one in self.points if offset - _WORD < one < offset + len(data)]:
            del self.points[at]
        for at in [one for one in self.paths if offset - 2 * _WORD < one < offset + len(data)]:
            del self.paths[at]


class Memory:
    """What events lay out: it stays for those that come after, whose programs may have kept pointers."""

    def __init__(self) -> None:
        self._heaps = {space: Heap(first) for space, first in _OF_EVENTS.items()}
        self._known: dict[tuple[str, bytes], Block] = {}
        self._taken: dict[int, Block] = {}  # by address
        self._last: dict[int, bytes] = {}

    def take(self, block: Block) -> int:
        """Lay out a block, with all that it leads to by then, from now on. Its address."""
        self._taken[block.address] = block
        return block.address

    def made(self, space: str, data: bytes) -> Block:
        """A block of an event; of equal bytes the same."""
        key = space, data
        if key not in self._known:
            self._known[key] = Block(self._heaps[space].take(len(data)), data)
        return self._known[key]

    def now(self, more: Mapping[int, bytes]) -> dict[int, bytes]:
        """All that is laid out as it is now, bytes by address, as core.machine.Input has it; and what is given."""
        waiting = list(self._taken.values())
        for block in waiting:  # it grows
            for to in block.points.values():
                if to.address not in self._taken:
                    self.take(to)
                    waiting.append(to)
        for address, block in self._taken.items():
            if self._last.get(address, b"") != block.data:
                self._last[address] = bytes(block.data)
        return {**self._last, **more}

    @property
    def owners(self) -> list[Any]:
        """The tasks whose structs are laid out."""
        return [block.owner for block in self._taken.values() if block.owner is not None]

    @property
    def paths(self) -> dict[int, bytes]:
        """What the paths that are laid out lead to, by their addresses."""
        return {block.address + at: text for block in self._taken.values() for at, text in block.paths.items()}


_LASTING = {space: Heap(first) for space, first in _FIRST.items()}
_blocks: WeakValueDictionary[int, Block] = WeakValueDictionary()


def lasting(space: str, data: bytes) -> Block:
    """A block that is no one event's, such as an object of the kernel."""
    made = Block(_LASTING[space].take(len(data)), data)
    _blocks[made.address] = made
    return made


def at(address: int) -> Block | None:
    """The lasting block that begins at an address, None where none does."""
    return _blocks.get(address)
