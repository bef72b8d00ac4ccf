"""Examples on functions of the kernel, where it lets programs be put there: whole tools on workloads with known counts.
`python -m kernel_tests.vm` runs them where this machine's kernel does not."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_tests.networks import inside, loopback
from kernel_tests.tools.test_examples import tool

CONNECTIONS, SLEEPS, NAP = 5, 6, 0.03


@pytest.fixture
def alone() -> Iterator[str]:
    with loopback() as name:
        yield name


def _connect(family: int, host: str) -> list[int]:
    """The ports of servers of our own that this process connected to."""
    ports = []
    for _ in range(CONNECTIONS):
        with socket.socket(family) as server, socket.socket(family) as client:
            server.bind((host, 0))
            server.listen()
            client.connect(server.getsockname())
            ports.append(server.getsockname()[1])
    return ports


@pytest.mark.needs("fentry")
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_how_long_connections_take(alone: str, family: int, host: str) -> None:
    own = Path("/proc/thread-self/comm").read_text().strip()
    with tool("examples/tcpconnlat.py") as running:
        running.attached(3)
        assert running.lines(1)[0].split()[:2] == ["PID", "COMM"]
        ports = inside(alone, lambda: _connect(family, host))
        rows = [line.split() for line in running.lines(CONNECTIONS)]
    assert [(row[0], row[-4], row[-3], int(row[-2])) for row in rows] == [
        (str(os.getpid()), host, host, port) for port in ports
    ]
    assert all(0 < float(row[-1]) < 10_000 for row in rows)
    assert all(" ".join(row[1:-4]) for row in rows), own


@pytest.mark.needs("kprobe_pmu")
def test_how_long_a_process_is_off_the_cpu() -> None:
    own = Path("/proc/self/comm").read_text().strip()
    with tool("examples/offcputime.py", "--folded", "-p", str(os.getpid())) as running:
        running.attached()
        time.sleep(0.5)
        before = time.monotonic()
        for _ in range(SLEEPS):
            time.sleep(NAP)
        spent = time.monotonic() - before
        told = running.end()
    lines = [re.fullmatch(r"(.*?);(.*) (\d+)", line) for line in told.splitlines()]
    assert lines
    assert {one[1] for one in lines if one} == {own}, told
    total = sum(int(one[3]) for one in lines if one) / 1e6
    print(f"{total:.3f} s off the CPU, of which naps are {spent:.3f}")
    assert total >= 0.9 * SLEEPS * NAP
    assert re.search(r"nanosleep|hrtimer|schedule", told), "a stack of the kernel, by names"
