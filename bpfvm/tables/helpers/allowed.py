"""Which program types may call which helpers, as Linux 6.18 answers a load of `call N; exit` (measured).

A row is "programs", "helpers", the programs in the words of tables.places; "any" are all measured types.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from bpfvm.tables.places import covers, expand

# Not measured, so that nothing is said of them: ext has the helpers of its target, struct_ops those of its structure,
# the others were not to be loaded: lirc_mode2 for want of a device, lsm and functions of the kernel by host policy.
UNKNOWN = frozenset({"ext", "struct_ops", "lsm", "lirc_mode2"})
HOST = frozenset({"probe_write_user", "override_return"})  # lockdown and the kernel's configuration decide
UNKNOWN_ATTACH = frozenset({"trace_fentry", "trace_fexit", "modify_return"})

_MEASURED = (
    "socket_filter kprobe sched_cls sched_act tracepoint xdp perf_event cgroup_skb cgroup_sock lwt_in lwt_out lwt_xmit "
    "sock_ops sk_skb cgroup_device sk_msg raw_tracepoint cgroup_sock_addr lwt_seg6local sk_reuseport flow_dissector "
    "cgroup_sysctl raw_tracepoint_writable cgroup_sockopt tracing sk_lookup syscall netfilter"
)

_ROWS: tuple[tuple[str, str], ...] = (
    ("any",
     "map_lookup_elem map_update_elem map_delete_elem ktime_get_ns trace_printk get_prandom_u32 "
     "get_smp_processor_id tail_call get_current_pid_tgid get_current_uid_gid get_current_comm "
     "get_cgroup_classid perf_event_read get_current_task current_task_under_cgroup get_numa_node_id "
     "perf_event_read_value get_current_cgroup_id map_push_elem map_pop_elem map_peek_elem spin_lock "
     "spin_unlock strtol strtoul send_signal probe_read_user probe_read_kernel probe_read_user_str "
     "probe_read_kernel_str send_signal_thread jiffies64 get_ns_current_pid_tgid "
     "get_current_ancestor_cgroup_id ktime_get_boot_ns ringbuf_output ringbuf_reserve ringbuf_submit "
     "ringbuf_discard ringbuf_query get_task_stack copy_from_user snprintf_btf per_cpu_ptr this_cpu_ptr "
     "task_storage_get task_storage_delete get_current_task_btf for_each_map_elem snprintf timer_init "
     "timer_set_callback timer_start timer_cancel task_pt_regs get_branch_snapshot trace_vprintk find_vma "
     "loop strncmp copy_from_user_task kptr_xchg map_lookup_percpu_elem dynptr_from_mem "
     "ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr dynptr_read dynptr_write "
     "dynptr_data ktime_get_tai_ns user_ringbuf_drain cgrp_storage_get cgrp_storage_delete"),
    ("any -trace -cgroup_device -cgroup_sock -cgroup_sockopt -cgroup_sysctl -netfilter -sk_reuseport",
     "skc_to_tcp6_sock skc_to_tcp_sock skc_to_tcp_timewait_sock skc_to_tcp_request_sock skc_to_udp6_sock "
     "skc_to_unix_sock skc_to_mptcp_sock"),
    ("any -flow_dissector -netfilter -sk_reuseport",
     "perf_event_output"),
    ("any -trace -cgroup_device -cgroup_sockopt -netfilter -syscall -tracing",
     "ktime_get_coarse_ns"),
    ("tc",
     "skb_vlan_push skb_vlan_pop skb_change_proto skb_change_type set_hash skb_get_xfrm_state "
     "skb_cgroup_classid redirect_neigh redirect_peer skb_set_tstamp"),
    ("tc lwt_xmit",
     "l3_csum_replace l4_csum_replace clone_redirect skb_get_tunnel_key skb_set_tunnel_key "
     "skb_get_tunnel_opt skb_set_tunnel_opt csum_update set_hash_invalid csum_level"),
    ("tc xdp",
     "fib_lookup tcp_check_syncookie tcp_gen_syncookie check_mtu tcp_raw_gen_syncookie_ipv4 "
     "tcp_raw_gen_syncookie_ipv6 tcp_raw_check_syncookie_ipv4 tcp_raw_check_syncookie_ipv6"),
    ("sk_msg",
     "msg_redirect_map msg_apply_bytes msg_cork_bytes msg_pull_data msg_redirect_hash msg_push_data "
     "msg_pop_data"),
    ("sock_ops",
     "sock_map_update sock_ops_cb_flags_set sock_hash_update load_hdr_opt store_hdr_opt reserve_hdr_opt"),
    ("xdp",
     "xdp_adjust_head redirect_map xdp_adjust_meta xdp_adjust_tail xdp_load_bytes xdp_store_bytes"),
    ("tc cgroup_skb",
     "skb_cgroup_id skb_ancestor_cgroup_id sk_fullsock skb_ecn_set_ce get_listener_sock"),
    ("cgroup_sysctl",
     "sysctl_get_name sysctl_get_current_value sysctl_get_new_value sysctl_set_new_value"),
    ("syscall",
     "sys_bpf btf_find_by_name_kind sys_close kallsyms_lookup_name"),
    ("trace syscall tracing",
     "probe_read get_stackid probe_read_str get_stack"),
    ("tracing:trace_iter",
     "seq_printf seq_write d_path seq_printf_btf"),
    ("lwt_seg6local",
     "lwt_seg6_store_bytes lwt_seg6_adjust_srh lwt_seg6_action"),
    ("syscall tracing",
     "skb_output xdp_output sock_from_file"),
    ("tc cgroup_skb cgroup_sock_addr sk_skb xdp",
     "sk_lookup_tcp sk_lookup_udp skc_lookup_tcp"),
    ("tc lwt",
     "get_route_realm skb_under_cgroup get_hash_recalc"),
    ("tc lwt_xmit sk_skb",
     "skb_store_bytes skb_change_tail skb_change_head"),
    ("cgroup_device cgroup_sock cgroup_sockopt cgroup_sysctl cgroup_sock_addr:cgroup_inet4_bind "
     "cgroup_sock_addr:cgroup_inet6_bind cgroup_sock_addr:cgroup_inet4_connect "
     "cgroup_sock_addr:cgroup_inet6_connect cgroup_sock_addr:cgroup_unix_connect "
     "cgroup_sock_addr:cgroup_udp4_sendmsg cgroup_sock_addr:cgroup_udp6_sendmsg "
     "cgroup_sock_addr:cgroup_unix_sendmsg",
     "get_retval set_retval"),
    ("cgroup_skb",
     "sk_cgroup_id sk_ancestor_cgroup_id"),
    ("cgroup_sock_addr sock_ops cgroup_sockopt:cgroup_setsockopt",
     "setsockopt getsockopt"),
    ("perf_event",
     "perf_prog_read_value read_branch_records"),
    ("sk_skb",
     "sk_redirect_map sk_redirect_hash"),
    ("cgroup_device cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt cgroup_sysctl sock_ops",
     "get_local_storage"),
    ("cgroup_sock_addr:cgroup_inet4_connect cgroup_sock_addr:cgroup_inet6_connect",
     "bind"),
    ("kprobe tracing",
     "get_func_ip"),
    ("lwt_in lwt_xmit",
     "lwt_push_encap"),
    ("sk_reuseport",
     "sk_select_reuseport"),
    ("syscall tracing xdp",
     "xdp_get_buff_len"),
    ("tc cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt sk_msg sock_ops socket_filter",
     "get_netns_cookie"),
    ("tc cgroup_skb cgroup_sock cgroup_sock_addr cgroup_sockopt sk_msg sock_ops tracing",
     "sk_storage_get"),
    ("tc cgroup_skb cgroup_sock cgroup_sock_addr sk_reuseport sk_skb sock_ops socket_filter syscall "
     "tracing",
     "get_socket_cookie"),
    ("tc cgroup_skb cgroup_sock_addr cgroup_sockopt sk_msg sock_ops tracing",
     "sk_storage_delete"),
    ("tc cgroup_skb cgroup_sock_addr sk_lookup sk_skb xdp",
     "sk_release"),
    ("tc cgroup_skb cgroup_sockopt sock_ops",
     "tcp_sock"),
    ("tc cgroup_skb sk_reuseport socket_filter",
     "skb_load_bytes_relative"),
    ("tc cgroup_skb sk_skb socket_filter",
     "get_socket_uid"),
    ("tc lwt cgroup_skb flow_dissector sk_reuseport sk_skb socket_filter",
     "skb_load_bytes"),
    ("tc lwt sk_skb",
     "skb_pull_data"),
    ("tc lwt xdp",
     "csum_diff"),
    ("tc lwt_xmit xdp",
     "redirect"),
    ("tc sk_lookup",
     "sk_assign"),
    ("tc sk_skb",
     "skb_adjust_room"),
    ("trace tracing:trace_raw_tp",
     "get_attach_cookie"),
    # Refused on the measured host, by lockdown and for want of CONFIG_BPF_KPROBE_OVERRIDE; known from uapi's text.
    ("trace", "probe_write_user"),
    ("kprobe", "override_return"),
    ("tracing:trace_fentry tracing:trace_fexit tracing:modify_return", "get_func_arg get_func_arg_cnt get_func_ret"),
)  # fmt: skip


# Of tables of functions, what was measured: beside what any program may call. Of "release" not the last two
_OF_TABLES = {
    "tcp_congestion_ops": frozenset({"sk_storage_get", "sk_storage_delete", "tcp_send_ack", "ktime_get_coarse_ns",
                                     "setsockopt", "getsockopt"}),
}  # fmt: skip


def allowed_in_table(helper: str, table: str, member: str) -> bool | None:
    """Whether programs for a member of a table of functions may call the helper; None where it is not known."""
    if table not in _OF_TABLES:
        return None
    if member == "release" and helper in ("setsockopt", "getsockopt"):
        return False
    return helper in _OF_TABLES[table] or helper in _ROWS[0][1].split()


def allowed(helper: str, program_type: str, attach_type: str | None = None) -> bool | None:
    """Whether programs of the type, loaded for the attach type, may call the helper; None where it is not known.

    Without an attach type: whether they may at any of their attach types. License and sleepability are other questions:
    `Helper.gpl`, `Helper.sleeps`.
    """
    if program_type in UNKNOWN or attach_type in UNKNOWN_ATTACH:
        return None
    return covers(_places().get(helper, frozenset()), program_type, attach_type)


@functools.cache
def _places() -> Mapping[str, frozenset[str]]:
    """Helper -> types and "type:attach type" pairs that may call it."""
    return {helper: expand(programs, _MEASURED) for programs, helpers in _ROWS for helper in helpers.split()}
