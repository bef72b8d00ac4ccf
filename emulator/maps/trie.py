"""BPF_MAP_TYPE_LPM_TRIE: values by prefixes of bits, the longest one that fits is found. Layout, words of 4 bytes:

    control: root | elements | first and last node let go | how many were let go
    node:    child whose next bit is 0 | child whose next bit is 1 | 1 for an inner node | prefixlen | data | value

A node is told by its address / 4, none by 0. Of one that was let go, the third word tells the one let go after it.

A key is prefixlen, in the host's byte order, and data, whose first bit is the highest of its first byte; bits behind
the prefix are kept as they were given. Key and data are bytes 12 on of a node, the value begins at 8 bytes. An inner
node holds no element: it stands where two prefixes part, with the data of the one that was there first.

Results are the kernel's, measured on 6.18, in this order: flags past BPF_EXIST and a prefixlen past 8 bits for each
byte of data are -EINVAL (a lookup finds nothing, next key begins anew); BPF_NOEXIST is -EEXIST and BPF_EXIST -ENOENT;
a new element in a full map is -ENOSPC. An update of a prefix that is there stores in another node. Nodes are used again
only when QUARANTINE others were let go after them: the kernel waits until nobody looks at them.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfvm.emulator.maps.slab import Slab
from bpfvm.emulator.maps.store import EXIST, NOEXIST, Plain, padded
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

QUARANTINE = 256  # nodes
ROOT, _COUNT, _FIRST, _LAST, _GONE, _WORDS = range(6)
INNER, PREFIX = 2, 3  # words of a node
_KEY, DATA = 12, 16  # bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a prefix stands or would stand. slot: the word that tells the node there, which is `node`, or 0.

    match: bits that the prefix and the node have in common. parent: the node above, 0 at the root; upper: its slot.
    """

    slot: int
    node: int
    match: int
    upper: int
    parent: int


class TrieMap(Plain):
    """One trie."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self._bytes = spec.key_size - 4
        self._most = 8 * self._bytes
        self.value = padded(DATA + self._bytes)
        control = system.arena.allocate(f"{spec.name} trie", 4 * _WORDS, "map", writable=False, readable=False)
        self.control = control.base  # guest address
        self._control = control.base >> 2
        nodes = 2 * spec.max_entries + QUARANTINE
        self._slab = Slab(system, spec.name, self.value + self.stride, nodes, self.element)

    def around(self, address: int) -> int:
        return self._slab.start(address) + self.value

    # programs

    def lookup(self, key: bytes) -> int:
        words, most = self.words, self._most
        length, bits = _parts(key)
        if length > most:
            return 0
        node, found = words[self._control + ROOT], 0
        while node:
            prefix = words[node + PREFIX]
            if self._match(node, length, bits) < prefix:
                break
            if not words[node + INNER]:
                found = node
            if prefix == most:
                break
            node = words[node + (bits >> (most - 1 - prefix) & 1)]
        return (found << 2) + self.value if found else 0

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        length, bits = _parts(key)
        if flags > EXIST or length > self._most:
            return -errno.EINVAL
        place = self._find(length, bits)
        same = place.node and place.match == self.words[place.node + PREFIX]
        if same and not self.words[place.node + INNER]:
            if flags == NOEXIST:
                return -errno.EEXIST
        elif flags == EXIST:
            return -errno.ENOENT
        elif self.words[self._control + _COUNT] == self.spec.max_entries:
            return -errno.ENOSPC
        else:
            self.words[self._control + _COUNT] += 1
        self._put(place, self._made(key, value), length, bits)
        return 0

    def _put(self, place: Place, new: int, length: int, bits: int) -> None:
        """Hang a new node in: in place of an inner or an old one, above another one, beside it, or where none is."""
        words, node, match = self.words, place.node, place.match
        top = new
        if node and match == words[node + PREFIX]:
            words[new], words[new + 1] = words[node], words[node + 1]
            self._let_go(node)
        elif node and match == length:
            words[new + self._bit(self._bits(node), match)] = node
        elif node:
            top = self._made(match.to_bytes(4, "little") + self._data(node), b"", inner=1)
            side = self._bit(bits, match)
            words[top + side], words[top + 1 - side] = new, node
        words[place.slot] = top

    def delete(self, key: bytes) -> int:
        length, bits = _parts(key)
        if length > self._most:
            return -errno.EINVAL
        words, place = self.words, self._find(length, bits)
        node, parent = place.node, place.parent
        if not node or not place.match == length == words[node + PREFIX] or words[node + INNER]:
            return -errno.ENOENT
        words[self._control + _COUNT] -= 1
        if words[node] and words[node + 1]:
            words[node + INNER] = 1
            return 0
        if parent and words[parent + INNER] and not words[node] and not words[node + 1]:
            words[place.upper] = words[parent + 1] if words[parent] == node else words[parent]
            self._let_go(parent)
        else:
            words[place.slot] = words[node] or words[node + 1]
        self._let_go(node)
        return 0

    # user space

    def user_next(self, key: bytes | None) -> bytes | int:
        """In post-order: both sides of a node, that of the bit 0 first, come before it."""
        root = self.words[self._control + ROOT]
        if not root:
            return -errno.ENOENT
        path = self._path(key) if key is not None else []
        node = self._after(path) if path else self._leftmost(root)
        if not node:
            return -errno.ENOENT
        return self.words[node + PREFIX].to_bytes(4, "little") + self._data(node)

    def _path(self, key: bytes) -> list[int]:
        """The nodes from the root to the element under `key`, [] where there is none."""
        words, path = self.words, []
        length, bits = _parts(key)
        node = words[self._control + ROOT] if length <= self._most else 0
        while node:
            path.append(node)
            prefix = words[node + PREFIX]
            if self._match(node, length, bits) != prefix:
                return []
            if prefix == length:
                return [] if words[node + INNER] else path
            node = words[node + self._bit(bits, prefix)]
        return []

    def _after(self, path: list[int]) -> int:
        """The element behind the last node of a path, 0 where there is none."""
        words = self.words
        node = path.pop()
        while path:
            parent = path.pop()
            if words[parent] == node and words[parent + 1]:
                return self._leftmost(words[parent + 1])
            if not words[parent + INNER]:
                return parent
            node = parent
        return 0

    def _leftmost(self, node: int) -> int:
        """The element that comes first of those at and below a node; an inner node has both children."""
        words = self.words
        while words[node] or words[node + 1]:
            node = words[node] or words[node + 1]
        return node

    # nodes

    def _find(self, length: int, bits: int) -> Place:
        words, slot, upper, parent = self.words, self._control + ROOT, 0, 0
        while node := words[slot]:
            prefix, match = words[node + PREFIX], self._match(node, length, bits)
            if prefix == length or prefix != match:
                return Place(slot, node, match, upper, parent)
            upper, parent = slot, node
            slot = node + self._bit(bits, prefix)
        return Place(slot, 0, 0, upper, parent)

    def _match(self, node: int, length: int, bits: int) -> int:
        """How many bits a prefix and a node's have in common."""
        common = self._most - (self._bits(node) ^ bits).bit_length()
        return min(common, length, self.words[node + PREFIX])

    def _bit(self, bits: int, number: int) -> int:
        """Bit `number`, counted from the front."""
        return bits >> (self._most - 1 - number) & 1

    def _bits(self, node: int) -> int:
        return int.from_bytes(self._data(node), "big")

    def _data(self, node: int) -> bytes:
        at = (node << 2) + DATA
        return bytes(self.view[at : at + self._bytes])

    def _made(self, key: bytes, value: bytes, inner: int = 0) -> int:
        """A node without children."""
        words, control = self.words, self._control
        if words[control + _GONE] > QUARANTINE:
            node = words[control + _FIRST]
            words[control + _FIRST] = words[node + INNER]
            words[control + _GONE] -= 1
        else:
            node = self._slab.allocate() >> 2
            assert node, "there is room for every element, an inner node for each, and the quarantine"
        words[node] = words[node + 1] = 0
        words[node + INNER] = inner
        at = node << 2
        self.view[at + _KEY : at + _KEY + len(key)] = key
        self.view[at + self.value : at + self.value + len(value)] = value
        return node

    def _let_go(self, node: int) -> None:
        words, control = self.words, self._control
        if words[control + _GONE]:
            words[words[control + _LAST] + INNER] = node
        else:
            words[control + _FIRST] = node
        words[control + _LAST] = node
        words[control + _GONE] += 1


def _parts(key: bytes) -> tuple[int, int]:
    """The prefix's length and the data as a number, whose highest bit is the first."""
    return int.from_bytes(key[:4], "little"), int.from_bytes(key[4:], "big")


TYPES: Mapping[str, MapClass] = {"lpm_trie": TrieMap}
