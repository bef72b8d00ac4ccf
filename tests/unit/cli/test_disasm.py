"""`bpfvm disasm` and `bpfvm plugin` as users run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

OBJECTS = Path(__file__).parents[2] / "objects"


def bpfvm(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "bpfvm", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.xfail(strict=True, reason="there is no such command")
def test_disasm_names_maps_and_shows_source_lines() -> None:
    done = bpfvm("disasm", str(OBJECTS / "xdp_count.o"))
    assert done.returncode == 0
    assert "map[counts]" in done.stdout
    assert "xdp_count.c:" in done.stdout


@pytest.mark.xfail(strict=True, reason="there is no such command")
def test_plugin_speaks_the_protocol_of_conformance_runners() -> None:
    done = bpfvm("plugin", "01 02", stdin="71 10 01 00 00 00 00 00  95 00 00 00 00 00 00 00")  # r0 = mem[1]; exit
    assert (done.returncode, done.stdout.strip()) == (0, "2")
