"""The table of ELF section names, against libbpf itself where it is installed."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable

import pytest

from bpfvm.tables import attach, progs
from bpfvm.tables.sections import OLD, SECTIONS, of_section

Answer = tuple[int, int] | None


def libbpf() -> tuple[Callable[[str], Answer], tuple[int, int]] | None:
    """What libbpf says of a name (program type and attach type by number, None for unknown), and its version."""
    found = ctypes.util.find_library("bpf")
    if found is None:
        return None
    library = ctypes.CDLL(found)
    library.libbpf_set_print(None)  # it lists all names that it knows for each one that it does not

    def ask(name: str) -> Answer:
        program, place = ctypes.c_int(-1), ctypes.c_int(-1)
        failed = library.libbpf_prog_type_by_name(name.encode(), ctypes.byref(program), ctypes.byref(place))
        return None if failed else (program.value, place.value)

    return ask, (library.libbpf_major_version(), library.libbpf_minor_version())


def version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def test_every_row_is_libbpfs() -> None:
    """Each name with the variants that its rule takes and refuses; rows of a later libbpf are unknown to this one."""
    known = libbpf()
    if known is None:
        print("skipped: libbpf is not installed, so its names cannot be asked")
        pytest.skip("libbpf is not installed, so its names cannot be asked")
    ask, installed = known
    compared = newer = 0
    for row in SECTIONS:
        number = progs.BY_NAME[row.program_type].number
        place = attach.BY_NAME[row.attach_type].number if row.attach_type else 0
        want: Answer = (number, place)
        if version(row.since) > installed:
            want, newer = None, newer + 1
        for name, expected in (
            (row.name, want),
            (f"{row.name}/target", want if row.suffix else None),
            (f"{row.name}/", want if row.suffix else None),
            (f"{row.name}1", None),
            (f"x{row.name}", None),
        ):
            assert ask(name) == expected, name
            compared += 1
    print(f"libbpf {installed[0]}.{installed[1]}: {compared} names of {len(SECTIONS)} rows compared; "
          f"{newer} rows are of a later libbpf, which this one refuses")  # fmt: skip
    assert compared >= 500
    assert len(SECTIONS) >= 100


def test_what_libbpf_takes_is_found_by_exact_rules_and_what_it_refuses_is_not() -> None:
    known = libbpf()
    if known is None:
        pytest.skip("libbpf is not installed, so its names cannot be asked")
    ask, _ = known
    words = sorted({word for row in SECTIONS for word in row.name.replace(".", "/").split("/")})
    names = [f"{one}{by}{two}" for one in words for two in words for by in ("/", ".")]
    taken = 0
    for name in names:
        answer, mine = ask(name), of_section(name)
        if answer is not None:
            assert mine.exact, name
            assert (progs.BY_NAME[mine.program_type].number, _number(mine.attach_type)) == answer, name
            taken += 1
        elif mine.exact:
            assert version(mine.since) > (1, 0), name
    print(f"{len(names)} made-up names, {taken} that libbpf takes")
    assert taken >= 1000


def _number(name: str | None) -> int:
    return attach.BY_NAME[name].number if name else 0


FOUND = [
    # name, program type, attach type, target, exact
    ("xdp", "xdp", "xdp", "", True),
    ("xdp/filter", "xdp", "xdp", "filter", False),
    ("xdp_prog", "xdp", "xdp", "", False),
    ("xdp.frags", "xdp", "xdp", "", True),
    ("xdp/cpumap", "xdp", "xdp_cpumap", "", True),
    ("xdp_devmap/x", "xdp", "xdp_devmap", "x", False),
    ("socket", "socket_filter", None, "", True),
    ("socket1", "socket_filter", None, "", False),
    ("tc", "sched_cls", None, "", True),
    ("tc/ingress", "sched_cls", "tcx_ingress", "", True),
    ("classifier", "sched_cls", None, "", True),
    ("classifier_egress", "sched_cls", None, "", False),
    ("action", "sched_act", None, "", True),
    ("kprobe/sys_write", "kprobe", None, "sys_write", True),
    ("kretprobe/do_sys_open", "kprobe", None, "do_sys_open", True),
    ("uprobe//bin/bash:readline", "kprobe", None, "/bin/bash:readline", True),
    ("usdt/libc.so:libc:setjmp", "kprobe", None, "libc.so:libc:setjmp", True),
    ("uretprobe.multi/x:y*", "kprobe", "trace_uprobe_multi", "x:y*", True),
    ("tracepoint/raw_syscalls/sys_enter", "tracepoint", None, "raw_syscalls/sys_enter", True),
    ("raw_tracepoint/filler/sys_open_x", "raw_tracepoint", None, "filler/sys_open_x", True),
    ("fentry.s/vfs_read", "tracing", "trace_fentry", "vfs_read", True),
    ("iter/task", "tracing", "trace_iter", "task", True),
    ("lsm/file_open", "lsm", "lsm_mac", "file_open", True),
    ("lsm_cgroup/socket_bind", "lsm", "lsm_cgroup", "socket_bind", True),
    ("freplace/f", "ext", None, "f", True),
    ("cgroup/connect4", "cgroup_sock_addr", "cgroup_inet4_connect", "", True),
    ("cgroup/connect_unix", "cgroup_sock_addr", "cgroup_unix_connect", "", True),
    ("cgroup/skb", "cgroup_skb", None, "", True),
    ("cgroup/skb1", "cgroup_skb", None, "", False),
    ("cgroup/sock1", "cgroup_sock", "cgroup_inet_sock_create", "", False),
    ("cgroup_skb/egress", "cgroup_skb", "cgroup_inet_egress", "", True),
    ("sockops", "sock_ops", "cgroup_sock_ops", "", True),
    ("sk_skb1", "sk_skb", None, "", False),
    ("struct_ops/cong_avoid", "struct_ops", None, "cong_avoid", True),
    ("syscall", "syscall", None, "", True),
    ("netfilter", "netfilter", "netfilter", "", True),
    ("2/10", "unspec", None, "", False),
    ("tail-0", "unspec", None, "", False),
    ("from-netdev", "unspec", None, "", False),
    ("filter", "unspec", None, "", False),
    ("kprobes", "unspec", None, "", False),
    ("tpx", "unspec", None, "", False),
    ("", "unspec", None, "", False),
    ("?", "unspec", None, "", False),
    ("/", "unspec", None, "", False),
]


@pytest.mark.parametrize(("name", "type", "place", "target", "exact"), FOUND)
def test_of_section(name: str, type: str, place: str | None, target: str, exact: bool) -> None:
    found = of_section(name)
    assert (found.program_type, found.attach_type, found.target, found.exact) == (type, place, target, exact)
    assert found.name == name
    assert found.auto is not name.startswith("?")
    row = progs.of_section(name)
    assert (row.name if row else "unspec") == type


def test_flags_of_names() -> None:
    assert of_section("?kprobe/f").auto is False
    assert of_section("?kprobe/f").target == "f"
    assert of_section("kretprobe/f").returns
    assert of_section("uretprobe.multi.s/x:f").returns
    assert not of_section("kprobe/f").returns
    assert of_section("fexit/f").btf
    assert of_section("lsm.s/f").sleepable
    assert of_section("syscall").sleepable
    assert of_section("xdp.frags/devmap").frags
    assert of_section("xdp").optional_attach


def test_rows_name_program_and_attach_types_that_are_there() -> None:
    for row in (*SECTIONS, *OLD):
        assert row.program_type in progs.BY_NAME
        if row.attach_type is not None:
            assert row.program_type in attach.BY_NAME[row.attach_type].programs, row.name
    assert len({row.name for row in (*SECTIONS, *OLD)}) == len(SECTIONS) + len(OLD)
