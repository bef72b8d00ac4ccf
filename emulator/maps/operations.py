"""Which helpers take which map types: what the kernel's verifier loads and what it refuses (measured on 6.18).

The helpers here are those that a map type chooses. `kernel_tests/maps/test_map_helpers.py` asks the running kernel.
What user space can do with a type, and how the rest is refused, is in the classes of the types.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.core.articles import an

_ELEMENTS = "map_lookup_elem map_update_elem map_delete_elem"
_EACH = f"{_ELEMENTS} for_each_map_elem"
_CPUS = f"{_EACH} map_lookup_percpu_elem"
_QUEUE = "map_push_elem map_pop_elem map_peek_elem"
_DEVICES = "map_lookup_elem redirect_map"
_SOCKETS = f"{_ELEMENTS} msg_redirect_map sk_redirect_map sk_select_reuseport sock_map_update"
_HASHED_SOCKETS = f"{_ELEMENTS} msg_redirect_hash sk_redirect_hash sk_select_reuseport sock_hash_update"

HELPERS: Mapping[str, frozenset[str]] = {
    name: frozenset(helpers.split())
    for name, helpers in {
        "hash": _EACH,
        "array": _EACH,
        "prog_array": "tail_call",
        "perf_event_array": "perf_event_read perf_event_output skb_output perf_event_read_value xdp_output",
        "percpu_hash": _CPUS,
        "percpu_array": _CPUS,
        "stack_trace": "get_stackid",
        "cgroup_array": "skb_under_cgroup current_task_under_cgroup",
        "lru_hash": _EACH,
        "lru_percpu_hash": _CPUS,
        "lpm_trie": _ELEMENTS,
        "array_of_maps": "map_lookup_elem",
        "hash_of_maps": "map_lookup_elem",
        "devmap": _DEVICES,
        "sockmap": _SOCKETS,
        "cpumap": "redirect_map",
        "xskmap": _DEVICES,
        "sockhash": _HASHED_SOCKETS,
        "cgroup_storage": "get_local_storage",
        "reuseport_sockarray": "sk_select_reuseport",
        "percpu_cgroup_storage": "get_local_storage",
        "queue": _QUEUE,
        "stack": _QUEUE,
        "sk_storage": "sk_storage_get sk_storage_delete",
        "devmap_hash": _DEVICES,
        "struct_ops": "",
        "ringbuf": "ringbuf_output ringbuf_reserve ringbuf_query ringbuf_reserve_dynptr",
        "inode_storage": "inode_storage_get inode_storage_delete",
        "task_storage": "task_storage_get task_storage_delete",
        "bloom_filter": "map_push_elem map_peek_elem",
        "user_ringbuf": "user_ringbuf_drain",
        "cgrp_storage": "cgrp_storage_get cgrp_storage_delete",
        "arena": "",
    }.items()
}


def refusal(kind: str, helper: str) -> str:
    """Why a call cannot be, in words; "" for one that the verifier loads."""
    if helper in HELPERS[kind]:
        return ""
    can = ", ".join(sorted(HELPERS[kind])) or "none"
    return f"{helper} does not take {an(kind)} map, the kernel refuses to load such a call; helpers for one: {can}"
