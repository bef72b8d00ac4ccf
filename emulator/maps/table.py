"""Buckets of elements by key: what all hash maps are made of. Layout, in words of 4 bytes:

    control: elements in buckets
    buckets: first element of each, a power of two of them
    element: next element of the bucket | hash of the key | what a kind of map adds | key | value, of each CPU

The next element stays where it is when an element is taken out: a loop that stands on it goes on, as the kernel's does.

Key and value begin at 8 bytes. An element goes to the front of its bucket, and the hash has the seed 0, so that keys
come in the order of a kernel's map made with BPF_F_ZERO_SEED. `values` finds the value of a key at once; it is a cache.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.core.bits import M32
from bpfvm.emulator.maps.jhash import jhash
from bpfvm.emulator.maps.store import padded
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

NEXT, HASH, HEADER = 0, 4, 8


class Table:
    """Addresses of elements. extra: bytes that a kind of map adds to each, a multiple of 8. entries: for buckets."""

    def __init__(self, system: System, spec: MapSpec, extra: int, cpus: int, entries: int) -> None:
        self.key = HEADER + extra
        self.value = self.key + padded(spec.key_size)
        self.size = self.value + padded(spec.value_size) * cpus
        self.values: dict[bytes, int] = {}  # key -> address of its first value
        self._key_size = spec.key_size
        self.buckets = 1 << (entries - 1).bit_length()
        self._view = system.arena.view
        self._words = self._view.cast("I")
        control = system.arena.allocate(f"{spec.name} table", 8, "map", writable=False, readable=False)
        buckets = system.arena.allocate(f"{spec.name} buckets", 4 * self.buckets, "map", False, False)
        self.count = control.base  # guest address
        self._count, self.first = control.base >> 2, buckets.base >> 2  # places of words
        self._shared = False

    def __len__(self) -> int:
        return self._words[self._count]

    def share(self) -> None:
        """Compiled code changes the table from now on: elements are found by their buckets, and nothing is cached."""
        self._shared = True
        self.values.clear()

    def get(self, key: bytes) -> int:
        """The address of the first value under `key`, or 0."""
        if not self._shared:
            return self.values.get(key, 0)
        words, hashed = self._words, jhash(key)
        element = words[self.first + (hashed & self.buckets - 1)]
        while element:
            if words[element + HASH >> 2] == hashed and self.key_of(element) == key:
                return element + self.value
            element = words[element >> 2]
        return 0

    def find(self, key: bytes) -> int:
        """The element under `key`, or 0."""
        address = self.get(key)
        return address - self.value if address else 0

    def key_of(self, element: int) -> bytes:
        """The key that an element holds."""
        at = element + self.key
        return bytes(self._view[at : at + self._key_size])

    def insert(self, element: int, key: bytes, like: int = 0) -> None:
        """Put an element that is in no bucket to the front of its own. like: an element that had the same key."""
        words = self._words
        hashed = words[like + HASH >> 2] if like else jhash(key)
        bucket = self.first + (hashed & (self.buckets - 1))
        words[element >> 2], words[element + HASH >> 2] = words[bucket], hashed
        words[bucket] = element
        self._view[element + self.key : element + self.key + self._key_size] = key
        words[self._count] = words[self._count] + 1 & M32
        if not self._shared:
            self.values[key] = element + self.value

    def remove(self, element: int) -> None:
        """Take an element out of its bucket; what it holds stays."""
        words = self._words
        at = self.first + (words[element + HASH >> 2] & (self.buckets - 1))
        while words[at] != element:
            at = words[at] >> 2
        words[at] = words[element >> 2]
        words[self._count] -= 1
        key = self.key_of(element)
        if self.values.get(key) == element + self.value:
            del self.values[key]

    def next_key(self, key: bytes | None) -> bytes | int:
        """BPF_MAP_GET_NEXT_KEY: the key behind `key`, the first one where that is not there; -ENOENT at the end."""
        words = self._words
        element = self.find(key) if key is not None else 0
        bucket = 0
        if element:
            following = words[element >> 2]
            if following:
                return self.key_of(following)
            bucket = (words[element + HASH >> 2] & (self.buckets - 1)) + 1
        if len(self):
            for at in range(self.first + bucket, self.first + self.buckets):
                if words[at]:
                    return self.key_of(words[at])
        return -errno.ENOENT

    def walk(self) -> Iterator[int]:
        """Every element, bucket by bucket; the one that was given last may be removed."""
        words = self._words
        for at in range(self.first, self.first + self.buckets):
            element = words[at]
            while element:
                following = words[element >> 2]
                yield element
                element = following

    def reload(self) -> None:
        """Make the cache anew."""
        self.values.clear()
        if self._shared:
            return
        self.values.update((self.key_of(element), element + self.value) for element in self.walk())
