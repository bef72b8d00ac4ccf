"""Where the native tier cannot be used: the other tiers do the work, and one line says why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.cli import run as run_command
from bpfvm.cli import status
from bpfvm.emulator.native.code import engine
from bpfvm.obj.captures.pcap import write_capture

COUNTER = str(Path(__file__).resolve().parents[3] / "objects" / "xdp_count.o")
PROBE, REQUESTS = (str(Path(__file__).resolve().parents[3] / "process" / name) for name in ("probe.o", "requests"))
FRAMES = [(1_000_000 * number, bytes(12) + b"\x08\x00\x45" + bytes(50)) for number in range(20)]
REASONS = ["llvmlite is not installed: pip install 'bpfvm[jit]'", "this host refuses executable memory to the process"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(params=REASONS)
def reason(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    found: str = request.param
    monkeypatch.setattr(engine, "missing", lambda: found)
    return found


@pytest.fixture
def capture(tmp_path: Path) -> str:
    write_capture(tmp_path / "a.pcap", FRAMES)
    return str(tmp_path / "a.pcap")


def test_a_long_run_takes_another_tier(
    reason: str, capture: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(run_command, "WORTH", 1)
    assert status(["run", COUNTER, "--packet", capture, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["engine"] == "portable"
    assert err == f"bpfvm: engine portable, because engine native is missing: {reason}\n"


@pytest.mark.parametrize(
    "more", [[], ["--threads", "--cpus", "2"], ["--coverage", "c.info"], ["--checked-sample", "2"]]
)
def test_asking_for_it_is_one_line(reason: str, more: list[str], capture: str, capsys: Captured) -> None:
    assert status(["run", COUNTER, "--packet", capture, "--engine", "native", *more]) == 1
    assert capsys.readouterr().err == f"bpfvm: engine native: {reason}\n"


def test_random_programs_are_compared_without_it(reason: str, tmp_path: Path, capsys: Captured) -> None:
    words = ["fuzz", "--kind", "programs", "--programs", "5", "--seed", "1", "--out", str(tmp_path), "--json"]
    assert status(words) == 0
    assert "native" not in json.loads(capsys.readouterr().out)["engines"]
    assert status(["fuzz", "--kind", "unverified", "--programs", "5", "--out", str(tmp_path)]) == 1
    assert f"bpfvm: engine native: {reason}\n" in capsys.readouterr().err


BLOCKED = """
import sys
sys.modules["llvmlite"] = None
from bpfvm.cli import status
sys.exit(status(["run", sys.argv[1], "--packet", sys.argv[2], "--json"]))
"""

# The command in a process that gets no executable memory from here on: the kernel's own switch (from Linux 6.3 on),
# or a filter of system calls under which memory of no file cannot be executed, nor become so, as SELinux has it
REFUSING = """
import ctypes, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_MDWE, MODE_FILTER = 38, 22, 65, 2
LOAD, EQUAL, ANY, RETURN = 0x20, 0x15, 0x45, 0x06  # ld abs, jeq, jset, ret
ALLOW, EACCES, PROT_EXEC, MAP_ANONYMOUS = 0x7FFF0000, 0x00050000 | 13, 4, 0x20
NUMBER, PROTECTION, FLAGS = 0, 32, 40  # places in seccomp_data
CALLS = {"x86_64": (9, 10), "aarch64": (222, 226)}  # mmap, mprotect

class Program(ctypes.Structure):
    _fields_ = [("size", ctypes.c_ushort), ("code", ctypes.c_char_p)]

def filtered():
    calls = CALLS.get(platform.machine())
    if calls is None:
        return f"the numbers of {platform.machine()}'s system calls are not known here"
    rows = [(LOAD, 0, 0, NUMBER), (EQUAL, 0, 2, calls[0]), (LOAD, 0, 0, FLAGS), (ANY, 1, 3, MAP_ANONYMOUS),
            (EQUAL, 0, 2, calls[1]), (LOAD, 0, 0, PROTECTION), (ANY, 1, 0, PROT_EXEC), (RETURN, 0, 0, ALLOW),
            (RETURN, 0, 0, EACCES)]
    code = b"".join(struct.pack("<HBBI", *row) for row in rows)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    refused = libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(Program(len(rows), code)), 0, 0)
    return "this host takes no filter of system calls" if refused else None

def switched():
    return "this kernel has no PR_SET_MDWE" if libc.prctl(PR_SET_MDWE, 1, 0, 0, 0) else None

reason = {"filter": filtered, "switch": switched}[sys.argv[1]]()
if reason is not None:
    print(reason, file=sys.stderr)
    sys.exit(77)
from bpfvm.cli import run, status
run.WORTH = 1
sys.exit(status(["run", *sys.argv[2:], "--json"]))
"""


@pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))
@pytest.mark.parametrize("how", ["filter", "switch"])
@pytest.mark.parametrize("more", [[], ["--engine", "native"]])
def test_executable_memory_that_is_refused(how: str, more: list[str], capture: str) -> None:
    words = [sys.executable, "-c", REFUSING, how, COUNTER, "--packet", capture, *more]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr)
    reason = "this host refuses executable memory to the process"
    if more:
        assert (done.returncode, done.stderr) == (1, f"bpfvm: engine native: {reason}\n")
        return
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"bpfvm: engine portable, because engine native is missing: {reason}\n"
    found = json.loads(done.stdout)
    assert (found["engine"], found["packets"]) == ("portable", 20)


@pytest.mark.parametrize("how", ["filter", "switch"])
def test_a_process_is_not_run_without_executable_memory(how: str) -> None:
    """Unicorn itself would end the command."""
    pytest.importorskip("unicorn", reason="Unicorn is not installed: pip install 'bpfvm[uprobes]'")
    words = [PROBE, "--program", "entered", "--regs-from", f"{REQUESTS}:handle_request"]
    done = subprocess.run([sys.executable, "-c", REFUSING, how, *words], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr)
    told = "bpfvm: running a process: this host refuses executable memory to the process\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_nothing_of_a_run_needs_llvmlite(capture: str) -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED, COUNTER, capture], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["packets"] == 20
    assert done.stderr == ""
