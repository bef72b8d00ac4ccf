"""Attach types (enum bpf_attach_type): the places that a program says at load it will be attached to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttachType:
    """name: the uapi name in lower case without BPF_. programs: the types that may be attached there."""

    name: str
    number: int
    programs: tuple[str, ...]
    since: str


_SOCK, _ADDR, _TRACING = ("cgroup_sock",), ("cgroup_sock_addr",), ("tracing",)

ATTACH_TYPES: tuple[AttachType, ...] = (
    AttachType("cgroup_inet_ingress", 0, ("cgroup_skb",), "4.10"),
    AttachType("cgroup_inet_egress", 1, ("cgroup_skb",), "4.10"),
    AttachType("cgroup_inet_sock_create", 2, _SOCK, "4.10"),
    AttachType("cgroup_sock_ops", 3, ("sock_ops",), "4.13"),
    AttachType("sk_skb_stream_parser", 4, ("sk_skb",), "4.14"),
    AttachType("sk_skb_stream_verdict", 5, ("sk_skb",), "4.14"),
    AttachType("cgroup_device", 6, ("cgroup_device",), "4.15"),
    AttachType("sk_msg_verdict", 7, ("sk_msg",), "4.17"),
    AttachType("cgroup_inet4_bind", 8, _ADDR, "4.17"),
    AttachType("cgroup_inet6_bind", 9, _ADDR, "4.17"),
    AttachType("cgroup_inet4_connect", 10, _ADDR, "4.17"),
    AttachType("cgroup_inet6_connect", 11, _ADDR, "4.17"),
    AttachType("cgroup_inet4_post_bind", 12, _SOCK, "4.17"),
    AttachType("cgroup_inet6_post_bind", 13, _SOCK, "4.17"),
    AttachType("cgroup_udp4_sendmsg", 14, _ADDR, "4.18"),
    AttachType("cgroup_udp6_sendmsg", 15, _ADDR, "4.18"),
    AttachType("lirc_mode2", 16, ("lirc_mode2",), "4.18"),
    AttachType("flow_dissector", 17, ("flow_dissector",), "4.20"),
    AttachType("cgroup_sysctl", 18, ("cgroup_sysctl",), "5.2"),
    AttachType("cgroup_udp4_recvmsg", 19, _ADDR, "5.2"),
    AttachType("cgroup_udp6_recvmsg", 20, _ADDR, "5.2"),
    AttachType("cgroup_getsockopt", 21, ("cgroup_sockopt",), "5.3"),
    AttachType("cgroup_setsockopt", 22, ("cgroup_sockopt",), "5.3"),
    AttachType("trace_raw_tp", 23, _TRACING, "5.5"),
    AttachType("trace_fentry", 24, _TRACING, "5.5"),
    AttachType("trace_fexit", 25, _TRACING, "5.5"),
    AttachType("modify_return", 26, _TRACING, "5.7"),
    AttachType("lsm_mac", 27, ("lsm",), "5.7"),
    AttachType("trace_iter", 28, _TRACING, "5.8"),
    AttachType("cgroup_inet4_getpeername", 29, _ADDR, "5.8"),
    AttachType("cgroup_inet6_getpeername", 30, _ADDR, "5.8"),
    AttachType("cgroup_inet4_getsockname", 31, _ADDR, "5.8"),
    AttachType("cgroup_inet6_getsockname", 32, _ADDR, "5.8"),
    AttachType("xdp_devmap", 33, ("xdp",), "5.8"),
    AttachType("cgroup_inet_sock_release", 34, _SOCK, "5.9"),
    AttachType("xdp_cpumap", 35, ("xdp",), "5.9"),
    AttachType("sk_lookup", 36, ("sk_lookup",), "5.9"),
    AttachType("xdp", 37, ("xdp",), "5.9"),
    AttachType("sk_skb_verdict", 38, ("sk_skb",), "5.13"),
    AttachType("sk_reuseport_select", 39, ("sk_reuseport",), "5.14"),
    AttachType("sk_reuseport_select_or_migrate", 40, ("sk_reuseport",), "5.14"),
    AttachType("perf_event", 41, ("kprobe", "tracepoint", "perf_event"), "5.15"),
    AttachType("trace_kprobe_multi", 42, ("kprobe",), "5.18"),
    AttachType("lsm_cgroup", 43, ("lsm",), "6.0"),
    AttachType("struct_ops", 44, ("struct_ops",), "6.4"),
    AttachType("netfilter", 45, ("netfilter",), "6.4"),
    AttachType("tcx_ingress", 46, ("sched_cls",), "6.6"),
    AttachType("tcx_egress", 47, ("sched_cls",), "6.6"),
    AttachType("trace_uprobe_multi", 48, ("kprobe",), "6.6"),
    AttachType("cgroup_unix_connect", 49, _ADDR, "6.7"),
    AttachType("cgroup_unix_sendmsg", 50, _ADDR, "6.7"),
    AttachType("cgroup_unix_recvmsg", 51, _ADDR, "6.7"),
    AttachType("cgroup_unix_getpeername", 52, _ADDR, "6.7"),
    AttachType("cgroup_unix_getsockname", 53, _ADDR, "6.7"),
    AttachType("netkit_primary", 54, ("sched_cls",), "6.7"),
    AttachType("netkit_peer", 55, ("sched_cls",), "6.7"),
    AttachType("trace_kprobe_session", 56, ("kprobe",), "6.10"),
    AttachType("trace_uprobe_session", 57, ("kprobe",), "6.13"),
)

BY_NAME: Mapping[str, AttachType] = {row.name: row for row in ATTACH_TYPES}
BY_NUMBER: Mapping[int, AttachType] = {row.number: row for row in ATTACH_TYPES}
