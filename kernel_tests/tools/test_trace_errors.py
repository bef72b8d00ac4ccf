"""What is wrong with where a tool is to be attached: one clear line each, and a status; nothing stays attached."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bpfvm.kernel import features
from kernel_tests.attach.test_attach_killed import _held, _wait_for
from kernel_tests.tools.forked import ROOT, Forked
from kernel_tests.tools.test_examples import tool

NOBODY = 4_000_000_000 & 0x7FFF_FFFF  # no process has this id
TOOL = """
import sys
from bpfvm import Ring, bpf, u32

events = Ring(u32)

@getattr(bpf, sys.argv[1])(sys.argv[2])
def tool(ctx):
    events.submit(1)

if __name__ == "__main__":
    with bpf.attach(tool, **{name: int(number) for name, _, number in (one.partition("=") for one in sys.argv[3:])}):
        print("attached")
"""


@dataclass(frozen=True, slots=True)
class Wrong:
    """kind, target, options: of the tool. told: words of the line. lacking: a feature without which it is told."""

    kind: str
    target: str
    told: str
    options: tuple[str, ...] = ()
    lacking: str = ""


CASES = (
    Wrong("uprobe", "c:no_such_function", "has no function no_such_function"),
    Wrong("uprobe", "c:getpgidd", "did you mean getpgid"),
    Wrong("uretprobe", "c:no_such_*", "has no function"),
    Wrong("uprobe", "no_such_library:malloc", "no library and no program of this name is found; give its path"),
    Wrong("uprobe", "/nowhere/x:y", "/nowhere/x: there is no such file"),
    Wrong("uprobe", "/etc/passwd:y", "/etc/passwd: not an ELF file"),
    Wrong("uprobe", "STRIPPED:main", "is stripped: it names no functions; give an address"),
    Wrong("usdt", "c:no:probe", "has no USDT probe no:probe"),
    Wrong("uprobe", "c:getpgid", f"there is no process {NOBODY}", (f"pid={NOBODY}",)),
    Wrong("uprobe", "c:getpgid", "a process has a number above 0", ("pid=0",)),
    Wrong("uprobe", "c:getpgid", "a process has a number above 0", ("pid=-5",)),
    Wrong("perf_event", "cpu-clock", "the process is gone", (f"pid={NOBODY}", "frequency=99")),
    Wrong("perf_event", "cpu-clock", "say how often: period=1_000_000"),
    Wrong("perf_event", "no-event", "there is no event 'no-event'; events are cpu-clock"),
    Wrong("tracepoint", "sched:sched_switchh", "did you mean sched:sched_switch"),
    Wrong("tracepoint", "no_such_group:x", "this kernel has no tracepoint no_such_group:x"),
    Wrong("raw_tracepoint", "no_such_event", "this kernel has no raw tracepoint 'no_such_event'"),
    Wrong("raw_tracepoint", "sched_swich", "no raw tracepoint 'sched_swich'; did you mean sched_switch"),
    Wrong("perf_event", "cpu-clock", "this kernel takes 1 to", ("frequency=2000000000",)),
    Wrong("perf_event", "cpu-clock", "this kernel takes 1 to", ("frequency=-1",)),
    Wrong("perf_event", "cpu-clock", "cpu=4095: the CPUs that are on are 0", ("frequency=99", "cpu=4095")),
    Wrong("tp_btf", "sched_swich", "has no btf_trace_sched_swich to attach to; did you mean sched_switch"),
    Wrong("fentry", "no_such_function", "has no no_such_function to attach to"),
    Wrong("kprobe", "vfs_read", "this kernel has no kprobes", lacking="kprobe_pmu"),
    Wrong("fentry", "vfs_read", "refused by this host's policy", lacking="fentry"),
    Wrong("lsm", "file_open", "refused by this host's policy", lacking="lsm"),
)


@pytest.fixture(scope="module", autouse=True)
def nothing_stays_attached() -> Iterator[None]:
    before = _held()
    yield
    _wait_for(before)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("tools") / "tool.py"
    file.write_text(TOOL)
    return str(file)


@pytest.fixture(scope="module")
def stripped() -> str:
    """A program of this machine without names."""
    found = shutil.which("true")
    assert found is not None
    names = subprocess.run(["nm", "-C", found], capture_output=True, text=True, check=False)
    if names.stdout:
        pytest.skip(f"{found} has a table of symbols")
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda one: " ".join((one.kind, one.target, *one.options)))
def test_one_line(case: Wrong, path: str, stripped: str) -> None:
    if case.lacking and features.probe(case.lacking).have:
        pytest.skip(f"this kernel has {case.lacking}")
    target = case.target.replace("STRIPPED", stripped)
    told, said = (done := Forked("trace", path, case.kind, target, *case.options)).communicate()
    assert (told, said.count("\n"), done.returncode in (1, 2)) == ("", 1, True), said
    assert said.startswith("bpfvm: ")
    assert case.told in said


def test_there_are_enough_cases() -> None:
    print(f"{len(CASES)} cases")
    assert len(CASES) >= 20


def test_a_process_that_has_ended(path: str) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    _, said = (done := Forked("trace", path, "uprobe", "c:getpgid", f"pid={process.pid}")).communicate()
    assert said == f"bpfvm: there is no process {process.pid}; pid= is the number of one that runs\n"
    assert done.returncode == 2


def test_a_process_that_ends_meanwhile() -> None:
    """The tool goes on, and ends as ever."""
    with (
        subprocess.Popen(["sleep", "60"]) as process,
        tool("examples/memleak.py", "-p", str(process.pid), "0.2", "60") as running,
    ):
        running.attached(3)
        process.kill()
        process.wait()
        time.sleep(0.5)
        assert "outstanding allocations" in running.end()


@pytest.mark.parametrize("kind", ["uprobe", "tracepoint"])
def test_without_privilege(path: str, kind: str) -> None:
    """Root without a capability; which ones are lacking is said."""
    target = {"uprobe": "c:getpgid", "tracepoint": "syscalls:sys_enter_getpgid"}[kind]
    bare = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
    command = [*bare, sys.executable, "-m", "bpfvm", "trace", path, kind, target]
    around = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr.count("\n"), done.returncode) == ("", 1, 1), done.stderr
    assert "CAP_BPF" in done.stderr


def test_a_tool_that_fails_after_it_was_attached(tmp_path: Path) -> None:
    file = tmp_path / "fails.py"
    file.write_text(TOOL.replace('print("attached")', 'events["wrong"]'))
    _, said = (done := Forked("trace", str(file), "uprobe", "c:getpgid")).communicate()
    assert said.count("\n") == 1
    assert f"{file}:13: TypeError" in said
    assert done.returncode == 1
