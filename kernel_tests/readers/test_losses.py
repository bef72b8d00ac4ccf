"""Events that find no room in the kernel are counted and told, of rings and of perf's buffers: what came and what is
said to be lost is all that was sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bpfvm import bpf
from bpfvm.lang.maps import Events
from kernel_tests.readers import losses_programs as programs

ROOT = Path(__file__).resolve().parents[2]
AROUND = {**os.environ, "PYTHONPATH": str(ROOT)}
CALLS = 40


@pytest.fixture(autouse=True)
def only_this_process() -> None:
    programs.own.pid = os.getpid()


def calls(count: int = CALLS) -> None:
    for _ in range(count):
        os.getpgid(0)


def lost_of(one: Events) -> int:
    found = one.lost
    assert found is not None
    return found


def test_of_a_ring() -> None:
    with programs.submits.attach():
        calls(1)
        came = len(programs.events.read())
        assert lost_of(programs.events) == programs.EACH - came > 0
        calls()
        came += len(programs.events.read())
        calls()
        lost = lost_of(programs.events)
    came += len(programs.events.read())
    print(f"{came} came, {lost} were lost")
    assert came + lost == (1 + 2 * CALLS) * programs.EACH
    assert lost_of(programs.events) == lost, "the last count stays to be read"


def test_of_records_that_are_reserved() -> None:
    with programs.reserves.attach():
        calls(300)
        assert len(programs.events.read()) + lost_of(programs.events) == 300
        assert len(programs.filled.read()) + lost_of(programs.filled) == 300
        assert min(lost_of(programs.events), lost_of(programs.filled)) > 0


def test_of_a_buffer_of_perf_without_a_sample_behind_them() -> None:
    """The kernel tells of them only with the next sample that has room."""
    with programs.samples_it.attach():
        calls()
        came = len(programs.samples.read())
        print(f"{came} came, {lost_of(programs.samples)} were lost")
        assert came + lost_of(programs.samples) == CALLS * programs.EACH
        assert lost_of(programs.samples) > 0


def test_two_objects_that_share_a_ring() -> None:
    with bpf.attach(programs.submits), bpf.attach(programs.reserves):
        calls()
        assert len(programs.events.read()) + lost_of(programs.events) == CALLS * (programs.EACH + 1)
    with programs.submits.attach():
        assert lost_of(programs.events) == 0, "it begins anew"


def _traced(*words: str) -> dict[str, Any]:
    """The last document of a tool that ran while this process called, and how many events it showed."""
    command = [sys.executable, "-m", "bpfvm", "trace", "--json", "--verbose", *words]
    with subprocess.Popen(command, cwd=ROOT, env=AROUND, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        assert tool.stdout is not None
        assert tool.stderr is not None
        try:
            while b"is attached" not in (line := tool.stderr.readline()):
                assert line, "it ended"
            time.sleep(0.05)
            calls()
            time.sleep(0.3)
            tool.terminate()
            *events, last = map(json.loads, tool.communicate(timeout=20)[0].splitlines())
        finally:
            tool.kill()
    assert tool.returncode == 0
    assert len(events) == last["events"]
    found: dict[str, Any] = last
    return found


def test_a_tool_tells_them(tmp_path: Path) -> None:
    source = ROOT / "kernel_tests" / "readers" / "losses_programs.py"
    compiled = tmp_path / "half.o"
    made = [sys.executable, "-m", "bpfvm", "compile", "--count-lost", f"{source}:submits", "-o", str(compiled)]
    subprocess.run([*made, "--", str(os.getpid())], cwd=ROOT, env=AROUND, check=True, capture_output=True)
    told = _traced("--object", str(compiled))
    assert told["events"] + told["lost"]["events"] == CALLS * programs.EACH
    assert told["lost"]["events"] > 0
    tool = tmp_path / "tool.py"
    text = source.read_text()
    cut = [text.index(f'@bpf.uprobe("c:getpgid")\ndef {name}') for name in ("reserves", "samples_it")]
    tool.write_text(text[: cut[0]] + text[cut[1] :])
    told = _traced(str(tool), str(os.getpid()))
    for name in ("events", "samples"):
        assert told["lost"][name] > 0
    assert told["events"] + sum(told["lost"].values()) == 2 * CALLS * programs.EACH
