"""BPF_MAP_TYPE_BLOOM_FILTER: which values were pushed, with false positives. Layout: bits, which no program can read.

Bit n is bit n % 8 of byte n / 8. map_extra counts the hash functions, 0 stands for 5; the n-th is jhash with seed n.
There are max_entries * functions / 5 * 7 bits (the part by 5 rounded down), rounded up to a power of two from 64 to
2**32. So a filter errs on the same values as a kernel's made with BPF_F_ZERO_SEED, measured on 6.18.

max_entries limits nothing. A push with a flag is -EINVAL. User space's delete and next key are -EOPNOTSUPP.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpfvm.core.bits import M32
from bpfvm.core.machine import Entries
from bpfvm.emulator.maps.jhash import jhash
from bpfvm.emulator.maps.store import Answer, Store
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

FUNCTIONS = 5  # where map_extra is 0
FEWEST, MOST = 64, 1 << 32  # bits


def bit_count(entries: int, functions: int) -> int:
    """How many bits a filter has: a power of two. A product that 32 bits cannot hold gives the most."""
    product = entries * functions
    wanted = product // 5 * 7
    if product > M32 or wanted > MOST >> 1:
        return MOST
    return max(FEWEST, 1 << (wanted - 1).bit_length() if wanted else 0)


class BloomFilterMap(Store):
    """One filter."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self._functions = spec.extra or FUNCTIONS
        bits = bit_count(spec.max_entries, self._functions)
        self._mask = bits - 1
        self._bits = system.arena.allocate(f"{spec.name} bits", bits // 8, "map", writable=False, readable=False).data

    def push(self, value: bytes, flags: int) -> int:
        if flags:
            return -errno.EINVAL
        for bit in self._places(value):
            self._bits[bit >> 3] |= 1 << (bit & 7)
        return 0

    def contains(self, value: bytes) -> int:
        found = all(self._bits[bit >> 3] >> (bit & 7) & 1 for bit in self._places(value))
        return 0 if found else -errno.ENOENT

    def _places(self, value: bytes) -> Iterator[int]:
        """The bits that stand for a value."""
        return (jhash(value, seed) & self._mask for seed in range(self._functions))

    # user space

    def user_lookup(self, key: bytes) -> Answer:
        return self.contains(key) or key

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        assert isinstance(value, bytes), "checked by fill, and one value is all that user space can give"
        return self.push(value, flags)

    def user_delete(self, key: bytes) -> int:
        return -errno.EOPNOTSUPP

    def user_next(self, key: bytes | None) -> bytes | int:
        return -errno.EOPNOTSUPP

    def entries(self) -> Entries:
        """None: what was pushed cannot be told."""
        return []


TYPES: Mapping[str, MapClass] = {"bloom_filter": BloomFilterMap}
