"""The table of what this kernel does: program type x (load, run, attach, counted), each cell found by doing it.

    python -m kernel_tests.attach.places             as a table
    python -m kernel_tests.attach.places --json      one JSON line for each row

"counted" compares the program's own counter with a workload of which the number of hits is known. A "no" has its
reason.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input
from bpfvm.kernel.attach import Link
from bpfvm.kernel.objects.install import Installed
from bpfvm.tables.progs import BY_NAME
from kernel_tests.attach.counting import NAME, counting, runs
from kernel_tests.networks import inside, pair, send

SHOP = Path(__file__).parents[2] / "tests" / "process" / "shop"
HITS = 6
YES = "yes"
FRAME = bytes(12) + b"\x08\x00" + bytes(50)


@dataclass(frozen=True, slots=True)
class Row:
    """name: in the table. section, value, other: of the program. target, options: where it goes. work: makes `hits`
    hits. exact: whether others can add to them. network: attach inside the right end of the wire. own: only hits of
    this process count."""

    name: str
    section: str
    work: Callable[[Bench], None] | None = None
    target: Any = None
    value: int = 0
    other: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    hits: int = HITS
    exact: bool = True
    network: bool = False
    own: bool = False
    denies: bool = False


@dataclass(frozen=True, slots=True)
class Cells:
    """One row's answers: "yes", or a reason."""

    name: str
    load: str
    run: str = "-"
    attach: str = "-"
    counted: str = "-"


@dataclass(slots=True)
class Bench:
    """What workloads work on: a wire of two namespaces, a cgroup, sockets."""

    left: str
    right: str
    cgroup: Path | None
    refused: int = 0
    opened: ExitStack = field(default_factory=ExitStack)
    socks: list[socket.socket] = field(default_factory=list)


def _sent(bench: Bench) -> None:
    """Somebody listens, so that nothing is sent back."""

    def listening() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("10.1.1.2", 9000))
        return one

    with inside(bench.right, listening):
        send(bench.left, HITS)


def _calls(bench: Bench) -> None:
    for _ in range(HITS):
        os.getpgid(0)


def _reads(bench: Bench) -> None:
    fd = os.open("/dev/zero", os.O_RDONLY)
    for _ in range(HITS):
        os.read(fd, 1)
    os.close(fd)


def _opens(bench: Bench) -> None:
    bench.refused = 0
    for _ in range(HITS):
        try:
            os.close(os.open("/dev/zero", os.O_RDONLY))
        except PermissionError:
            bench.refused += 1


def _local(bench: Bench) -> None:
    one = bench.socks[0]
    for _ in range(HITS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", one.getsockname())
    time.sleep(0.02)


def _in_cgroup(act: Callable[[], None]) -> Callable[[Bench], None]:
    def work(bench: Bench) -> None:
        assert bench.cgroup is not None
        child = os.fork()
        if not child:
            status = 1
            try:
                (bench.cgroup / "cgroup.procs").write_text(str(os.getpid()))
                act()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0

    return work


def _connects() -> None:
    for _ in range(HITS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.connect(("127.0.0.1", 9))
            one.send(b"x")


def _options() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        for _ in range(HITS):
            one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def _settings() -> None:
    for _ in range(HITS):
        fd = os.open("/proc/sys/kernel/ostype", os.O_RDONLY)
        os.read(fd, 1)
        os.close(fd)


def _devices() -> None:
    for _ in range(HITS):
        os.close(os.open("/dev/zero", os.O_RDONLY))


def _streams() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(HITS):
            with socket.create_connection(server.getsockname()) as client:
                server.accept()[0].close()
                client.recv(1)


def _lookups(bench: Bench) -> None:
    def act() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", 9100))
            for _ in range(HITS):
                one.sendto(b"x", one.getsockname())

    inside(bench.right, act)


def _starts(bench: Bench) -> None:
    for _ in range(HITS):
        subprocess.run([str(SHOP)], check=True)


def _spends(bench: Bench) -> None:
    start = time.thread_time()
    while time.thread_time() - start < 0.1:
        pass


_UDP, _OWN_CGROUP = "a UDP socket", "cgroup"
ROWS: tuple[Row, ...] = (
    Row("socket, on a UDP socket", "socket", _local, _UDP, 2000),
    Row("socket, on an interface", "socket", _sent, "right", network=True),
    *(Row(f"xdp, {mode}", "xdp", _sent, "right", 2, options={"mode": mode}, network=True)
      for mode in ("auto", "generic", "native")),
    Row("xdp.frags", "xdp.frags", _sent, "right", 2, network=True),
    *(Row(f"tc, {way}", "tc", _sent, name, -1, options={"direction": way}, network=name == "right")
      for way, name in (("ingress", "right"),)),
    Row("tc, clsact", "tc", _sent, "right", -1, options={"direction": "ingress", "priority": 5}, network=True),
    Row("netfilter", "netfilter", _sent, "ipv4", 1, options={"hook": "pre_routing", "priority": 5}, network=True),
    Row("sk_lookup", "sk_lookup", _lookups, None, 1, network=True),
    Row("flow_dissector", "flow_dissector", None, None, network=True),
    Row("sk_reuseport", "sk_reuseport", _local, _UDP, 1),
    Row("cgroup_skb", "cgroup_skb/egress", _in_cgroup(_connects), _OWN_CGROUP, 1),
    Row("cgroup/connect4", "cgroup/connect4", _in_cgroup(_connects), _OWN_CGROUP, 1),
    Row("cgroup/sock_create", "cgroup/sock_create", _in_cgroup(_connects), _OWN_CGROUP, 1),
    Row("cgroup/getsockopt", "cgroup/getsockopt", _in_cgroup(_options), _OWN_CGROUP, 1),
    Row("cgroup/sysctl", "cgroup/sysctl", _in_cgroup(_settings), _OWN_CGROUP, 1),
    Row("cgroup/dev", "cgroup/dev", _in_cgroup(_devices), _OWN_CGROUP, 1),
    Row("sockops", "sockops", _in_cgroup(_streams), _OWN_CGROUP, 1, exact=False),
    Row("tracepoint", "tp/syscalls/sys_enter_getpgid", _calls, own=True),
    Row("raw_tp", "raw_tp/sys_enter", _calls, exact=False, own=True),
    Row("tp_btf", "tp_btf/sys_enter", _calls, exact=False, own=True),
    Row("kprobe", "kprobe/vfs_read", _reads, own=True),
    Row("kretprobe", "kretprobe/vfs_read", _reads, own=True),
    Row("kprobe.multi", "kprobe.multi/vfs_read", _reads, own=True),
    Row("kretprobe.multi", "kretprobe.multi/vfs_read", _reads, own=True),
    Row("fentry", "fentry/vfs_read", _reads, own=True),
    Row("fexit", "fexit/vfs_read", _reads, own=True),
    Row("fmod_ret", "fmod_ret/bpf_modify_return_test", None),
    Row("lsm, deny", "lsm/file_open", _opens, value=-1, other=0, own=True, denies=True),
    Row("uprobe", "uprobe", _calls, "c:getpgid", own=True),
    Row("uretprobe", "uretprobe", _calls, "c:getpgid", own=True),
    Row("uprobe.multi", "uprobe.multi", _calls, "c:getpgid", own=True),
    Row("uretprobe.multi", "uretprobe.multi", _calls, "c:getpgid", own=True),
    Row("usdt", "usdt", None, f"{SHOP}:shop:sale"),
    Row("perf_event, cpu-clock", "perf_event", _spends, "cpu-clock", exact=False,
        options={"pid": os.getpid(), "period": 10_000_000}),
    Row("perf_event, page-faults", "perf_event", None, "page-faults", options={"pid": os.getpid(), "period": 1}),
    Row("perf_event, cpu-cycles", "perf_event", None, "cpu-cycles", options={"pid": os.getpid(), "period": 1_000_000}),
    Row("iter", "iter/task", None),
    Row("syscall", "syscall", None),
    Row("lwt_in", "lwt_in", None, "right"),
)  # fmt: skip


@contextmanager
def bench() -> Iterator[Bench]:
    """A wire, and a cgroup where there are any of version 2."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    roots = [Path(one[1]) for one in mounts if one[2] == "cgroup2"]
    with pair() as (left, right), ExitStack() as opened:
        folder = None
        if roots:
            folder = roots[0] / f"bpfvm_places_{os.getpid()}"
            folder.mkdir()
            opened.callback(folder.rmdir)
        yield Bench(left, right, folder)


def cells(row: Row, on: Bench) -> Cells:
    """What this kernel does with a row."""
    with on.opened:
        try:
            installed = on.opened.enter_context(
                counting(row.section, row.value, os.getpid() if row.own else None, row.other)
            )
        except BpfvmError as error:
            return Cells(row.name, str(error))
        run = _run(installed)
        try:
            link = _attached(row, on, installed)
        except (BpfvmError, OSError) as error:
            return Cells(row.name, YES, run, str(error))
        with link:
            return Cells(row.name, YES, run, YES, _counted(row, on, installed, link))


def _run(installed: Installed) -> str:
    program = installed.programs[NAME]
    kind = program.spec.type
    given = _INPUTS.get(kind, Input(packet=FRAME) if BY_NAME[kind].layer is not None else Input())
    try:
        program.run(given)
    except BpfvmError as error:
        return (
            f"programs of type {kind} have no BPF_PROG_TEST_RUN"
            if "runs programs of type" in str(error)
            else str(error)
        )
    return YES


_INPUTS = {
    "raw_tracepoint": Input(fields={"args[0]": 1}),
    "syscall": Input(ctx=b""),
    "sk_lookup": Input(fields={"family": socket.AF_INET}),
    "flow_dissector": Input(packet=FRAME),
}


def _attached(row: Row, on: Bench, installed: Installed) -> Link:
    target = row.target
    if target is _UDP:
        target = on.opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        target.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        target.bind(("127.0.0.1", 0))
        on.socks[:] = [target]
    if target is _OWN_CGROUP:
        target = str(on.cgroup) if on.cgroup is not None else "no cgroup2 is mounted"
    attach = installed.programs[NAME].attach
    return inside(on.right, lambda: attach(target, **row.options)) if row.network else attach(target, **row.options)


def _counted(row: Row, on: Bench, installed: Installed, link: Link) -> str:
    if row.section.startswith("iter"):
        link.read()
        return YES if runs(installed) else "no element was visited"
    if row.section == "usdt":
        _starts(on)
    elif row.target == "page-faults":
        mapped = mmap.mmap(-1, 1 << 20)
        mapped[:] = b"x" * len(mapped)
        mapped.close()
    elif row.work is None:
        return "-"
    before = 0 if row.work is None else runs(installed)
    if row.work is not None:
        row.work(on)
    found = runs(installed) - before
    wanted = row.hits if row.work is not None else 1
    if row.denies and on.refused != row.hits:
        return f"{found} runs, and {on.refused} of {row.hits} calls were denied"
    if found == wanted or (found > wanted and not (row.exact and row.work is not None)):
        return YES
    return f"{found} of {wanted} hits"


def table() -> list[Cells]:
    """Every row."""
    with bench() as on:
        return [cells(row, on) for row in ROWS]


def printed(rows: list[Cells]) -> str:
    """The table as text; reasons stand below it."""
    lines = [f"{'program':26} {'load':5} {'run':5} {'attach':7} counted"]
    notes: dict[str, int] = {}
    for one in rows:
        marks = []
        for name in ("load", "run", "attach", "counted"):
            said = getattr(one, name)
            if said not in (YES, "-"):
                said = f"no{notes.setdefault(said, len(notes) + 1)}"
            marks.append(said)
        lines.append(f"{one.name:26} {marks[0]:5} {marks[1]:5} {marks[2]:7} {marks[3]}".rstrip())
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in notes.items())])


def main() -> None:
    """The command."""
    if "--json" in sys.argv[1:]:
        with bench() as on:
            for row in ROWS:
                print(json.dumps(asdict(cells(row, on))), flush=True)
    else:
        print(printed(table()))


if __name__ == "__main__":
    main()
