"""ELF section names of programs: the program type, the attach type and the flags that a name tells a loader.

The rows are libbpf's (docs.kernel.org/bpf/libbpf/program_types.html; `tests/unit/tables` compares every row with the
library itself). Behind them stand the looser names of libbpf before 1.0 and of the kernel's samples, which took any
name that starts with a known one: "socket1", "xdp_prog", "classifier_egress". A name that tells nothing (the "2/10"
and "tail-0" of tail-called tc programs, "from-netdev", "filter") is of program type "unspec": who loads it has to say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Section:
    """What a section name says.

    name: as a row of the table; in an answer of `of_section`, the whole name that was asked for.
    program_type: a row of tables.progs. attach_type: a row of tables.attach, or None; optional_attach: kernels that do
    not know the attach type take the program without it.
    suffix: the row takes "name/target", too. target: what stands behind the slash in the name that was asked for.
    sleepable: loads with BPF_F_SLEEPABLE. frags: loads with BPF_F_XDP_HAS_FRAGS. btf: the target is found in BTF, and
    its id goes into the load. returns: the probe sits where the function returns. auto: False behind a "?", which keeps
    a loader from loading the program unless it is asked to. since: the libbpf that first took it ("0" before 1.0).
    exact: False where only looser rules than libbpf 1.0's find the name.
    """

    name: str
    program_type: str
    attach_type: str | None = None
    suffix: bool = False
    optional_attach: bool = False
    sleepable: bool = False
    frags: bool = False
    btf: bool = False
    returns: bool = False
    since: str = "0"
    target: str = ""
    auto: bool = True
    exact: bool = True


def _probes(name: str, attach: str | None = None, since: str = "0", sleepable: bool = False) -> tuple[Section, ...]:
    """The rows of a probe on entry, and of the one on return: kprobe and kretprobe."""
    kind, dot, rest = name.partition(".")
    back = f"{kind[0]}ret{kind[1:]}{dot}{rest}"
    return tuple(
        Section(one, "kprobe", attach, suffix=True, since=since, sleepable=sleepable, returns=one == back)
        for one in (name, back)
    )


def _traced(
    name: str, type: str, attach: str | None, *, sleepable: bool = True, since: str = "0"
) -> tuple[Section, ...]:
    """The rows of a program whose target BTF tells, with its sleepable form where there is one."""
    row = Section(name, type, attach, suffix=True, btf=True, since=since, returns=name == "fexit")
    return (row, replace(row, name=f"{name}.s", sleepable=True)) if sleepable else (row,)


def _cgroup(type: str, attach: str, *names: str, since: str = "0", optional: bool = False) -> tuple[Section, ...]:
    """Rows named cgroup/NAME for attach types in which {} stands for the name's protocol: 4, 6 or _unix."""
    return tuple(
        Section(f"cgroup/{name}", type, attach.format(name[-1]), since=since, optional_attach=optional)
        for name in names
    )


def _unix(*names: str) -> tuple[Section, ...]:
    return tuple(
        Section(f"cgroup/{name}_unix", "cgroup_sock_addr", f"cgroup_unix_{name}", since="1.3") for name in names
    )


SECTIONS: tuple[Section, ...] = (
    Section("socket", "socket_filter"),
    Section("sk_reuseport/migrate", "sk_reuseport", "sk_reuseport_select_or_migrate"),
    Section("sk_reuseport", "sk_reuseport", "sk_reuseport_select"),
    *_probes("kprobe"),
    *_probes("uprobe"),
    *_probes("uprobe.s", since="1.0", sleepable=True),
    *_probes("kprobe.multi", "trace_kprobe_multi", since="0.8"),
    Section("kprobe.session", "kprobe", "trace_kprobe_session", suffix=True, since="1.5"),
    *_probes("uprobe.multi", "trace_uprobe_multi", since="1.3"),
    *_probes("uprobe.multi.s", "trace_uprobe_multi", since="1.3", sleepable=True),
    Section("uprobe.session", "kprobe", "trace_uprobe_session", suffix=True, since="1.6"),
    Section("uprobe.session.s", "kprobe", "trace_uprobe_session", suffix=True, sleepable=True, since="1.6"),
    *_probes("ksyscall", since="1.0"),
    Section("usdt", "kprobe", suffix=True, since="0.8"),
    Section("usdt.s", "kprobe", suffix=True, sleepable=True, since="1.3"),
    Section("tc/ingress", "sched_cls", "tcx_ingress", since="1.3"),
    Section("tc/egress", "sched_cls", "tcx_egress", since="1.3"),
    Section("tcx/ingress", "sched_cls", "tcx_ingress", since="1.3"),
    Section("tcx/egress", "sched_cls", "tcx_egress", since="1.3"),
    Section("tc", "sched_cls"),
    Section("classifier", "sched_cls"),
    Section("action", "sched_act"),
    Section("netkit/primary", "sched_cls", "netkit_primary", since="1.3"),
    Section("netkit/peer", "sched_cls", "netkit_peer", since="1.3"),
    Section("tracepoint", "tracepoint", suffix=True),
    Section("tp", "tracepoint", suffix=True),
    Section("raw_tracepoint", "raw_tracepoint", suffix=True),
    Section("raw_tp", "raw_tracepoint", suffix=True),
    Section("raw_tracepoint.w", "raw_tracepoint_writable", suffix=True),
    Section("raw_tp.w", "raw_tracepoint_writable", suffix=True),
    *_traced("tp_btf", "tracing", "trace_raw_tp", sleepable=False),
    *_traced("fentry", "tracing", "trace_fentry"),
    *_traced("fmod_ret", "tracing", "modify_return"),
    *_traced("fexit", "tracing", "trace_fexit"),
    *_traced("freplace", "ext", None, sleepable=False),
    *_traced("lsm", "lsm", "lsm_mac"),
    *_traced("lsm_cgroup", "lsm", "lsm_cgroup", sleepable=False, since="1.0"),
    *_traced("iter", "tracing", "trace_iter"),
    Section("syscall", "syscall", sleepable=True),
    Section("xdp.frags/devmap", "xdp", "xdp_devmap", frags=True, since="0.7"),
    Section("xdp/devmap", "xdp", "xdp_devmap"),
    Section("xdp.frags/cpumap", "xdp", "xdp_cpumap", frags=True, since="0.7"),
    Section("xdp/cpumap", "xdp", "xdp_cpumap"),
    Section("xdp.frags", "xdp", "xdp", frags=True, since="0.7"),
    Section("xdp", "xdp", "xdp", optional_attach=True),
    Section("perf_event", "perf_event"),
    Section("lwt_in", "lwt_in"),
    Section("lwt_out", "lwt_out"),
    Section("lwt_xmit", "lwt_xmit"),
    Section("lwt_seg6local", "lwt_seg6local"),
    Section("sockops", "sock_ops", "cgroup_sock_ops", optional_attach=True),
    Section("sk_skb/stream_parser", "sk_skb", "sk_skb_stream_parser", optional_attach=True),
    Section("sk_skb/stream_verdict", "sk_skb", "sk_skb_stream_verdict", optional_attach=True),
    Section("sk_skb/verdict", "sk_skb", "sk_skb_verdict", optional_attach=True, since="1.4"),
    Section("sk_skb", "sk_skb"),
    Section("sk_msg", "sk_msg", "sk_msg_verdict", optional_attach=True),
    Section("lirc_mode2", "lirc_mode2", "lirc_mode2", optional_attach=True),
    Section("flow_dissector", "flow_dissector", "flow_dissector", optional_attach=True),
    Section("cgroup_skb/ingress", "cgroup_skb", "cgroup_inet_ingress", optional_attach=True),
    Section("cgroup_skb/egress", "cgroup_skb", "cgroup_inet_egress", optional_attach=True),
    Section("cgroup/skb", "cgroup_skb"),
    *_cgroup("cgroup_sock", "cgroup_inet_sock_create", "sock_create"),
    *_cgroup("cgroup_sock", "cgroup_inet_sock_release", "sock_release"),
    *_cgroup("cgroup_sock", "cgroup_inet_sock_create", "sock", optional=True),
    *_cgroup("cgroup_sock", "cgroup_inet{}_post_bind", "post_bind4", "post_bind6"),
    *_cgroup("cgroup_sock_addr", "cgroup_inet{}_bind", "bind4", "bind6"),
    *_cgroup("cgroup_sock_addr", "cgroup_inet{}_connect", "connect4", "connect6"),
    *_cgroup("cgroup_sock_addr", "cgroup_udp{}_sendmsg", "sendmsg4", "sendmsg6"),
    *_cgroup("cgroup_sock_addr", "cgroup_udp{}_recvmsg", "recvmsg4", "recvmsg6"),
    *_cgroup("cgroup_sock_addr", "cgroup_inet{}_getpeername", "getpeername4", "getpeername6"),
    *_cgroup("cgroup_sock_addr", "cgroup_inet{}_getsockname", "getsockname4", "getsockname6"),
    *_unix("connect", "sendmsg", "recvmsg", "getpeername", "getsockname"),
    *_cgroup("cgroup_sysctl", "cgroup_sysctl", "sysctl"),
    *_cgroup("cgroup_sockopt", "cgroup_getsockopt", "getsockopt"),
    *_cgroup("cgroup_sockopt", "cgroup_setsockopt", "setsockopt"),
    *_cgroup("cgroup_device", "cgroup_device", "dev", optional=True),
    Section("struct_ops", "struct_ops", suffix=True),
    Section("struct_ops.s", "struct_ops", suffix=True, sleepable=True, since="1.2"),
    Section("sk_lookup", "sk_lookup", "sk_lookup"),
    Section("netfilter", "netfilter", "netfilter", since="1.3"),
)

# Names that only old loaders took, before the rule that any longer name means the same.
OLD: tuple[Section, ...] = (
    Section("xdp_devmap", "xdp", "xdp_devmap"),
    Section("xdp_cpumap", "xdp", "xdp_cpumap"),
    Section("seccomp", "socket_filter"),
    Section("cgroup_skb", "cgroup_skb"),
    Section("sock_ops", "sock_ops", "cgroup_sock_ops"),
)

UNSPEC = Section("", "unspec", exact=False)

_BY_NAME = {row.name: row for row in SECTIONS}
_LONGEST_FIRST = sorted((*SECTIONS, *OLD), key=lambda row: -len(row.name))


def of_section(name: str) -> Section:
    """What section `name` says: a row with the name and the target filled in; of type "unspec" where it says nothing.

    A row matches its own name, and with `suffix` "name/target". Else the longest row is taken that the name starts
    with, as libbpf before 1.0 did; what the rest means is then not known, unless it stands behind a slash.
    """
    auto = not name.startswith("?")
    bare = name if auto else name[1:]
    stem, _, target = bare.partition("/")
    row, exact = _BY_NAME.get(bare), True
    if row is None and stem in _BY_NAME and _BY_NAME[stem].suffix:
        return replace(_BY_NAME[stem], name=name, target=target, auto=auto)
    if row is None:
        row, exact = _starting(bare), False
    rest = bare[len(row.name) :]
    return replace(row, name=name, target=rest[1:] if rest.startswith("/") else "", auto=auto, exact=exact)


def _starting(name: str) -> Section:
    """The longest row that `name` starts with. Rows with a target never stood for a longer word: no "tpl"."""
    for row in _LONGEST_FIRST:
        if name.startswith(row.name) and (not row.suffix or name[len(row.name) :][:1] in ("/", "")):
            return row
    return UNSPEC
