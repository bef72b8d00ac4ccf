"""Program types: uapi numbers (enum bpf_prog_type), contexts, names and ranges of return values, what loading takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bpfvm.tables import attach, sections

BPF, NET, PERF = "CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"


@dataclass(frozen=True, slots=True)
class ProgramType:
    """name: the uapi name in lower case without BPF_PROG_TYPE_.

    context: its row in tables.ctx, None where r1 points to what a buffer or BTF describes.
    actions: return values that have names. fallback: what a program returns that ends by a fault or without a value, so
    that the kernel does what it does without the program. returns: the least and the largest r0 that the verifier
    takes at exit, None where any number is good; an attach type may say otherwise (`return_range`).
    layer: the first header in the packet that the program sees ("eth", "ip"), None where it sees no packet of headers.
    direct: packet bytes are loaded from addresses; else helpers fetch them. stores: they may be stored to as well
    (may_access_direct_pkt_data).
    ld_abs: legacy packet loads (RFC 9669 5.5) are allowed. sleepable: the type is only taken with BPF_F_SLEEPABLE.
    test_run: the kernel since which BPF_PROG_TEST_RUN runs it, "" for never. needs: capabilities that loading takes;
    unprivileged: none where kernel.unprivileged_bpf_disabled is 0. btf_target: loads for one function or structure that
    attach_btf_id names.
    """

    name: str
    number: int
    context: str | None
    actions: Mapping[int, str] = field(default_factory=dict)
    fallback: int = 0
    returns: tuple[int, int] | None = None
    layer: str | None = None
    direct: bool = False
    stores: bool = False
    ld_abs: bool = False
    sleepable: bool = False
    test_run: str = ""
    needs: tuple[str, ...] = (BPF,)
    unprivileged: bool = False
    btf_target: bool = False
    since: str = "3.18"

    @property
    def attach_types(self) -> tuple[attach.AttachType, ...]:
        """Where programs of this type may be attached, in uapi order; () for types that are attached by other means."""
        return tuple(row for row in attach.ATTACH_TYPES if self.name in row.programs)

    @property
    def sections(self) -> tuple[str, ...]:
        """ELF section names that tell this type."""
        return tuple(row.name for row in sections.SECTIONS if row.program_type == self.name)

    def action(self, value: int) -> str | None:
        """The name of a return value, as a u32 or as a signed number; None where it has none."""
        return self.actions.get(value - (1 << 32) if value >> 31 == 1 else value)

    def return_range(self, attach_type: str | None = None) -> tuple[int, int] | None:
        """What r0 may be at exit of a program loaded for `attach_type`, inclusive; None for anything."""
        if attach_type is not None and attach_type in _RETURNS:
            return _RETURNS[attach_type]
        return self.returns


# Measured on 6.18 with constants; for lsm hooks that return a number, an errno or 0 beside that.
_ALLOW, _WITH_FLAG, _ALWAYS, _NOTHING = (0, 1), (0, 3), (1, 1), (0, 0)
_RETURNS: Mapping[str, tuple[int, int] | None] = {
    "cgroup_inet_egress": _WITH_FLAG,  # bit 1: congestion notification
    **dict.fromkeys(("cgroup_inet4_bind", "cgroup_inet6_bind"), _WITH_FLAG),  # bit 1: no CAP_NET_BIND_SERVICE needed
    **dict.fromkeys(("cgroup_udp4_recvmsg", "cgroup_udp6_recvmsg", "cgroup_unix_recvmsg"), _ALWAYS),
    **dict.fromkeys((f"cgroup_{one}_getpeername" for one in ("inet4", "inet6", "unix")), _ALWAYS),
    **dict.fromkeys((f"cgroup_{one}_getsockname" for one in ("inet4", "inet6", "unix")), _ALWAYS),
    **dict.fromkeys(("trace_fentry", "trace_fexit"), _NOTHING),
    "trace_iter": _ALLOW,
    **dict.fromkeys(("trace_kprobe_session", "trace_uprobe_session"), _ALLOW),
    "lsm_cgroup": _ALLOW,
}

_XDP = {0: "XDP_ABORTED", 1: "XDP_DROP", 2: "XDP_PASS", 3: "XDP_TX", 4: "XDP_REDIRECT"}
_TC = {
    -1: "TC_ACT_UNSPEC", 0: "TC_ACT_OK", 1: "TC_ACT_RECLASSIFY", 2: "TC_ACT_SHOT", 3: "TC_ACT_PIPE", 4: "TC_ACT_STOLEN",
    5: "TC_ACT_QUEUED", 6: "TC_ACT_REPEAT", 7: "TC_ACT_REDIRECT", 8: "TC_ACT_TRAP",
}  # fmt: skip
_SK = {0: "SK_DROP", 1: "SK_PASS"}
_LWT = {0: "BPF_OK", 2: "BPF_DROP"}
_LWT_XMIT = {**_LWT, 7: "BPF_REDIRECT", 128: "BPF_LWT_REROUTE"}
_FLOW = {**_LWT, 129: "BPF_FLOW_DISSECTOR_CONTINUE"}
_NF = {0: "NF_DROP", 1: "NF_ACCEPT"}

_NET_TYPE, _TRACE_TYPE = (BPF, NET), (BPF, PERF)

PROGRAM_TYPES: tuple[ProgramType, ...] = (
    ProgramType("unspec", 0, None),  # what an object's section does not tell; no kernel takes it
    ProgramType("socket_filter", 1, "__sk_buff", layer="eth", ld_abs=True, test_run="4.12", unprivileged=True,
                since="3.19"),
    ProgramType("kprobe", 2, "pt_regs", needs=_TRACE_TYPE, since="4.1"),
    ProgramType("sched_cls", 3, "__sk_buff", _TC, fallback=-1, layer="eth", direct=True, stores=True,
                ld_abs=True, test_run="4.12", needs=_NET_TYPE, since="4.1"),
    ProgramType("sched_act", 4, "__sk_buff", _TC, fallback=-1, layer="eth", direct=True, stores=True,
                ld_abs=True, test_run="4.12", needs=_NET_TYPE, since="4.1"),
    ProgramType("tracepoint", 5, None, needs=_TRACE_TYPE, since="4.7"),
    ProgramType("xdp", 6, "xdp_md", _XDP, fallback=2, layer="eth", direct=True, stores=True, test_run="4.12",
                needs=_NET_TYPE, since="4.8"),
    ProgramType("perf_event", 7, "bpf_perf_event_data", needs=_TRACE_TYPE, since="4.9"),
    ProgramType("cgroup_skb", 8, "__sk_buff", fallback=1, returns=_ALLOW, layer="ip", test_run="4.12",
                unprivileged=True, since="4.10"),
    ProgramType("cgroup_sock", 9, "bpf_sock", fallback=1, returns=_ALLOW, needs=_NET_TYPE, since="4.10"),
    ProgramType("lwt_in", 10, "__sk_buff", _LWT, layer="ip", direct=True, test_run="4.12", needs=_NET_TYPE,
                since="4.10"),
    ProgramType("lwt_out", 11, "__sk_buff", _LWT, layer="ip", direct=True, test_run="4.12", needs=_NET_TYPE,
                since="4.10"),
    ProgramType("lwt_xmit", 12, "__sk_buff", _LWT_XMIT, layer="ip", direct=True, stores=True, test_run="4.12",
                needs=_NET_TYPE, since="4.10"),
    ProgramType("sock_ops", 13, "bpf_sock_ops", fallback=1, returns=_ALLOW, needs=_NET_TYPE, since="4.13"),
    ProgramType("sk_skb", 14, "__sk_buff", _SK, fallback=1, needs=_NET_TYPE, since="4.14"),
    ProgramType("cgroup_device", 15, "bpf_cgroup_dev_ctx", fallback=1, returns=_ALLOW, needs=_NET_TYPE, since="4.15"),
    ProgramType("sk_msg", 16, "sk_msg_md", _SK, fallback=1, needs=_NET_TYPE, since="4.17"),
    ProgramType("raw_tracepoint", 17, "bpf_raw_tracepoint_args", test_run="5.10", needs=_TRACE_TYPE, since="4.17"),
    ProgramType("cgroup_sock_addr", 18, "bpf_sock_addr", fallback=1, returns=_ALLOW, needs=_NET_TYPE, since="4.17"),
    ProgramType("lwt_seg6local", 19, "__sk_buff", _LWT_XMIT, layer="ip", direct=True, needs=_NET_TYPE,
                since="4.18"),
    ProgramType("lirc_mode2", 20, None, needs=_NET_TYPE, since="4.18"),
    ProgramType("sk_reuseport", 21, "sk_reuseport_md", _SK, fallback=1, since="4.19"),
    ProgramType("flow_dissector", 22, "__sk_buff", _FLOW, fallback=129, layer="eth", direct=True, test_run="5.1",
                needs=_NET_TYPE, since="4.20"),
    ProgramType("cgroup_sysctl", 23, "bpf_sysctl", fallback=1, returns=_ALLOW, needs=_NET_TYPE, since="5.2"),
    ProgramType("raw_tracepoint_writable", 24, "bpf_raw_tracepoint_args", needs=_TRACE_TYPE, since="5.2"),
    ProgramType("cgroup_sockopt", 25, "bpf_sockopt", fallback=1, returns=_ALLOW, needs=_NET_TYPE, since="5.3"),
    ProgramType("tracing", 26, None, test_run="5.6", needs=_TRACE_TYPE, btf_target=True, since="5.5"),
    ProgramType("struct_ops", 27, None, test_run="5.17", needs=_TRACE_TYPE, btf_target=True, since="5.6"),
    ProgramType("ext", 28, None, needs=(BPF, NET, PERF), btf_target=True, since="5.6"),
    ProgramType("lsm", 29, None, needs=_TRACE_TYPE, btf_target=True, since="5.7"),
    ProgramType("sk_lookup", 30, "bpf_sk_lookup", _SK, fallback=1, returns=_ALLOW, test_run="5.13",
                since="5.9"),
    ProgramType("syscall", 31, None, sleepable=True, test_run="5.14", since="5.14"),
    ProgramType("netfilter", 32, "bpf_nf_ctx", _NF, fallback=1, returns=_ALLOW, layer="ip", test_run="6.4",
                needs=_NET_TYPE, since="6.4"),
)  # fmt: skip

BY_NAME: Mapping[str, ProgramType] = {row.name: row for row in PROGRAM_TYPES}
BY_NUMBER: Mapping[int, ProgramType] = {row.number: row for row in PROGRAM_TYPES}


def of_section(section: str) -> ProgramType | None:
    """The program type that the section's name tells, or None; `tables.sections.of_section` says more."""
    row = BY_NAME[sections.of_section(section).program_type]
    return row if row.number else None


# The names of return values as constants: XDP_PASS and its like.
globals().update({name: value for row in PROGRAM_TYPES for value, name in row.actions.items()})
