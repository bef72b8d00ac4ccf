"""Helper functions, by the names of their rows in bpfvm.tables.helpers; a module a theme.

A module is loaded when a program first calls a helper of its.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpfvm.emulator.arguments import Function, Helper, bind
from bpfvm.emulator.catalogue import Catalogue
from bpfvm.emulator.helpers.missing import forbidden, missing, suits
from bpfvm.tables.helpers import BY_ID
from bpfvm.tables.helpers import BY_NAME as ROWS
from bpfvm.tables.helpers import Helper as Row

if TYPE_CHECKING:
    from bpfvm.emulator.answers import Answer

IMPLEMENTED: Mapping[str, Function] = Catalogue(__name__, "HELPERS", {
    "checksums": "csum_diff l3_csum_replace l4_csum_replace csum_update csum_level",
    "clock":
        "ktime_get_ns ktime_get_boot_ns ktime_get_tai_ns ktime_get_coarse_ns jiffies64 get_prandom_u32 "
        "get_smp_processor_id get_numa_node_id",
    "control": "loop get_retval set_retval",
    "cookies":
        "tcp_raw_gen_syncookie_ipv4 tcp_raw_gen_syncookie_ipv6 tcp_raw_check_syncookie_ipv4 "
        "tcp_raw_check_syncookie_ipv6",
    "dynptrs":
        "ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr dynptr_from_mem dynptr_read dynptr_write "
        "dynptr_data",
    "functions": "get_func_arg get_func_arg_cnt get_func_ret d_path",
    "locks": "spin_lock spin_unlock kptr_xchg",
    "maps":
        "map_lookup_elem map_update_elem map_delete_elem map_push_elem map_pop_elem map_peek_elem for_each_map_elem "
        "map_lookup_percpu_elem tail_call",
    "memory":
        "probe_read probe_read_kernel probe_read_user probe_read_str probe_read_kernel_str probe_read_user_str "
        "copy_from_user",
    "numbers": "strtol strtoul",
    "redirects":
        "clone_redirect redirect redirect_map redirect_neigh redirect_peer sk_redirect_map sk_redirect_hash "
        "msg_redirect_map msg_redirect_hash sk_select_reuseport sk_assign",
    "rings":
        "ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard ringbuf_query user_ringbuf_drain "
        "perf_event_output perf_event_read perf_event_read_value",
    "skb":
        "skb_load_bytes skb_load_bytes_relative skb_store_bytes skb_pull_data skb_change_tail skb_change_head "
        "skb_change_type set_hash_invalid set_hash",
    "skb_facts":
        "get_cgroup_classid skb_cgroup_classid get_route_realm get_socket_uid skb_cgroup_id skb_ancestor_cgroup_id "
        "get_socket_cookie get_netns_cookie skb_get_xfrm_state skb_set_tstamp skb_ecn_set_ce get_hash_recalc "
        "sk_fullsock tcp_sock get_listener_sock skc_to_tcp_sock skc_to_tcp6_sock skc_to_tcp_timewait_sock "
        "skc_to_tcp_request_sock skc_to_udp6_sock skc_to_unix_sock skc_to_mptcp_sock",
    "skb_room": "skb_vlan_push skb_vlan_pop skb_change_proto skb_adjust_room lwt_push_encap",
    "sockets": "sock_map_update sock_hash_update sk_release",
    "stacks": "get_stackid get_stack get_task_stack",
    "storages":
        "sk_storage_get sk_storage_delete inode_storage_get inode_storage_delete task_storage_get task_storage_delete "
        "cgrp_storage_get cgrp_storage_delete get_local_storage skb_under_cgroup current_task_under_cgroup",
    "tasks":
        "get_current_pid_tgid get_current_uid_gid get_current_comm get_current_task get_current_task_btf "
        "get_current_cgroup_id get_current_ancestor_cgroup_id find_vma get_func_ip get_attach_cookie",
    "text": "trace_printk trace_vprintk snprintf strncmp",
    "timers": "timer_init timer_set_callback timer_start timer_cancel",
    "tunnels": "skb_set_tunnel_key skb_get_tunnel_key skb_set_tunnel_opt skb_get_tunnel_opt",
    "xdp": "xdp_adjust_head xdp_adjust_meta xdp_adjust_tail xdp_get_buff_len xdp_load_bytes xdp_store_bytes",
})  # fmt: skip


class Table(Mapping[int, Helper]):
    """What programs of one type call, by number: every helper that there is, a fault for those that are not here.

    Each is made when it is first asked for, and then kept. given: users' functions in place of helpers.
    """

    def __init__(self, program_type: str, given: Mapping[int, Helper]) -> None:
        self._type, self._made = program_type, dict(given)

    def __getitem__(self, number: int) -> Helper:
        found = self._made.get(number)
        if found is None:
            found = self._made[number] = _helper(BY_ID[number], self._type)
        return found

    def __contains__(self, number: object) -> bool:
        return number in BY_ID

    def __iter__(self) -> Iterator[int]:
        return iter(BY_ID)

    def __len__(self) -> int:
        return len(BY_ID)


def table(program_type: str, answers: Mapping[str, Answer] | None = None) -> Mapping[int, Helper]:
    """What programs of one type call, by number.

    answers: Python functions in place of helpers, by name; other names are kernel functions.
    """
    given = {ROWS[name]: function for name, function in (answers or {}).items() if name in ROWS}
    if not given:
        return _own(program_type)
    from bpfvm.emulator.answers import answer

    return Table(program_type, {row.id: answer(row, one, program_type) for row, one in given.items()})


@functools.cache
def _own(program_type: str) -> Table:
    return Table(program_type, {})


def _helper(row: Row, program_type: str) -> Helper:
    refused = forbidden(row, program_type)
    if refused is not None:
        return refused
    if row.name not in IMPLEMENTED or not suits(row, program_type):
        return missing(row)
    return bind(row, IMPLEMENTED[row.name], program_type)
