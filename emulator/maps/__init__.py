"""Maps over the arena, one class a kernel map type, by one table; a module is loaded when a map of its is made.

A map has two sides, and the kernel answers them differently. Programs call helpers: `lookup` and its kin take and give
addresses of the arena. User space calls bpf(2): `sys_lookup` and its kin take and give bytes. Results are 0 or a
negative errno, measured on 6.18. `emulator.maps.store.Store` says what a type answers that lacks an operation.

All state is in the arena, in the layout at the top of each file, so that a copy of the arena is a copy of the machine
and every tier works on the same bytes. What Python keeps beside it is found again by `reload`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Entries
from bpfvm.emulator.catalogue import Catalogue
from bpfvm.emulator.memory import MapRegion, Pointer
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

Answer: TypeAlias = "bytes | list[bytes] | int"  # a value, one value a CPU, or a negative errno


class MapStore(Protocol):
    """What every map can be asked. Addresses are the arena's; keys and values have the sizes of the declaration."""

    spec: MapSpec
    handle: MapRegion  # what a pointer to the map points to; the system sets it

    # the machine

    def element(self, address: int) -> Pointer:
        """What `lookup` found at an address, as a pointer that is bounded by that one value, or the inner map."""

    def direct(self, offset: int) -> Pointer:
        """What an lddw of the map's value loads. LoadError for a type or shape that has no such loads."""

    def reload(self) -> None:
        """Find again, from the bytes in the arena, what Python keeps beside them: the arena was restored."""

    def walk(self) -> Iterator[tuple[int, int]]:
        """for_each_map_elem: address of the key, of this CPU's value. The element may be deleted meanwhile."""

    # programs: Stop for what the kernel's verifier refuses

    def lookup(self, key: bytes) -> int:
        """The value's address on the CPU that runs, or 0. For maps of maps, of the inner map's handle."""

    def lookup_percpu(self, key: bytes, cpu: int) -> int:
        """The value's address on another CPU, or 0."""

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        """0 or a negative errno. Per-CPU maps change the value of the CPU that runs."""

    def delete(self, key: bytes) -> int:
        """0 or a negative errno."""

    def push(self, value: bytes, flags: int) -> int:
        """Queue, stack, bloom filter: 0 or a negative errno."""

    def pop(self) -> tuple[int, bytes]:
        """Queue and stack: 0 or a negative errno, and what is written to the program's memory either way."""

    def peek(self) -> tuple[int, bytes]:
        """As pop, and the value stays."""

    def contains(self, value: bytes) -> int:
        """map_peek_elem of a bloom filter: 0, or -ENOENT for a value that was certainly never pushed."""

    # user space

    def send(self, message: bytes) -> int: ...

    def sys_lookup(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_ELEM. `key` of a bloom filter is the value that is asked for."""

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int:
        """BPF_MAP_UPDATE_ELEM; push for queues, stacks and bloom filters, whose key is empty."""

    def sys_delete(self, key: bytes) -> int:
        """BPF_MAP_DELETE_ELEM."""

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> Answer:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM; pop for queues and stacks."""

    def next_key(self, key: bytes | None) -> bytes | int:
        """BPF_MAP_GET_NEXT_KEY: the first key for None and for unknown keys; -ENOENT behind the last."""

    def entries(self) -> Entries:
        """Contents, by index or sorted by the bytes of the key; queues and stacks as they were pushed."""

    def fill(self, entries: Entries) -> None:
        """Store `entries` over what is there, as user space does. LoadError for one that the map cannot hold."""


class Source(Protocol):
    """A map that has to do with the beginning and the end of a run; it puts itself into `System.sources`."""

    spec: MapSpec

    def begin(self) -> None:
        """Make ready for one run."""

    def take(self) -> tuple[list[bytes], int]:
        """The records of the run, which are taken out, and how many more found no room."""


class MapClass(Protocol):
    """Makes a map. LoadError for a declaration that the kernel refuses."""

    def __call__(self, system: System, spec: MapSpec, /) -> MapStore: ...


# What stands in the table TYPES of each module
TYPES: Mapping[str, MapClass] = Catalogue(__name__, "TYPES", {
    "array": "array",
    "bloom": "bloom_filter",
    "hash": "hash percpu_hash",
    "lru_hash": "lru_hash lru_percpu_hash",
    "of_maps": "array_of_maps hash_of_maps",
    "percpu_array": "percpu_array",
    "perf": "perf_event_array",
    "prog_array": "prog_array",
    "queue": "queue stack",
    "ringbuf": "ringbuf",
    "sockets": "reuseport_sockarray sockhash sockmap",
    "stacks": "cgroup_array stack_trace",
    "storage": "cgroup_storage cgrp_storage inode_storage percpu_cgroup_storage sk_storage task_storage",
    "targets": "cpumap devmap devmap_hash xskmap",
    "trie": "lpm_trie",
    "userring": "user_ringbuf",
})  # fmt: skip


def create(system: System, spec: MapSpec) -> MapStore:
    """The map that `spec` declares. Unavailable names a type that the emulator does not have."""
    found = TYPES.get(spec.type)
    if found is None:
        raise Unavailable(f"map {spec.name}: the emulator has no {spec.type} maps in this version")
    return found(system, spec)
