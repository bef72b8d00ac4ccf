"""What tracepoints with types, iterators over the kernel's objects and tables of functions give programs as arguments,
as Linux 6.18 answers loads of them (measured, all that its BTF names)."""

from __future__ import annotations

from collections.abc import Mapping

# Arguments of tracepoints that may be null: number, from 0, and the tracepoints
_NULLABLE = (
    (
        0,
        "tmigr_update_events mm_page_alloc mm_page_alloc_zone_locked mm_page_pcpu_drain "
        "mm_collapse_huge_page_isolate xfs_inodegc_flush xfs_inodegc_push xfs_inodegc_start xfs_inodegc_stop "
        "xfs_inodegc_queue xfs_inodegc_throttle xfs_fs_sync_fs xfs_blockgc_start xfs_blockgc_stop "
        "xfs_blockgc_worker xfs_blockgc_flush_all xfs_defer_create_intent xfs_defer_cancel_list "
        "xfs_defer_pending_finish xfs_defer_pending_abort xfs_defer_relog_intent xfs_defer_isolate_paused "
        "xfs_defer_item_pause xfs_defer_item_unpause xfs_defer_add_item xfs_defer_cancel_item "
        "xfs_defer_finish_item tcp_send_reset",
    ),
    (
        1,
        "sched_pi_setprio mm_khugepaged_scan_pmd mm_khugepaged_scan_file mm_khugepaged_collapse_file "
        "writeback_dirty_folio folio_wait_writeback posix_lock_inode fcntl_setlk locks_remove_posix "
        "flock_lock_inode break_lease_noblock break_lease_block break_lease_unblock generic_delete_lease "
        "time_out_leases ext4_mballoc_discard ext4_mballoc_free hugetlbfs_alloc_inode xfs_ioc_free_eofblocks "
        "xfs_blockgc_free_space tcp_send_reset",
    ),
    (
        2,
        "sched_stick_numa sched_swap_numa xfs_btree_updkeys xfs_btree_overlapped_query_range "
        "tcp_sendmsg_locked fib_table_lookup",
    ),
    (3, "kfree_skb qdisc_dequeue"),
    (4, "xfs_map_blocks_found xfs_map_blocks_alloc"),
)
NULLABLE = frozenset((name, number) for number, names in _NULLABLE for name in names.split())

# Iterators: the arguments behind the first, which is "trusted_" and never null, in the words of the verifier, "null"
# behind those that may be; "number", and memory of a map's key or value
ITERATORS: Mapping[str, tuple[str, ...]] = {
    "bpf_link": ("null",),
    "bpf_map": ("trusted_null",),
    "bpf_map_elem": ("trusted_", "rdonly_buf", "buf"),
    "bpf_prog": ("null",),
    "bpf_sk_storage_map": ("trusted_", "null", "buf"),
    "cgroup": ("trusted_null",),
    "dmabuf": ("null",),
    "ipv6_route": ("null",),
    "kmem_cache": ("trusted_null",),
    "ksym": ("null",),
    "netlink": ("null",),
    "sockmap": ("trusted_", "rdonly_buf", "null"),
    "task": ("trusted_null",),
    "task_file": ("null", "number", "null"),
    "task_vma": ("null", "null"),
    "tcp": ("trusted_null", "number"),
    "udp": ("trusted_null", "number", "number"),
    "unix": ("null", "number"),
}

# What programs for tcp_congestion_ops may write in a tcp_sock: structure, member, and bytes of it, 0 for all
TCP_WRITES = (
    ("sock", "sk_pacing_rate", 0), ("sock", "sk_pacing_status", 0), ("inet_connection_sock", "icsk_ack", 1),
    ("inet_connection_sock", "icsk_ca_priv", 0), ("tcp_sock", "snd_cwnd", 0), ("tcp_sock", "snd_cwnd_cnt", 0),
    ("tcp_sock", "snd_cwnd_stamp", 0), ("tcp_sock", "snd_ssthresh", 0), ("tcp_sock", "ecn_flags", 0),
    ("tcp_sock", "app_limited", 0),
)  # fmt: skip
