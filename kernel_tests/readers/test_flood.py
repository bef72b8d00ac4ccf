"""A whole tool under a flood of events, for ten minutes with --all: each that was sent came or is reported lost, and
the tool's memory stays as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AROUND = {**os.environ, "PYTHONPATH": str(ROOT)}
SECONDS, SOME = 600, 3
MOST = 2 << 20  # bytes that a process may grow by: an allocator's own


def test_nothing_is_lost_unreported(size: Callable[[int, int], int]) -> None:
    seconds = size(SOME, SECONDS)
    command = [sys.executable, "-m", "bpfvm", "trace", "kernel_tests/readers/flood_tool.py", str(os.getpid())]
    with subprocess.Popen(command, cwd=ROOT, env=AROUND, stdout=subprocess.PIPE, text=True) as tool:
        try:
            assert tool.stdout is not None
            assert tool.stdout.readline() == "attached\n"
            calls, call, end = 0, os.getpgid, time.monotonic() + seconds
            while time.monotonic() < end:
                for _ in range(100):
                    call(0)
                calls += 100
            tool.terminate()
            told = json.loads(tool.communicate(timeout=60)[0])
        finally:
            tool.kill()
    sizes = told.pop("sizes")
    first, largest = sizes[len(sizes) // 10], max(sizes)
    share = told["came"] / told["sent"]
    print(f"{seconds} s: {told}, {share:.0%} came, {told['came'] / seconds / 1e6:.2f} M/s; {first} to {largest} bytes")
    assert tool.returncode == 0
    assert told["came"] + told["lost"] == told["sent"] == 64 * calls
    assert told["disordered"] == 0
    assert min(told["came"], told["lost"]) > 0, "a flood, some of which has room"
    assert largest - first < MOST
