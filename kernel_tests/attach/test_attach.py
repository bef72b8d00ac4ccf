"""Attaching: each kind of place, a workload that the test makes, and the count that is right for it.

A row that this kernel cannot do says why, in words that name what is lacking; the table is printed.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError
from bpfvm.kernel import features
from bpfvm.kernel.attach import Link
from bpfvm.kernel.objects.install import Installed, install
from bpfvm.kernel.programs import requirements
from bpfvm.obj.executables import libraries
from kernel_tests.attach.counting import MAP, NAME, counting, runs, spec
from kernel_tests.networks import inside, pair, send

CGROUPS = Path("/sys/fs/cgroup/unified")
OWN = os.getpid()
LIBC = libraries.find("c")


@pytest.fixture(scope="module")
def wire() -> Iterator[tuple[str, str]]:
    with pair() as made:
        yield made


@contextmanager
def attached(
    section: str, target: Any = None, value: int = 0, pid: int | None = None, **options: Any
) -> Iterator[Installed]:
    with counting(section, value, pid) as installed, installed.programs[NAME].attach(target, **options) as link:
        assert not link.closed
        yield installed


@pytest.mark.parametrize("mode", ["auto", "generic", "native"])
@pytest.mark.needs("xdp_link")
def test_xdp(wire: tuple[str, str], mode: str) -> None:
    left, right = wire

    def act() -> Link:
        return installed.programs[NAME].attach("right", mode=mode)

    with counting("xdp", 2) as installed, inside(right, act):
        send(left, 7)
        assert runs(installed) == 7
    with counting("xdp", 2) as installed:
        send(left, 3)
        assert runs(installed) == 0, "nothing is attached any more"


def test_xdp_drops(wire: tuple[str, str]) -> None:
    left, right = wire
    with counting("xdp", 1) as installed, inside(right, lambda: installed.programs[NAME].attach("right")):
        received = inside(right, lambda: _received(left, 5))
        assert (runs(installed), received) == (5, 0)
    assert inside(right, lambda: _received(left, 5)) == 5


def _received(left: str, count: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("10.1.1.2", 9000))
        one.settimeout(0.2)
        send(left, count)
        found = 0
        try:
            while found < count:
                one.recv(100)
                found += 1
        except TimeoutError:
            pass
        return found


@pytest.mark.parametrize("priority", [0, 7], ids=["link", "filter"])
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_tc(wire: tuple[str, str], direction: str, priority: int) -> None:
    left, right = wire
    with counting("tc", -1) as installed:
        where, name = (right, "right") if direction == "ingress" else (left, "left")
        options = {"direction": direction, "priority": priority}
        with inside(where, lambda: installed.programs[NAME].attach(name, **options)) as link:
            send(left, 6)
            assert runs(installed) == 6
            assert ("clsact" in link.where[0]) == (bool(priority) or not features.probe("tcx").have)
        send(left, 2)
        assert runs(installed) == 6


@pytest.mark.needs("netfilter_link")
def test_netfilter(wire: tuple[str, str]) -> None:
    left, right = wire
    hooked = {"hook": "local_in", "priority": 5}
    with counting("netfilter", 1) as one, inside(right, lambda: one.programs[NAME].attach("ipv4", **hooked)):
        assert inside(right, lambda: _received(left, 4)) == 4
        assert runs(one) == 4


def test_socket_of_an_interface(wire: tuple[str, str]) -> None:
    left, right = wire

    def listening() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("10.1.1.2", 9000))
        return one

    def attach() -> Link:
        return installed.programs[NAME].attach("right")

    with counting("socket", 0) as installed, inside(right, listening), inside(right, attach):
        send(left, 9)  # somebody listens, so that no message of ICMP comes back, which the socket would see too
        assert runs(installed) == 9


def test_socket_object() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, attached("socket", one, value=2000) as installed:
        one.bind(("127.0.0.1", 0))
        one.settimeout(1)
        for _ in range(3):
            one.sendto(b"abc", one.getsockname())
            assert one.recv(10) == b"abc"
        assert runs(installed) == 3


def test_reuseport() -> None:
    with attached_group() as (installed, socks):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(8):
                sender.sendto(b"x", socks[0].getsockname())
        deadline = time.monotonic() + 2
        while runs(installed) < 8 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert runs(installed) == 8


@contextmanager
def attached_group() -> Iterator[tuple[Installed, list[socket.socket]]]:
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    try:
        for one in socks:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("127.0.0.1", 0) if one is socks[0] else socks[0].getsockname())
        with attached("sk_reuseport", socks[0], value=1) as installed:
            yield installed, socks
    finally:
        for one in socks:
            one.close()


@contextmanager
def cgroup() -> Iterator[Path]:
    folder = CGROUPS / f"bpfvm{OWN}"
    folder.mkdir()
    try:
        yield folder
    finally:
        folder.rmdir()


def in_cgroup(folder: Path, act: Callable[[], None]) -> None:
    """`act` in a process of its own in the cgroup."""
    child = os.fork()
    if not child:
        status = 1
        try:
            (folder / "cgroup.procs").write_text(str(os.getpid()))
            act()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0


def _connects() -> None:
    for _ in range(3):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.connect(("127.0.0.1", 9))
            one.send(b"x")


@pytest.mark.skipif(not CGROUPS.is_dir(), reason=f"no cgroups of version 2 at {CGROUPS}")
@pytest.mark.parametrize(
    ("section", "count"),
    [("cgroup_skb/egress", 3), ("cgroup/connect4", 3), ("cgroup/sock_create", 3), ("cgroup/sock_release", 3)],
)
def test_cgroups(section: str, count: int) -> None:
    with cgroup() as folder, attached(section, str(folder), value=1) as installed:
        in_cgroup(folder, _connects)
        assert runs(installed) == count


@pytest.mark.parametrize("section", ["tp/syscalls/sys_enter_getpgid", "raw_tp/sys_enter", "tp_btf/sys_enter"])
def test_tracepoints(section: str) -> None:
    with attached(section, pid=OWN) as installed:
        before = runs(installed)
        for _ in range(50):
            os.getpgid(0)
        counted = runs(installed) - before
        assert counted == 50 if section.startswith("tp/") else counted >= 50


MULTI = pytest.mark.needs("uprobe_multi")


@pytest.mark.parametrize(
    "section",
    ["uprobe", pytest.param("uprobe.multi", marks=MULTI), "uretprobe", pytest.param("uretprobe.multi", marks=MULTI)],
)
@pytest.mark.parametrize("target", ["c:getpgid", "libc.so.6:getpgid", ["c:getpgid", "c:getpgrp"]])
def test_user_probes(section: str, target: Any) -> None:
    with attached(section, target, pid=OWN) as installed:
        for _ in range(10):
            os.getpgid(0)
        os.getpgrp()
        assert runs(installed) == (11 if isinstance(target, list) else 10)


def test_a_function_that_the_library_chooses() -> None:
    """Of several for different CPUs (STT_GNU_IFUNC); this process asks for lengths itself, too."""
    strlen = ctypes.CDLL(None).strlen
    with attached("uprobe", "c:strlen", pid=OWN) as installed:
        for _ in range(50):
            strlen(b"text")
        assert runs(installed) >= 50


@pytest.mark.needs("perf_link")
def test_probes_of_one_process() -> None:
    with counting("uprobe") as installed, installed.programs[NAME].attach("c:getpgid", pid=OWN, cookie=7):
        os.getpgid(0)
        child = os.fork()
        if not child:
            os.getpgid(0)
            os._exit(0)
        os.waitpid(child, 0)
        assert runs(installed) == 1


def test_samples() -> None:
    with counting("perf_event") as installed:
        with installed.programs[NAME].attach("cpu-clock", pid=OWN, period=10_000_000):  # emulated processors miss more
            start = time.thread_time()
            while time.thread_time() - start < 0.5:
                pass
            spent = time.thread_time() - start
        assert 0.5 <= runs(installed) / (spent * 100) <= 1.5


def test_iterators() -> None:
    with counting("iter/task") as installed, installed.programs[NAME].attach() as link:
        assert link.read() == b""
        assert runs(installed) > 10


KERNEL_ONLY = ("kprobe/vfs_read", "kprobe.multi/vfs_read", "fentry/vfs_read", "fexit/vfs_read", "lsm/file_open")


@pytest.mark.parametrize("section", KERNEL_ONLY)
def test_what_a_kernel_cannot(section: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the kernel has it, it counts; where it has not, the error says what is lacking."""
    counted = 0
    refused: BpfvmError | None = None
    try:
        with attached(section, pid=OWN) as installed:
            fd = os.open("/proc/self/stat", os.O_RDONLY)
            for _ in range(4):
                os.read(fd, 1)
            os.close(fd)
            counted = runs(installed)
    except BpfvmError as error:
        refused = error
    print(f"{section}: {refused or counted}")
    assert refused is None or (isinstance(refused, Unavailable | LoadError) and "\n" not in str(refused))
    assert refused is not None or counted >= 1


WRONG: tuple[tuple[str, Any, dict[str, Any], type[BpfvmError], str], ...] = (
    ("xdp", "no_such_interface", {}, LoadError, "there is no interface 'no_such_interface'"),
    ("xdp", "lo", {"mode": "fast"}, UsageError, "mode='fast': there are auto, generic, native, offload"),
    ("xdp", "lo", {"speed": 1}, UsageError, "has no option 'speed'; it has mode"),
    ("xdp", None, {}, UsageError, "say what to attach to"),
    ("tc", "lo", {}, UsageError, "it is ingress or egress"),
    ("socket", "no_such_interface", {}, LoadError, "there is no interface"),
    ("socket", 1.5, {}, UsageError, "is no socket"),
    ("tp/sched/no_such_event", None, {}, LoadError, "this kernel has no tracepoint sched:no_such_event"),
    ("tp", "sched", {}, UsageError, "a tracepoint is named group:name"),
    ("raw_tp/no_such_event", None, {}, LoadError, "no raw tracepoint 'no_such_event'"),
    ("uprobe", "c:no_such_function_at_all", {}, LoadError, "has no function no_such_function_at_all"),
    ("uprobe", "no_such_library:x", {}, LoadError, "no library and no program"),
    ("uprobe", "readline", {}, UsageError, "a user probe is named file:function"),
    ("uprobe", "/etc/passwd:x", {}, LoadError, "not an ELF file"),
    ("uprobe", "c:getpgid", {"pid": 0}, UsageError, "a process has a number above 0"),
    ("uprobe", "c:getpgid", {"pid": 1 << 30}, LoadError, "process"),
    ("uprobe", "c:getpgid", {"pid": "7"}, UsageError, "pid='7': it is a whole number, not a str"),
    ("perf_event", "cpu-clock", {"pid": "7", "frequency": 9}, UsageError, "pid='7': it is a whole number, not a str"),
    ("perf_event", "cpu-clock", {"pid": -5, "frequency": 9}, UsageError, "a process has a number above 0"),
    ("perf_event", "cpu-clock", {"frequency": 2.5}, UsageError, "frequency=2.5: it is a whole number, not a float"),
    ("usdt", "c:libc:no_such_probe", {}, LoadError, "has no USDT probe"),
    ("perf_event", "cpu-clock", {}, UsageError, "say how often"),
    ("perf_event", "cpu-block", {"period": 5}, UsageError, "there is no event 'cpu-block'"),
    ("cgroup_skb/egress", "/no/such/folder", {}, LoadError, "No such file"),
    ("cgroup_skb/egress", "/tmp", {}, UsageError, "is no cgroup of version 2"),
    ("netfilter", "ipv5", {}, UsageError, "no family of netfilter"),
    ("sk_lookup", "/etc/passwd", {}, UsageError, "is no network namespace"),
    ("syscall", None, {}, Unavailable, "is run, not attached"),
)  # fmt: skip


@pytest.mark.parametrize(("section", "target", "options", "kind", "text"), WRONG, ids=lambda one: str(one)[:30])
def test_wrong_targets(section: str, target: Any, options: dict[str, Any], kind: type[BpfvmError], text: str) -> None:
    value = 1 if section.startswith(("cgroup", "netfilter", "sk_lookup")) else 0
    lacking = requirements.missing(spec(section, value), NAME)
    if lacking:
        pytest.skip(f"this kernel lacks {lacking[0]}")
    with counting(section, value) as installed, pytest.raises(kind) as caught:
        installed.programs[NAME].attach(target, **options)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_whole_objects() -> None:
    """Programs whose sections name their places, as one link; others, and names that are none, are refused."""
    one, other, lost = (
        spec(section, pid=pid)
        for section, pid in (("tp/syscalls/sys_enter_getpgid", OWN), ("uprobe/c:getpgid", OWN), ("xdp", None))
    )
    programs = {
        name: replace(made.programs[NAME], name=name)
        for name, made in (("by_event", one), ("by_probe", other), ("nowhere", lost))
    }
    with install(replace(one, programs=programs)) as installed:
        with installed.attach() as link:
            os.getpgid(0)
            assert link.where == ("tracepoint syscalls:sys_enter_getpgid", f"uprobe {LIBC}:getpgid")
            entries = installed.programs["by_event"].read_map(MAP)
            assert [int.from_bytes(value, "little") for _, value in entries if isinstance(value, bytes)] == [2]
        with installed.attach("by_probe") as link:
            assert len(link.where) == 1
        with pytest.raises(
            UsageError, match="there is no program 'other'; the programs are by_event, by_probe, nowhere"
        ):
            installed.attach("other")
        with pytest.raises(UsageError, match="say what to attach to"):
            installed.attach("nowhere")
    with (
        install(lost) as installed,
        pytest.raises(UsageError, match="no section of counting names what it is attached"),
    ):
        installed.attach()
