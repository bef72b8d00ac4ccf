"""Examples that trace, run whole in the kernel on workloads of the tests' own, with counts that they know."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from bpfvm import load
from bpfvm.kernel.attach import tracefs
from kernel_tests.networks import inside, loopback
from kernel_tests.tools.test_examples import AROUND, ROOT, tool

SERVER = ROOT / "examples/c/server"
READS = 12  # of a disk


class Log:
    """A trace buffer of our own. path: of its pipe. Nothing comes before `only` says of whom."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.path = folder, str(folder / "trace_pipe")

    def only(self, pid: int) -> None:
        """What this process prints from now on, and nothing of others."""
        (self._folder / "set_event_pid").write_text(str(pid))
        (self._folder / "events/bpf_trace/enable").write_text("1")


@pytest.fixture
def log() -> Iterator[Log]:
    """A tracing instance: lines of the machine's own buffer are left to others."""
    root = str(tracefs.root()).replace("/proc/self/", f"/proc/{os.getpid()}/")  # a mount that this process alone has
    instance = Path(root, "instances", f"bpfvm{os.getpid()}")
    instance.mkdir()
    try:
        yield Log(instance)
    finally:
        for _ in range(50):  # a reader that was killed may hold it for a moment
            with suppress(OSError):
                instance.rmdir()
                break
            time.sleep(0.1)


class Worker:
    """A process that does what it is asked, word by word; `did` is its answer."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._process.pid

    def ask(self, text: str) -> str:
        """What it answers, of the same length or a line."""
        stdin, stdout = self._pipes()
        stdin.write(text.encode())
        stdin.flush()
        return (stdout.readline() if text.endswith("\n") else stdout.read(len(text))).decode()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def end(self) -> None:
        """It ends with its input."""
        for one in self._pipes():
            one.close()
        self._process.wait(timeout=20)


@contextmanager
def worker(*command: str) -> Iterator[Worker]:
    """One that runs; it is gone in the end."""
    made = Worker(*command)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def shell(text: str, log: Log | None = None) -> Iterator[int]:
    """A shell on a terminal, into which a line was typed: its pid. log: of which only its lines are wanted."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
    try:
        if log is not None:
            log.only(pid)
        os.write(terminal, f"{text}\n".encode())
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_lines_of_a_shell_in_the_trace_log(log: Log) -> None:
    with tool("examples/uprobe_readline.py", "--pipe", log.path) as running:
        running.attached()
        with shell("echo hello-one", log) as pid:
            (line,) = running.lines(1)
            assert re.fullmatch(rf" +bash-{pid} +\[\d+\] \S+ +\d+\.\d+: bpf_trace_printk: echo hello-one", line), line
        assert running.end() == ""


def test_lines_of_a_shell_by_a_program_in_c() -> None:
    with tool("examples/bashreadline_object.py") as running:
        running.attached()
        assert running.lines(1)[0].split() == ["TIME", "PID", "COMMAND"]
        with shell("echo hello-one") as pid:
            assert running.lines(1)[0].split()[1:] == [str(pid), "echo", "hello-one"]


def test_lengths_that_a_process_asks_for(log: Log) -> None:
    with (
        worker(str(SERVER)) as server,
        worker(str(SERVER)) as other,
        tool("examples/strlen_count.py", "-l", str(SERVER), "--pipe", log.path, str(server.pid)) as running,
    ):
        running.attached()
        log.only(server.pid)
        other.ask("l")
        server.ask("lgl")
        assert running.lines(1)[0].split() == ["TIME(s)", "COMM", "PID", "MESSAGE"]
        named = r"(?:server|<\.\.\.>)"  # the log keeps the names of few processes
        for line in running.lines(2):
            assert re.fullmatch(rf'\d+\.\d+ +{named} +{server.pid} +strlen\("eleven letters"\)', line), line
        assert running.end() == ""


STRLEN = """
import ctypes, sys
strlen = ctypes.CDLL(None).strlen
for line in sys.stdin:
    print(strlen(b"letters of bpfvm"), flush=True)
"""


def test_lengths_of_the_c_library(log: Log) -> None:
    """Its strlen is chosen among several by what the CPU can do."""
    with worker(sys.executable, "-c", STRLEN) as process:
        assert process.ask("\n") == "16\n"
        with tool("examples/strlen_count.py", "--pipe", log.path, str(process.pid)) as running:
            running.attached()
            log.only(process.pid)
            for _ in range(3):
                process.ask("\n")
            running.lines(1)
            found = 0
            while found < 3:
                (line,) = running.lines(1)
                found += line.endswith(f'{process.pid:<6} strlen("letters of bpfvm")')
            assert "letters of bpfvm" not in running.end()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), ["beer write:0", "beer write:1", "bread write:0", "beer write:1"]),
        (("get",), ["beer write:0", "bread write:0"]),
        (("set",), ["beer write:1", "beer write:1"]),
        (("get", "bread"), ["bread write:0"]),
    ],
    ids=" ".join,
)
def test_a_method_of_a_server(arguments: tuple[str, ...], told: list[str], log: Log) -> None:
    with (
        worker(str(SERVER)) as server,
        tool("examples/uprobe_method.py", "-b", str(SERVER), "--pipe", log.path, *arguments) as running,
    ):
        running.attached()
        log.only(server.pid)
        server.ask("gsGls")
        assert running.lines(len(told)) == told
        assert running.end() == ""


def test_methods_by_a_declared_probe() -> None:
    with (
        worker(str(SERVER)) as server,
        worker(str(SERVER)) as other,
        tool("examples/usdt_calls.py", "-p", str(server.pid)) as running,
    ):
        running.attached()
        other.ask("c")
        server.ask("cgcc")
        assert running.lines(1)[0].split() == ["PID", "CLASS", "CALL"]
        assert running.lines(3) == [f"{server.pid:<7} {'Shop':16} sell(...)"] * 3
        assert running.end() == ""


def test_how_long_a_function_of_a_file_takes() -> None:
    with (
        worker(str(SERVER)) as server,
        worker(str(SERVER)) as other,
        tool("examples/funclatency.py", "-p", str(server.pid), f"{SERVER}:strlen") as running,
    ):
        running.attached(2)
        assert running.lines(1) == [f"Tracing {SERVER}:strlen... Hit Ctrl-C to end."]
        other.ask("ll")
        server.ask("lglll")
        told = running.end()
    counts = [int(one) for one in re.findall(r"-> \d+ +: (\d+)", told)]
    assert sum(counts) == 4, told
    average, total = (int(one) for one in re.findall(r"avg = (\d+) nsecs, total: (\d+) nsecs, count: 4\n", told)[0])
    assert 0 < average == total // 4


SWITCHES = """
import sys, time
def left():
    text = open("/proc/self/status").read()
    return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)
for line in sys.stdin:
    before = left()
    for _ in range(40):
        time.sleep(0.001)
    print(left() - before, flush=True)
"""


def test_tasks_that_leave_their_cpus() -> None:
    with (
        worker(sys.executable, "-c", SWITCHES) as process,
        tool("examples/task_switch.py", "-p", str(process.pid)) as running,
    ):
        running.attached()
        left = int(process.ask("\n"))
        told = running.end()
    found = re.findall(r"task_switch\[(\d+) -> (\d+)\] = (\d+)\n", told)
    away = sum(int(count) for one, _, count in found if int(one) == process.pid)
    back = sum(int(count) for _, other, count in found if int(other) == process.pid)
    print(f"left {left} times by its own count, {away} times seen, {back} times back")
    assert left >= 40
    assert left <= away <= left + 40, "its beginning and its end are in it too"
    assert abs(away - back) <= 1


LEAKY = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
sys.stdin.readline()
print("ready", flush=True)
sys.stdin.readline()
found = [libc.malloc(100_000) for _ in range(5)]
for one in found[:2]:
    libc.free(one)
print("done", flush=True)
sys.stdin.readline()
"""


BURNS = """
import sys, time
def burn():
    start = time.process_time()
    while time.process_time() - start < 0.5:
        pass
for line in sys.stdin:
    burn()
    print("done", flush=True)
"""


def test_where_a_process_spends_its_time() -> None:
    with (
        worker(sys.executable, "-c", BURNS) as process,
        tool("examples/cpu_profile.py", "-F", "100", "-p", str(process.pid), "--folded") as running,
    ):
        running.attached()
        assert process.ask("\n") == "done\n"
        told = running.end()
    lines = [line.rpartition(" ") for line in told.splitlines()]
    assert {stack.partition(";")[0][:6] for stack, _, _ in lines} == {"python"}, told
    count = sum(int(number) for _, _, number in lines)
    print(f"{count} samples of half a second, a hundred a second")
    assert 5 <= count <= 75, "time that a host takes from an emulated processor passes for the process, without samples"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """The name of a block device of our own, over a file."""
    file = tmp_path / "disk"
    file.write_bytes(bytes(1 << 20))
    made = subprocess.run(["losetup", "--show", "-f", str(file)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no block device over a file can be made: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        yield device.removeprefix("/dev/")
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def _read(disk: str) -> None:
    """READS of 4096 bytes, each of a place of its own, past all caches."""
    import mmap

    number = os.open(f"/dev/{disk}", os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, 4096) as page:
            for at in range(READS):
                os.preadv(number, [page], at * 8192)
    finally:
        os.close(number)


def test_requests_of_a_disk(disk: str) -> None:
    with tool("examples/biosnoop.py", "-d", disk) as running:
        running.attached(2)
        assert running.lines(1)[0].split()[:4] == ["TIME(s)", "COMM", "PID", "DISK"]
        _read(disk)
        rows = [line.split() for line in running.lines(READS)]
    for at, row in enumerate(rows):
        *who, name, kind, sector, size, took = row
        assert (name, kind, sector, size) == (disk, "R", str(16 * at), "4096"), row
        assert 0 <= float(took) < 10_000
        assert len(who) >= 3


def test_times_of_requests_of_a_disk(disk: str) -> None:
    with tool("examples/biolatency.py", "-d", disk) as running:
        running.attached(2)
        running.lines(1)
        _read(disk)
        told = running.end()
    assert sum(int(one) for one in re.findall(r"-> \d+ +: (\d+)", told)) == READS, told


@pytest.fixture(scope="module")
def alone() -> Iterator[str]:
    with loopback() as name:
        yield name


def _session() -> tuple[int, int]:
    """A session in which the client sends 5 KiB and gets 20, and closes first: its ports."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ports = client.getsockname()[1], server.getsockname()[1]
        there, _ = server.accept()
        with there:
            client.sendall(bytes(5 << 10))
            _take(there, 5 << 10)
            there.sendall(bytes(20 << 10))
            _take(client, 20 << 10)
            client.close()
            assert there.recv(1) == b""
    return ports


def _take(one: socket.socket, count: int) -> None:
    while count:
        count -= len(one.recv(count))


def test_sessions_of_tcp(alone: str) -> None:
    found: list[tuple[int, int]] = []
    with tool("examples/tcplife.py", "-s", "-p", str(os.getpid())) as running:
        running.attached()
        assert running.lines(1) == ["PID,COMM,IP,LADDR,LPORT,RADDR,RPORT,TX_KB,RX_KB,MS"]
        inside(alone, lambda: found.append(_session()))
        (mine, other), lines = found[0], running.lines(2)
    ends = {(row[4], row[6]): row for row in (line.split(",") for line in lines)}
    for local, remote, sent, got in ((mine, other, "5", "20"), (other, mine, "20", "5")):
        pid, _, kind, here, _, there, _, tx, rx, took = ends[str(local), str(remote)]
        assert (pid, kind, here, there, tx, rx) == (str(os.getpid()), "4", "127.0.0.1", "127.0.0.1", sent, got)
        assert 0 < float(took) < 20_000


@contextmanager
def in_c(name: str, **constants: int) -> Iterator[Mapping[str, Any]]:
    """The maps of an example's kernel half in C, which is attached. constants: by their names there."""
    with load(str(ROOT / f"examples/c/{name}.o")).install(maps={".rodata": constants}) as installed, installed.attach():
        yield installed.maps


def _events(maps: Mapping[str, Any], count: int, wanted: Callable[[Any], bool] = lambda one: True) -> list[Any]:
    """So many of an object's events that are wanted."""
    found: list[Any] = []
    deadline = time.monotonic() + 20
    with maps["events"].reader("event") as reader:
        while len(found) < count and time.monotonic() < deadline:
            found += filter(wanted, reader.poll(0.5))
    return found


def test_switches_by_a_program_in_c() -> None:
    with worker(sys.executable, "-c", SWITCHES) as process, in_c("task_switch", target=process.pid) as maps:
        left = int(process.ask("\n"))
        away = sum(count for pair, count in maps["counts"].items() if pair.prev == process.pid)
    assert 40 <= left <= away <= left + 40


def test_lengths_by_a_program_in_c() -> None:
    with worker(sys.executable, "-c", STRLEN) as process:
        process.ask("\n")
        with in_c("strlen_count", target=process.pid) as maps:
            for _ in range(3):
                process.ask("\n")
            events = _events(maps, 3, lambda one: one.text == "letters of bpfvm")
    assert [one.pid for one in events] == [process.pid] * 3


def test_requests_of_a_disk_by_a_program_in_c(disk: str) -> None:
    number = os.stat(f"/dev/{disk}").st_rdev
    with in_c("biosnoop", device=os.major(number) << 20 | os.minor(number)) as maps:
        _read(disk)
        events = _events(maps, READS)
        assert len(maps["issued"]) == 0
    assert [(one.sector, one.bytes, one.kind) for one in events] == [(16 * at, 4096, 0) for at in range(READS)]


def test_sessions_of_tcp_by_a_program_in_c(alone: str) -> None:
    found: list[tuple[int, int]] = []
    with in_c("tcplife", target=os.getpid()) as maps:
        inside(alone, lambda: found.append(_session()))
        events = _events(maps, 2)
    mine, other = found[0]
    assert sorted((one.lport, one.dport, one.tx >> 10, one.rx >> 10, one.pid) for one in events) == sorted(
        [(mine, other, 5, 20, os.getpid()), (other, mine, 20, 5, os.getpid())]
    )


def test_what_is_not_freed_by_a_program_in_c() -> None:
    with worker(sys.executable, "-c", LEAKY) as process:
        process.ask("\n")
        with in_c("memleak", target=process.pid) as maps:
            process.ask("\n")
            left = [(one.size, one.count) for _, one in maps["totals"].items()]
    assert (300_000, 3) in left, left


@pytest.mark.needs("kprobe_pmu")
def test_how_often_a_system_call_returns() -> None:
    with (
        worker(str(SERVER)) as server,
        tool("examples/kprobe_write.py", "-p", str(server.pid), "-n", "60") as running,
    ):
        running.attached()
        server.ask("xxxxx")
        line, deadline = "", time.monotonic() + 30
        while line != "hits: 5" and time.monotonic() < deadline:
            (line,) = running.lines(1)
        assert line == "hits: 5"


@pytest.mark.needs("kprobe_pmu")
def test_by_which_ways_a_function_is_called() -> None:
    with (
        worker(str(SERVER)) as server,
        tool("examples/stacksnoop.py", "-v", "-p", str(server.pid), "vfs_write") as running,
    ):
        running.attached()
        assert running.lines(1)[0].split() == ["TIME(s)", "COMM", "PID", "CPU", "FUNCTION"]
        server.ask("xxx")
        told = running.end()
    calls = re.findall(rf"\n?\d+\.\d+ +server +{server.pid} +\d+ +vfs_write\n((?: {{4}}\S.*\n)*)", told)
    assert len(calls) == 3, told
    assert all("write" in one.splitlines()[0] for one in calls), told


@pytest.mark.needs("kprobe_pmu")
def test_how_long_a_function_of_the_kernel_takes() -> None:
    with (
        worker(str(SERVER)) as server,
        tool("examples/funclatency.py", "-u", "-p", str(server.pid), "vfs_write") as running,
    ):
        running.attached(2)
        server.ask("x" * 7)
        told = running.end()
    assert sum(int(one) for one in re.findall(r"-> \d+ +: (\d+)", told)) == 7, told
    assert "count: 7\n" in told


@pytest.mark.needs("kprobe_pmu")
def test_probes_of_the_kernel_by_programs_in_c() -> None:
    with worker(sys.executable, "-c", SWITCHES) as process, in_c("offcputime", target=process.pid) as maps:
        process.ask("\n")
        times = [us for where, us in maps["counts"].items() if where.pid == process.pid]
    assert sum(times) >= 40 * 1_000
    with worker(str(SERVER)) as server, in_c("stacksnoop", target=server.pid) as maps:
        server.ask("x")  # which sends nothing to a disk
        assert _of_now(maps) == []


def _of_now(maps: Mapping[str, Any]) -> list[Any]:
    with maps["events"].reader("event") as reader:
        return list(reader.read())


@pytest.mark.parametrize("name", ["kprobe_write", "stacksnoop", "funclatency", "offcputime"])
def test_a_kernel_without_probes_is_told_of(name: str) -> None:
    """One line, where the kernel has none; where it has, the tool ends after its time."""
    command = [sys.executable, "-m", "bpfvm", "trace", "--duration", "0.5", f"examples/{name}.py"]
    done = subprocess.run(command, cwd=ROOT, env=AROUND, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode == 0:
        assert done.stderr == ""
        return
    assert done.returncode == 1
    assert re.fullmatch(r"bpfvm: \w+: .*kprobe.*\n|bpfvm: k\w*probe .*: this kernel has no kprobes .*\n", done.stderr)
    print(done.stderr.strip())
