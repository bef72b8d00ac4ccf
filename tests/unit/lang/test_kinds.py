"""The decorators of program kinds: what each makes, what each refuses, and that users and type checkers see all."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from bpfvm import UsageError, bpf
from bpfvm.decorators import Bpf, Decorator
from bpfvm.lang import hooks
from bpfvm.lang.kinds import KINDS, Kind
from bpfvm.tables.progs import PROGRAM_TYPES
from bpfvm.tables.sections import SECTIONS, of_section

# Kinds, what they are given, and the section, program type, attach type and value after a fault that follow.
MADE = """
xdp                                    xdp                                  xdp             xdp                    2
xdp devmap                             xdp/devmap                           xdp             xdp_devmap             2
tc                                     tc                                   sched_cls       None                  -1
tc egress                              tc/egress                            sched_cls       tcx_egress            -1
tc_action                              action                               sched_act       None                  -1
netkit peer                            netkit/peer                          sched_cls       netkit_peer           -1
socket                                 socket                               socket_filter   None                   0
socket lo                              socket                               socket_filter   None                   0
cgroup_skb egress                      cgroup_skb/egress                    cgroup_skb      cgroup_inet_egress     1
cgroup_sock post_bind4                 cgroup/post_bind4                    cgroup_sock     cgroup_inet4_post_bind 1
sock_addr connect4                     cgroup/connect4                      cgroup_sock_addr cgroup_inet4_connect  1
sock_addr recvmsg_unix                 cgroup/recvmsg_unix                  cgroup_sock_addr cgroup_unix_recvmsg   1
sockopt setsockopt                     cgroup/setsockopt                    cgroup_sockopt  cgroup_setsockopt      1
sk_lookup                              sk_lookup                            sk_lookup       sk_lookup              1
sk_skb stream_parser                   sk_skb/stream_parser                 sk_skb          sk_skb_stream_parser   1
sk_reuseport migrate                   sk_reuseport/migrate            sk_reuseport    sk_reuseport_select_or_migrate 1
flow_dissector                         flow_dissector                       flow_dissector  flow_dissector       129
netfilter                              netfilter                            netfilter       netfilter              1
kprobe                                 kprobe                               kprobe          None                   0
kprobe do_unlinkat                     kprobe/do_unlinkat                   kprobe          None                   0
kprobe do_unlinkat+0x1c                kprobe/do_unlinkat+0x1c              kprobe          None                   0
kretprobe do_unlinkat                  kretprobe/do_unlinkat                kprobe          None                   0
kretsyscall write                      kretsyscall/write                    kprobe          None                   0
uprobe app:ns::Class::method           uprobe/app:ns::Class::method         kprobe          None                   0
uretprobe /bin/bash:readline           uretprobe//bin/bash:readline         kprobe          None                   0
usdt /bin/x:prov:name                  usdt//bin/x:prov:name                kprobe          None                   0
tracepoint sched:sched_switch          tracepoint/sched/sched_switch        tracepoint      None                   0
tracepoint sched/sched_switch          tracepoint/sched/sched_switch        tracepoint      None                   0
syscall openat                         tracepoint/syscalls/sys_enter_openat tracepoint      None                   0
syscall_exit openat                    tracepoint/syscalls/sys_exit_openat  tracepoint      None                   0
syscall_exit open openat               tracepoint/syscalls/sys_exit_open    tracepoint      None                   0
raw_tracepoint sched_switch            raw_tracepoint/sched_switch          raw_tracepoint  None                   0
raw_tracepoint sched:sched_switch      raw_tracepoint/sched_switch          raw_tracepoint  None                   0
tp_btf sched_switch                    tp_btf/sched_switch                  tracing         trace_raw_tp           0
fentry tcp_v4_connect                  fentry/tcp_v4_connect                tracing         trace_fentry           0
fentry tcp_v4_connect tcp_v6_connect   fentry/tcp_v4_connect                tracing         trace_fentry           0
fmod_ret do_it                         fmod_ret/do_it                       tracing         modify_return          0
lsm file_open                          lsm/file_open                        lsm             lsm_mac                0
lsm_cgroup socket_bind                 lsm_cgroup/socket_bind               lsm             lsm_cgroup             1
freplace old                           freplace/old                         ext             None                   0
iter task                              iter/task                            tracing         trace_iter             0
perf_event cpu-clock                   perf_event                           perf_event      None                   0
struct_ops ssthresh                    struct_ops/ssthresh                  struct_ops      struct_ops             0
syscall_prog                           syscall                              syscall         None                   0
"""


def test_what_decorators_make() -> None:
    rows = [line for line in MADE.splitlines() if line]
    for line in rows:
        *words, section, type, attach, on_fault = line.split()
        hook = hooks.hook(words[0], tuple(words[1:]))
        made = (hook.section, hook.type, str(hook.attach_type), str(hook.on_fault))
        # struct_ops: the table's rows have no attach type, the structure tells it
        assert made == (section, type, "None" if type == "struct_ops" else attach, on_fault), line
    print(f"{len(rows)} uses of decorators")
    assert len(rows) >= 40


def test_several_targets_are_several_sections() -> None:
    """A program for each target, named for it behind the first; where sections name no targets, there is one."""
    for kind, targets, made in (
        ("fentry", ("tcp_v4_connect", "tcp_v6_connect"),
         {"f": "fentry/tcp_v4_connect", "f_tcp_v6_connect": "fentry/tcp_v6_connect"}),
        ("tracepoint", ("a:b", "c/d"), {"f": "tracepoint/a/b", "f_c_d": "tracepoint/c/d"}),
        ("kprobe", ("finish_task_switch*", "a.b", "a_b"),
         {"f": "kprobe/finish_task_switch*", "f_a_b": "kprobe/a.b", "f_a_b_3": "kprobe/a_b"}),
        ("uprobe", ("c:malloc", "c:free"), {"f": "uprobe/c:malloc", "f_c_free": "uprobe/c:free"}),
        ("socket", ("lo",), {"f": "socket"}),
        ("perf_event", ("cpu-clock", "page-faults"), {"f": "perf_event"}),
    ):  # fmt: skip
        hook = hooks.hook(kind, targets)
        assert hook.sections("f") == made
        assert hook.targets == targets
    with pytest.raises(UsageError, match=r"bpf\.fentry names 'a' twice"):
        bpf.fentry("a", "b", "a")


def test_frags() -> None:
    """XDP programs are loaded otherwise; of an skb it is the program's affair alone."""
    for kind, section in (
        ("xdp", "xdp.frags"),
        ("tc", "tc"),
        ("lwt_xmit", "lwt_xmit"),
        ("flow_dissector", "flow_dissector"),
    ):
        hook = hooks.hook(kind, options=("frags",))
        assert (hook.section, hook.frags, hook.direct) == (section, True, False)
        assert hooks.hook(kind).direct
    with pytest.raises(UsageError, match="has no option 'frags'"):
        bpf.cgroup_skb(frags=True)


def test_every_program_type_has_a_decorator() -> None:
    made = {of_section(section).program_type for kind in KINDS for section in kind.words.values()}
    made |= {"raw_tracepoint_writable"}  # by writable=True
    assert {row.name for row in PROGRAM_TYPES if row.number} == made
    assert hooks.hook("raw_tracepoint", ("x",), options=("writable",)).type == "raw_tracepoint_writable"


def test_sections_of_decorators_are_rows_of_the_table() -> None:
    known = {row.name for row in SECTIONS}
    sections = [section for kind in KINDS for section in kind.words.values()]
    assert set(sections) <= known
    for section, option in (("xdp.frags/devmap", "frags"), ("xdp.frags", "frags")):
        word = ("devmap",) if "devmap" in section else ()
        assert hooks.hook("xdp", word, options=(option,)).section == section
    assert hooks.hook("lsm", ("file_open",), options=("sleepable",)).section == "lsm.s/file_open"
    print(f"{len(KINDS)} decorators, {len(sections)} sections")
    assert len(KINDS) >= 40


def test_type_checkers_see_the_decorators_that_there_are() -> None:
    hints = [name for name, hint in get_type_hints(Bpf).items() if hint is Decorator]
    assert sorted(hints) == sorted(row.name for row in KINDS)
    assert all(isinstance(getattr(bpf, name), Decorator) for name in hints)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_examples_are_taken_and_targets_are_kept(kind: Kind) -> None:
    decorator: Any = getattr(bpf, kind.name)
    given = () if not kind.needs else (kind.target.example,) if kind.target is not None else (next(iter(kind.words)),)
    made = decorator(*given)(lambda ctx: 0)
    assert made.hook is not None
    assert made.hook.kind == kind.name
    assert made.hook.targets == (given if kind.target is not None else ())
    assert kind.example == repr(decorator)[len("<bpfvm decorator ") : -1]
    if not kind.needs:
        assert decorator(lambda ctx: 0).hook == made.hook


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: bpf.sock_addr(lambda ctx: 1), "bpf.sock_addr needs one of 'bind4', 'bind6'"),
        (lambda: bpf.sock_addr("connect"), "bpf.sock_addr takes one of"),
        (lambda: bpf.tc("sideways"), "bpf.tc takes one of 'ingress', 'egress', not 'sideways': @bpf.tc"),
        (lambda: bpf.sysctl("kernel"), "bpf.sysctl takes no argument, not 'kernel'"),
        (lambda: bpf.tracepoint("sched_switch"), "a target such as 'sched:sched_switch', not 'sched_switch'"),
        (lambda: bpf.fentry(lambda: 0), 'needs a target such as \'tcp_v4_connect\': @bpf.fentry("tcp_v4_connect")'),
        (lambda: bpf.uprobe("/bin/bash"), "a target such as '/bin/bash:readline'"),
        (lambda: bpf.uprobe("a:b", 3), "takes targets as texts, not 3"),
        (lambda: bpf.tc(sleepable=True), "a program in section tc has no option 'sleepable'"),
        (lambda: bpf.tc(fault=1), "bpf.tc has no argument 'fault'; it takes on_fault, ints"),
        (lambda: bpf.cgroup_skb(on_fault=7), "on_fault=7, and the kernel takes results from 0 to 1"),
        (lambda: bpf.xdp(on_fault=1 << 32), "does not fit the 32 bits of a result"),
        (lambda: bpf.xdp(ints="c"), "there are 'exact', 'wrap', 'checked' in this version"),
    ],
)  # fmt: skip
def test_refusals_say_what_is_taken(use: object, words: str) -> None:
    assert callable(use)
    with pytest.raises(UsageError) as error:
        use()
    assert words in str(error.value)
