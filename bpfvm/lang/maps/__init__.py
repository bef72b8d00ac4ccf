"""Map declarations: what a map is called, holds and can hold. What `m[k]` does is asked of the active machine."""

from __future__ import annotations

from bpfvm.lang.maps.base import MAX_ENTRIES, NOEXIST, Map, MapError
from bpfvm.lang.maps.histogram import Histogram
from bpfvm.lang.maps.keyed import Array, Counter, Hash, Hashed, Keyed
from bpfvm.lang.maps.queues import Bloom, Pushed, Queue, Stack
from bpfvm.lang.maps.trie import LpmTrie, ip4prefix, ip6prefix

__all__ = [
    "MAX_ENTRIES", "NOEXIST", "Array", "Bloom", "Counter", "Hash", "Hashed", "Histogram", "Keyed", "LpmTrie", "Map",
    "MapError", "Pushed", "Queue", "Stack", "ip4prefix", "ip6prefix",
]  # fmt: skip
