"""Examples on what tasks do, run whole in the kernel: system calls, names of hosts, time on the CPU."""

from __future__ import annotations

import re
import sys

from kernel_tests.tools.test_examples import tool
from kernel_tests.tools.test_examples_tracing import worker

CALLS, LOOKUPS, NAPS = 25, 3, 20

WORK = f"""
import os, socket, sys, time
os.close(os.dup(0))
for line in sys.stdin:
    if line == "call\\n":
        for _ in range({CALLS}):
            os.getppid()
            try:
                os.close(os.sysconf("SC_OPEN_MAX") + 7)
            except OSError:
                pass
    elif line == "look up\\n":
        for _ in range({LOOKUPS}):
            socket.getaddrinfo("localhost", 80)
            socket.getaddrinfo(None, 80)
    else:
        for _ in range({NAPS}):
            time.sleep(0.02)
    print("done", flush=True)
"""
COMMAND = (sys.executable, "-c", WORK)


def test_system_calls_by_name() -> None:
    with worker(*COMMAND) as process, tool("examples/syscount.py", "-p", str(process.pid), "-T", "50") as running:
        running.attached()
        running.lines(1)
        process.ask("call\n")
        told = dict(line.split() for line in running.end().splitlines())
    assert (told["SYSCALL"], told["getppid"], told["close"]) == ("COUNT", str(CALLS), str(CALLS)), told
    assert "write" in told


def test_system_calls_that_fail() -> None:
    with worker(*COMMAND) as process, tool("examples/syscount.py", "-x", "-p", str(process.pid)) as running:
        running.attached()
        running.lines(1)
        process.ask("call\n")
        told = dict(line.split() for line in running.end().splitlines())
    assert told["close"] == str(CALLS), told
    assert "getppid" not in told


def test_system_calls_by_process() -> None:
    with worker(*COMMAND) as process, tool("examples/syscount.py", "-P", "-L", "-p", str(process.pid)) as running:
        running.attached(2)
        running.lines(1)
        process.ask("call\n")
        _, line = running.end().splitlines()
    number, _, count, took = line.split()
    assert number == str(process.pid)
    assert int(count) >= 2 * CALLS + 1
    assert float(took) > 0


def test_names_of_hosts() -> None:
    with worker(*COMMAND) as process, tool("examples/gethostlatency.py", "-p", str(process.pid)) as running:
        running.attached(6)
        assert running.lines(1)[0].split() == ["TIME", "PID", "COMM", "LAT(ms)", "HOST"]
        process.ask("look up\n")
        rows = [line.split() for line in running.lines(LOOKUPS)]
        assert running.end() == "", "a port alone is no name"
    assert [(row[1], row[-1]) for row in rows] == [(str(process.pid), "localhost")] * LOOKUPS
    assert all(float(row[-2]) > 0 for row in rows)


def _counted(told: str) -> list[tuple[int, int]]:
    """Where each slot that counts begins, and its count."""
    rows = re.findall(r"(\d+) -> \d+ +: (\d+)", told)
    return [(int(low), int(count)) for low, count in rows if count != "0"]


def test_time_on_the_cpu() -> None:
    with worker(*COMMAND) as process, tool("examples/cpudist.py", "-P", "-p", str(process.pid)) as running:
        running.attached()
        running.lines(1)
        process.ask("sleep\n")
        told = running.end()
    assert told.startswith(f"process = {process.pid} "), told
    assert told.count("process = ") == 1
    assert sum(count for _, count in _counted(told)) >= NAPS


def test_time_off_the_cpu() -> None:
    with worker(*COMMAND) as process, tool("examples/cpudist.py", "-O", "-p", str(process.pid)) as running:
        running.attached()
        running.lines(1)
        process.ask("sleep\n")
        told = running.end()
    assert sum(count for low, count in _counted(told) if low >= 16384) >= NAPS, told
