"""Map types: their uapi numbers (enum bpf_map_type), what may be declared of each, what user space may do with it.

Sizes, flags and operations are what Linux 6.18 takes and refuses (measured with BPF_MAP_CREATE and the element
commands); `kernel_tests/tables/test_tables.py` asks the running kernel again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# creation flags, BPF_F_* (include/uapi/linux/bpf.h), in lower case
FLAGS: Mapping[str, int] = {
    "no_prealloc": 1 << 0,
    "no_common_lru": 1 << 1,
    "numa_node": 1 << 2,
    "rdonly": 1 << 3,
    "wronly": 1 << 4,
    "stack_build_id": 1 << 5,
    "zero_seed": 1 << 6,
    "rdonly_prog": 1 << 7,
    "wronly_prog": 1 << 8,
    "clone": 1 << 9,
    "mmapable": 1 << 10,
    "preserve_elems": 1 << 11,
    "inner_map": 1 << 12,
    "link": 1 << 13,
    "path_fd": 1 << 14,
    "vtype_btf_obj_fd": 1 << 15,
    "token_fd": 1 << 16,
    "segv_on_fault": 1 << 17,
    "no_user_conv": 1 << 18,
}

_ANY = range(1, 1 << 32)
_WORD, _NONE = (4,), (0,)
_SOCKET = (4, 8)  # a descriptor, or the socket's cookie
_ACCESS = "numa_node rdonly wronly"
_FULL = f"{_ACCESS} rdonly_prog wronly_prog"
_PER_CPU = "rdonly wronly rdonly_prog wronly_prog"


_SLEEPABLE = frozenset(
    "hash lru_hash array percpu_hash percpu_array lru_percpu_hash array_of_maps hash_of_maps ringbuf user_ringbuf "  # noqa: SIM905
    "inode_storage sk_storage task_storage cgrp_storage queue stack arena insn_array".split()
)


@dataclass(frozen=True, slots=True)
class MapType:
    """name: the uapi name in lower case without BPF_MAP_TYPE_; aliases: other names of the same number.

    keys, values: the sizes in bytes that BPF_MAP_CREATE takes. entries: what max_entries may be: "any" number from 1,
    "none" (0), "one", "pages" (a power of two of whole pages), "cpus" (up to the kernel's largest CPU number).
    flags: what map_flags may have; required: what it must have. holds: what an element is to user space when it is not
    data: the descriptor or number of a "prog", "map", "perf_event", "cgroup", "device", "cpu", "socket", "xsk".
    user: commands of bpf(2) that work: lookup, update, delete, next (iteration), pop (lookup and delete), batch; mmap.
    per_cpu: user space sees one value a possible CPU, each padded to 8 bytes. inner: creation needs an inner map's
    descriptor. btf: creation needs key and value types. owner: elements belong to this kind of kernel object, whose
    descriptor is the key.
    """

    name: str
    number: int
    since: str
    keys: range | tuple[int, ...]
    values: range | tuple[int, ...]
    flags: str = ""
    user: str = "lookup update delete next"
    required: str = ""
    entries: str = "any"
    holds: str = "data"
    owner: str = ""
    per_cpu: bool = False
    inner: bool = False
    btf: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def sleepable(self) -> bool:
        """Whether programs that may sleep can use it (check_map_prog_compatibility of kernel/bpf/verifier.c)."""
        return self.name in _SLEEPABLE

    @property
    def key_size(self) -> int | None:
        """The only size of a key, or None where the user chooses."""
        return _only(self.keys)

    @property
    def value_size(self) -> int | None:
        """The only size of a value, or None where the user chooses."""
        return _only(self.values)

    @property
    def allowed_flags(self) -> int:
        """Every bit that map_flags may have."""
        return flag_bits(f"{self.flags} {self.required}")

    @property
    def required_flags(self) -> int:
        """The bits that map_flags must have."""
        return flag_bits(self.required)

    def can(self, operation: str) -> bool:
        """Whether user space can do `operation`, one of the words of `user`."""
        return operation in self.user.split()


def _only(sizes: range | tuple[int, ...]) -> int | None:
    return sizes[0] if len(sizes) == 1 else None


def flag_bits(names: str) -> int:
    """The map_flags that the names, separated by blanks, stand for."""
    bits = 0
    for name in names.split():
        bits |= FLAGS[name]
    return bits


_HASH = "lookup update delete next pop batch"
_ARRAY = "lookup update next batch"

MAP_TYPES: tuple[MapType, ...] = (
    MapType("hash", 1, "3.19", _ANY, _ANY, f"no_prealloc zero_seed {_FULL}", _HASH),
    MapType("array", 2, "3.19", _WORD, _ANY, f"mmapable inner_map {_FULL}", f"{_ARRAY} mmap"),
    MapType("prog_array", 3, "4.2", _WORD, _WORD, _ACCESS, holds="prog"),
    MapType("perf_event_array", 4, "4.3", _WORD, _WORD, f"preserve_elems {_ACCESS}", "update delete next",
            holds="perf_event"),
    MapType("percpu_hash", 5, "4.6", _ANY, _ANY, f"no_prealloc zero_seed {_PER_CPU}", _HASH, per_cpu=True),
    MapType("percpu_array", 6, "4.6", _WORD, _ANY, _PER_CPU, _ARRAY, per_cpu=True),
    MapType("stack_trace", 7, "4.6", _WORD, range(8, 1 << 32, 8), f"stack_build_id {_ACCESS}",
            "lookup delete next pop"),
    MapType("cgroup_array", 8, "4.8", _WORD, _WORD, _ACCESS, "update delete next", holds="cgroup"),
    MapType("lru_hash", 9, "4.10", _ANY, _ANY, f"no_common_lru zero_seed {_FULL}", _HASH),
    MapType("lru_percpu_hash", 10, "4.10", _ANY, _ANY, f"no_common_lru zero_seed {_PER_CPU}", _HASH, per_cpu=True),
    MapType("lpm_trie", 11, "4.11", range(5, 261), _ANY, _FULL, "lookup update delete next batch", "no_prealloc"),
    MapType("array_of_maps", 12, "4.12", _WORD, _WORD, _ACCESS, "lookup update delete next batch",
            holds="map", inner=True),
    MapType("hash_of_maps", 13, "4.12", _ANY, _WORD, f"no_prealloc zero_seed {_FULL}",
            "lookup update delete next batch", holds="map", inner=True),
    MapType("devmap", 14, "4.14", _WORD, (4, 8), _ACCESS, holds="device"),
    MapType("sockmap", 15, "4.14", _WORD, _SOCKET, _ACCESS, holds="socket"),
    MapType("cpumap", 16, "4.15", _WORD, (4, 8), "numa_node", entries="cpus", holds="cpu"),
    MapType("xskmap", 17, "4.18", _WORD, _WORD, _ACCESS, "update delete next", holds="xsk"),
    MapType("sockhash", 18, "4.18", _ANY, _SOCKET, _ACCESS, holds="socket"),
    MapType("cgroup_storage", 19, "4.19", (8, 16), _ANY, _FULL, "lookup update next", entries="none", owner="cgroup",
            aliases=("cgroup_storage_deprecated",)),
    MapType("reuseport_sockarray", 20, "4.19", _WORD, _SOCKET, _FULL, holds="socket"),
    MapType("percpu_cgroup_storage", 21, "4.20", (8, 16), _ANY, _FULL, "lookup update next", entries="none",
            owner="cgroup", per_cpu=True, aliases=("percpu_cgroup_storage_deprecated",)),
    MapType("queue", 22, "4.20", _NONE, _ANY, _FULL, "lookup update pop"),
    MapType("stack", 23, "4.20", _NONE, _ANY, _FULL, "lookup update pop"),
    MapType("sk_storage", 24, "5.2", _WORD, _ANY, "clone", "lookup update delete", "no_prealloc", entries="none",
            owner="socket", btf=True),
    MapType("devmap_hash", 25, "5.4", _WORD, (4, 8), _ACCESS, holds="device"),
    MapType("struct_ops", 26, "5.6", _WORD, _ANY, "vtype_btf_obj_fd link", entries="one", btf=True),
    MapType("ringbuf", 27, "5.8", _NONE, _NONE, "numa_node", "mmap", entries="pages"),
    MapType("inode_storage", 28, "5.10", _WORD, _ANY, "clone", "lookup update delete", "no_prealloc", entries="none",
            owner="inode", btf=True),
    MapType("task_storage", 29, "5.11", _WORD, _ANY, "clone", "lookup update delete", "no_prealloc", entries="none",
            owner="task", btf=True),
    MapType("bloom_filter", 30, "5.16", _NONE, _ANY, f"zero_seed {_FULL}", "lookup update"),
    MapType("user_ringbuf", 31, "6.1", _NONE, _NONE, "numa_node", "mmap", entries="pages"),
    MapType("cgrp_storage", 32, "6.2", _WORD, _ANY, "clone", "lookup update delete", "no_prealloc", entries="none",
            owner="cgroup", btf=True),
    MapType("arena", 33, "6.9", _NONE, _NONE, "segv_on_fault no_user_conv", "mmap", "mmapable"),
)  # fmt: skip

# Programs that may change maps of sockets (measured on 6.18): type, or type:attach type
_CHANGERS = frozenset({"tracing:trace_iter", "socket_filter", "sched_cls", "sched_act", "xdp", "sk_reuseport",
                       "flow_dissector", "sk_lookup"})  # fmt: skip
SOCKET_CHANGERS: Mapping[str, frozenset[str]] = {
    "map_update_elem": _CHANGERS,
    "map_delete_elem": _CHANGERS | {"sock_ops"},
}


def may_change_sockets(helper: str, program_type: str, attach_type: str | None) -> bool:
    """Whether the kernel lets programs call a helper of SOCKET_CHANGERS on a sockmap or a sockhash."""
    return not {program_type, f"{program_type}:{attach_type}"}.isdisjoint(SOCKET_CHANGERS[helper])


BY_NAME: Mapping[str, MapType] = {name: row for row in MAP_TYPES for name in (row.name, *row.aliases)}
BY_NUMBER: Mapping[int, MapType] = {row.number: row for row in MAP_TYPES}
