"""Which helpers take which maps (6.18): some map types are for some helpers only, and some helpers for some types.

Where neither table names them, any map does.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.tables.maps import SOCKET_CHANGERS, may_change_sockets

_PERF = "perf_event_read perf_event_output skb_output perf_event_read_value xdp_output"
_RING = (
    "ringbuf_output ringbuf_reserve ringbuf_query ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr"
)

HELPERS_OF: Mapping[str, frozenset[str]] = {
    name: frozenset(helpers.split())
    for names, helpers in (
        ("prog_array", "tail_call"),
        ("perf_event_array", _PERF),
        ("ringbuf", _RING),
        ("user_ringbuf", "user_ringbuf_drain"),
        ("stack_trace", "get_stackid"),
        ("cgroup_array", "skb_under_cgroup current_task_under_cgroup"),
        ("cgroup_storage percpu_cgroup_storage", "get_local_storage"),
        ("devmap devmap_hash xskmap", "redirect_map map_lookup_elem"),
        ("cpumap", "redirect_map"),
        ("array_of_maps hash_of_maps", "map_lookup_elem"),
        ("sockmap", "sk_redirect_map sock_map_update msg_redirect_map sk_select_reuseport map_lookup_elem "
                    "map_update_elem map_delete_elem"),
        ("sockhash", "sk_redirect_hash sock_hash_update msg_redirect_hash sk_select_reuseport map_lookup_elem "
                     "map_update_elem map_delete_elem"),
        ("reuseport_sockarray", "sk_select_reuseport"),
        ("queue stack", "map_peek_elem map_pop_elem map_push_elem"),
        ("bloom_filter", "map_peek_elem map_push_elem"),
        ("sk_storage", "sk_storage_get sk_storage_delete kptr_xchg"),
        ("inode_storage", "inode_storage_get inode_storage_delete kptr_xchg"),
        ("task_storage", "task_storage_get task_storage_delete kptr_xchg"),
        ("cgrp_storage", "cgrp_storage_get cgrp_storage_delete kptr_xchg"),
    )
    for name in names.split()
}  # fmt: skip

_MAPS_OF: Mapping[str, frozenset[str]] = {
    name: frozenset(maps.split())
    for names, maps in (
        ("tail_call", "prog_array"),
        (_PERF, "perf_event_array"),
        (_RING, "ringbuf"),
        ("user_ringbuf_drain", "user_ringbuf"),
        ("get_stackid", "stack_trace"),
        ("current_task_under_cgroup skb_under_cgroup", "cgroup_array"),
        ("redirect_map", "devmap devmap_hash cpumap xskmap"),
        ("sk_redirect_map msg_redirect_map sock_map_update", "sockmap"),
        ("sk_redirect_hash msg_redirect_hash sock_hash_update", "sockhash"),
        ("get_local_storage", "cgroup_storage percpu_cgroup_storage"),
        ("sk_select_reuseport", "reuseport_sockarray sockmap sockhash"),
        ("map_pop_elem", "queue stack"),
        ("map_peek_elem map_push_elem", "queue stack bloom_filter"),
        ("map_lookup_percpu_elem", "percpu_array percpu_hash lru_percpu_hash"),
        ("sk_storage_get sk_storage_delete", "sk_storage"),
        ("inode_storage_get inode_storage_delete", "inode_storage"),
        ("task_storage_get task_storage_delete", "task_storage"),
        ("cgrp_storage_get cgrp_storage_delete", "cgrp_storage"),
    )
    for name in names.split()
}


def fits(map_type: str, helper: str, program_type: str, attach_type: str | None) -> bool:
    """Whether programs of the type may give such a map to the helper."""
    helpers = HELPERS_OF.get(map_type)
    if helpers is not None and helper not in helpers:
        return False
    if map_type in ("sockmap", "sockhash") and helper in SOCKET_CHANGERS:
        return may_change_sockets(helper, program_type, attach_type)
    maps = _MAPS_OF.get(helper)
    return maps is None or map_type in maps
