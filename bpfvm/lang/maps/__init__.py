"""Map declarations: what a map is called, holds and can hold. What `m[k]` does is asked of the active machine."""

from __future__ import annotations

from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.maps.base import MAX_ENTRIES, NOEXIST, Map, MapError
from bpfvm.lang.maps.histogram import Histogram, Histograms
from bpfvm.lang.maps.keyed import Array, Counter, Hash, Hashed, Keyed
from bpfvm.lang.maps.nested import ArrayOf, HashOf, Nested
from bpfvm.lang.maps.queues import Bloom, Pushed, Queue, Stack
from bpfvm.lang.maps.rings import Events, PerfEvents, Ring
from bpfvm.lang.maps.sockets import Sockets, SockHash, SockMap
from bpfvm.lang.maps.storages import CgroupStorage, InodeStorage, ObjectStorage, SkStorage, TaskStorage
from bpfvm.lang.maps.targets import CgroupArray, CpuMap, DevMap, ProgArray, Redirects, StackTrace, XskMap
from bpfvm.lang.maps.trie import LpmTrie, ip4prefix, ip6prefix
from bpfvm.lang.maps.userring import UserRing


def made(type: str, max_entries: int, key: Any, value: Any) -> Map:
    """A map by the kernel's name of its type, of numbers that are 0 at first. UsageError for a type without."""
    per_cpu = "percpu" in type
    if type in ("array", "percpu_array"):
        return Array(value, max_entries, percpu=per_cpu)
    if type in ("hash", "lru_hash", "percpu_hash", "lru_percpu_hash"):
        return Counter(key, value, max_entries, lru="lru" in type, percpu=per_cpu)
    if type in ("queue", "stack"):
        return (Queue if type == "queue" else Stack)(value, max_entries)
    raise UsageError(
        "bpf.map makes array, hash, lru_hash, percpu_array, percpu_hash, lru_percpu_hash, queue and stack, "
        f"not {type!r}; the others have classes: bpfvm.LpmTrie, bpfvm.Ring"
    )


__all__ = [
    "MAX_ENTRIES", "NOEXIST", "Array", "ArrayOf", "Bloom", "CgroupArray", "CgroupStorage", "Counter", "CpuMap",
    "DevMap", "Events", "Hash", "HashOf", "Hashed", "Histogram", "Histograms", "InodeStorage", "Keyed", "LpmTrie",
    "Map", "MapError", "Nested", "ObjectStorage", "PerfEvents", "ProgArray", "Pushed", "Queue", "Redirects", "Ring",
    "SkStorage", "SockHash", "SockMap", "Sockets", "Stack", "StackTrace", "TaskStorage", "UserRing", "XskMap",
    "ip4prefix", "ip6prefix",
]  # fmt: skip
