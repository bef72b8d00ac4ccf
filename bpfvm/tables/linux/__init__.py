"""The types of one kernel that ship with bpfvm, for machines without a kernel's BTF: a part of that of Linux 6.18.

TYPES is raw BTF (bpftool prints it). It has what `wanted` names with what lies inside; what those only point to has a
name there and no members. `python -m kernel_tests.tables.shipped` writes it anew on such a kernel; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bpfvm.tables.linux.events import CLASSES

__all__ = ["CLASSES", "MACHINE", "TYPES", "VERSION", "wanted"]

VERSION, MACHINE = "6.18", "x86_64"
TYPES = Path(__file__).with_name(f"linux-{VERSION}-{MACHINE}.btf")

_STRUCTS = """
task_struct cred mm_struct vm_area_struct signal_struct sighand_struct files_struct fdtable nsproxy pid upid
pid_namespace uts_namespace ipc_namespace mnt_namespace net css_set cgroup cgroup_subsys_state kernfs_node linux_binprm
pt_regs thread_info rq cfs_rq sched_entity task_group
sock sock_common inet_sock inet_connection_sock tcp_sock udp_sock socket msghdr iov_iter iovec sockaddr sockaddr_in
sockaddr_in6 request_sock sk_buff skb_shared_info net_device iphdr ipv6hdr tcphdr udphdr ethhdr
file path dentry qstr inode super_block file_system_type vfsmount mount address_space folio page open_how
request request_queue gendisk block_device bio bio_vec bvec_iter
kernel_siginfo irqaction work_struct hrtimer timer_list oom_control napi_struct
bpf_raw_tracepoint_args bpf_sock
"""
_FUNCTIONS = """
tcp_v4_connect tcp_v6_connect tcp_connect tcp_rcv_state_process tcp_rcv_established tcp_sendmsg tcp_recvmsg
tcp_cleanup_rbuf tcp_close tcp_set_state tcp_retransmit_skb tcp_v4_rcv tcp_v4_do_rcv inet_csk_accept inet_listen
inet_bind udp_sendmsg udp_recvmsg ip_rcv ip_output ip_queue_xmit __dev_queue_xmit netif_receive_skb sock_sendmsg
sock_recvmsg finish_task_switch wake_up_new_task do_exit try_to_wake_up schedule do_nanosleep
do_sys_openat2 do_filp_open do_unlinkat vfs_read vfs_write vfs_open vfs_unlink vfs_create vfs_fsync vfs_fsync_range
vfs_rename vfs_mkdir vfs_rmdir filp_close bprm_execve do_mmap handle_mm_fault oom_kill_process __kmalloc_noprof kfree
blk_mq_start_request blk_account_io_done submit_bio cap_capable security_file_open security_bprm_check
security_socket_connect
bpf_lsm_file_open bpf_lsm_bprm_check_security bpf_lsm_socket_connect bpf_lsm_socket_create bpf_lsm_socket_bind
bpf_lsm_task_alloc bpf_lsm_task_kill bpf_lsm_inode_unlink bpf_lsm_path_unlink bpf_lsm_mmap_file bpf_lsm_capable
"""
_TRACED = tuple(event.partition(":")[2] for event in CLASSES)  # tracepoints whose arguments are there too
_ENUMS = "pid_type sock_type skb_drop_reason req_op xdp_action cgroup_subsys_id"
_ENUMERATORS = "TCP_SYN_SENT IPPROTO_TCP SS_CONNECTED HI_SOFTIRQ"  # of enums without a name


def wanted() -> Mapping[str, tuple[str, ...]]:
    """What is in TYPES, by the words of obj.btf.extract."""
    records = dict.fromkeys(f"trace_event_raw_{one}" for one in CLASSES.values())
    return {
        "struct": (*_STRUCTS.split(), *records),
        "function": (*_FUNCTIONS.split(), *(f"__traceiter_{one}" for one in _TRACED)),
        "type": tuple(f"btf_trace_{one}" for one in _TRACED),
        "enum": tuple(_ENUMS.split()),
        "enumerator": tuple(_ENUMERATORS.split()),
    }
