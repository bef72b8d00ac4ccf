"""The examples as they are run: whole tools in the kernel, on workloads of the tests' own, with counts they know."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kernel_tests.networks import inside, loopback
from kernel_tests.tools.forked import Forked

ROOT = Path(__file__).resolve().parents[2]
AROUND = {**os.environ, "PYTHONPATH": str(ROOT)}


class Tool:
    """One that runs. `lines` reads what it prints; `end` ends it as users do."""

    def __init__(self, *words: str, within: str = "") -> None:
        self._process = Forked("trace", "-v", *words, within=within)

    def attached(self, count: int = 1) -> None:
        """Wait until so many programs are."""
        for _ in range(count):
            assert "is attached" in self._process.stderr.readline(), self._process.communicate(timeout=20)

    def lines(self, count: int) -> list[str]:
        return [self._process.stdout.readline().rstrip() for _ in range(count)]

    def _until_it_waits(self) -> None:
        """What comes before is not waiting, and Ctrl-C ends it there and then."""
        before, deadline = "", time.monotonic() + 5
        while time.monotonic() < deadline:
            state, *rest = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            now = " ".join((state, *rest[10:12]))  # and the time that it has spent
            if state in "SZ" and now == before:
                return
            before = now
            time.sleep(0.05)

    def end(self) -> str:
        """What it printed since."""
        self._until_it_waits()
        self._process.send_signal(signal.SIGINT)
        told, said = self._process.communicate(timeout=20)
        assert self._process.returncode == 0, said
        return told

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def tool(*words: str, within: str = "") -> Iterator[Tool]:
    """It is gone in the end."""
    running = Tool(*words, within=within)
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="module")
def alone() -> Iterator[str]:
    with loopback() as name:
        yield name


def test_questions_of_the_dns(alone: str) -> None:
    def ask() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for kind in (1, 28, 1):
                name = b"\x03www\x07example\x03org\0"
                one.sendto(bytes(12) + name + kind.to_bytes(2, "big") + b"\0\1", ("127.0.0.1", 5353))

    with tool("examples/sock_parse_dns.py", within=alone) as running:
        running.attached()
        inside(alone, ask)
        assert running.lines(2) == ["TYPE1: 4", "TYPE28: 2"], "each packet is seen twice: going out and coming in"


def test_messages_of_http(alone: str) -> None:
    def ask() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
            there, _ = server.accept()
            with there:
                for said, answer in (
                    (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
                    (b"PUT /a", b"x"),
                ):
                    client.sendall(said)
                    there.recv(100)
                    there.sendall(answer)
                    client.recv(100)

    with tool("examples/sock_parse_http.py", within=alone) as running:
        running.attached()
        assert running.lines(1) == [" messages"]
        inside(alone, ask)
        (line,) = running.lines(1)
        assert sorted(line.removesuffix(" messages").split()) == sorted(["GET", "1", "HTTP", "1", "PUT", "1"])


def test_files_that_are_opened(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    own = Path("/proc/self/comm").read_text().strip()
    with tool("examples/opensnoop.py", "-p", str(os.getpid())) as running:
        running.attached(4)
        assert running.lines(1)[0].split() == ["PID", "COMM", "FD", "ERR", "PATH"]
        with suppress(FileNotFoundError):
            os.open(tmp_path / "none", os.O_RDONLY)
        number = os.open(tmp_path / "there", os.O_RDONLY)
        os.close(number)
        assert running.lines(2) == [
            f"{os.getpid():<6} {own:16} {-1:>4} {2:>3} {tmp_path}/none",
            f"{os.getpid():<6} {own:16} {number:>4} {0:>3} {tmp_path}/there",
        ]
        assert str(tmp_path) not in running.end()


def test_commands_that_are_executed() -> None:
    with tool("examples/execsnoop.py", "--ppid", str(os.getpid())) as running:
        running.attached(2)
        running.lines(1)
        process = subprocess.run(["/bin/true", "a", "b c"], check=True)
        (line,) = running.lines(1)
        assert process.returncode == 0
        assert re.fullmatch(rf"true +\d+ +{os.getpid()} +0 /bin/true a b c", line), line


def test_lines_of_a_shell() -> None:
    with tool("examples/bashreadline.py") as running:
        running.attached()
        running.lines(1)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
        try:
            os.write(terminal, b"echo hello-one\n")
            (line,) = running.lines(1)
            assert line.split()[1:] == [str(pid), "echo", "hello-one"]
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)


LEAKY = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
print("ready", flush=True)
input()
found = [libc.malloc(100_000) for _ in range(5)]
for one in found[:2]:
    libc.free(one)
print("done", flush=True)
input()
"""


def test_what_is_not_freed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEAKY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as leaky:
        assert leaky.stdin is not None
        assert leaky.stdout is not None
        leaky.stdout.readline()
        try:
            with tool("examples/memleak.py", "-p", str(leaky.pid), "1", "60") as running:
                running.attached(3)
                leaky.stdin.write("\n")
                leaky.stdin.flush()
                leaky.stdout.readline()
                text = ""
                deadline = time.monotonic() + 20
                while "300000 bytes in 3 allocations" not in text and time.monotonic() < deadline:
                    text += "\n".join(running.lines(1)) + "\n"
                assert "300000 bytes in 3 allocations from stack" in text
                frames = [line.strip() for line in running.lines(2)]
                assert re.match(r"(malloc|__libc_malloc|\[lib.*\+0x|[\w.]+)", frames[0]), frames
        finally:
            leaky.kill()


def test_time_without_a_cpu() -> None:
    with tool("examples/runqlat.py", str(os.getpid())) as running:
        running.attached(3)
        for _ in range(20):
            time.sleep(0.001)
        told = running.end()
    counts = [int(one) for one in re.findall(r"-> \d+ +: (\d+)", told)]
    assert sum(counts) >= 20, told
