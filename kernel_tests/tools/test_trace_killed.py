"""Whole tools that are killed at any moment, while they compile, load, attach, wait and end, leave nothing: no program,
map or link in the kernel, no event of tracefs, no program on an interface."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from kernel_tests.attach.test_attach_killed import PATIENCE, _events, _filters, _held, _wait_for
from kernel_tests.networks import pair
from kernel_tests.tools.forked import ROOT, Forked

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ROUNDS, SOME = 300, 30
LATEST = 0.6  # seconds: by then a tool waits
TOOLS = {
    "probes of a library": ("examples/memleak.py", "-p", str(os.getpid()), "1", "60"),
    "a probe of a program": ("examples/bashreadline.py",),
    "system calls": ("examples/opensnoop.py", "-p", str(os.getpid())),
    "typed tracepoints": ("examples/runqlat.py", str(os.getpid())),
    "a packet socket": ("examples/sock_proto.py",),
    "an interface": ("examples/xdp_firewall.py", "right"),
    "an interface, generic": ("examples/rate_limiter.py", "right", "--mode", "generic"),
}


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    with pair() as (_, right):
        yield right


def nothing_is_left(before: dict[str, set[int]], network: str) -> None:
    end = time.monotonic() + PATIENCE
    while (_filters(network) or _events()) and time.monotonic() < end:
        time.sleep(0.02)
    assert (_filters(network), _events()) == (0, [])
    _wait_for(before)
    shown = subprocess.run(["ip", "-n", network, "link", "show", "right"], capture_output=True, text=True, check=True)
    assert "xdp" not in shown.stdout


def test_at_any_moment(network: str, size: Callable[[int, int], int]) -> None:
    dice, ended, before = random.Random(1), Counter[str](), _held()
    rounds = size(SOME, ROUNDS)
    for number in range(rounds):
        name = list(TOOLS)[number % len(TOOLS)]
        running = Forked("trace", *TOOLS[name], within=network)
        time.sleep(dice.uniform(0, LATEST))
        running.send_signal(dice.choice(SIGNALS))
        _, said = running.communicate(60)
        ended[f"status {running.returncode}"] += 1
        assert "Traceback" not in said, said
    nothing_is_left(before, network)
    print(f"{rounds} tools of {len(TOOLS)} kinds: {dict(ended)}")
    assert ended["status -9"] >= rounds // 6
    assert ended["status 0"] >= rounds // 10


@pytest.mark.parametrize("number", SIGNALS, ids=lambda one: one.name)
def test_as_its_users_start_it(network: str, number: signal.Signals) -> None:
    """The command itself, with programs that stay where their process does not end in order."""
    before = _held()
    command = [sys.executable, "-m", "bpfvm", "trace", "-v", *TOOLS["probes of a library"]]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as tool:  # fmt: skip
        assert tool.stderr is not None
        assert "is attached" in tool.stderr.readline()
        assert _held()["program"] - before["program"]
        tool.send_signal(number)
        tool.communicate(timeout=60)
    assert tool.returncode == (-number if number == signal.SIGKILL else 0)
    nothing_is_left(before, network)
