"""The offline tests cannot reach the kernel's BPF or the network: what forbids it is in force, and it bites."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import offline

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    platform.machine() not in offline.ARCHITECTURES, reason=f"no offline guard for {platform.machine()}"
)

# system call numbers as in asm/unistd.h
X32_GETPID = 0x40000000 + 39
_, BPF, PERF_EVENT_OPEN, _ = offline.ARCHITECTURES.get(platform.machine(), (0, 0, 0, 0))


def guarded(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own under the guard."""
    script = f"from tests import offline\nassert offline.install() is None\nimport ctypes, socket\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(os.environ.get("BPFVM_KERNEL") != "off", reason="BPFVM_KERNEL is not off: no guard is wanted")
def test_the_guard_is_in_force_here_and_in_children() -> None:
    for status in (
        Path("/proc/self/status").read_text(),
        subprocess.check_output(["cat", "/proc/self/status"], text=True),
    ):
        assert "\nSeccomp:\t2\n" in status


@pytest.mark.parametrize(
    "call",
    [
        f"ctypes.CDLL(None).syscall({BPF}, 0, None, 0)",
        f"ctypes.CDLL(None).syscall({PERF_EVENT_OPEN}, None, 0, -1, -1, 0)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket(socket.AF_INET6, socket.SOCK_STREAM)",
        pytest.param(
            f"ctypes.CDLL(None).syscall({X32_GETPID})",
            marks=pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86_64 has x32 numbers"),
        ),
    ],
)
def test_a_forbidden_call_kills_the_process_and_shows_the_line(call: str) -> None:
    done = guarded(call)
    assert done.returncode == -signal.SIGSYS, done.stderr
    assert 'File "<string>", line 4 in <module>' in done.stderr


def test_a_forbidden_call_in_a_test_shows_the_test(tmp_path: Path) -> None:
    """pytest itself dies, and its standard error names the line, though it was capturing."""
    planted = tmp_path / "test_planted.py"
    planted.write_text("import socket\n\n\ndef test_planted():\n    socket.socket(socket.AF_INET)\n")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(planted)],
        cwd=ROOT, env={**os.environ, "BPFVM_KERNEL": "off"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGSYS, done.stdout
    assert f'File "{planted}", line 5 in test_planted' in done.stderr


@pytest.mark.parametrize(
    ("mode", "error"), [("off", "but all tests here ask the kernel"), ("of", "it is one of auto, off, require")]
)
def test_the_kernel_tests_refuse_to_start_where_the_kernel_is_forbidden(mode: str, error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "kernel_tests"],
        cwd=ROOT, env={**os.environ, "BPFVM_KERNEL": mode}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert f"BPFVM_KERNEL={mode}" in done.stderr
    assert error in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()",
        "import pwd; pwd.getpwuid(0)",
    ],
)
def test_what_is_free(code: str) -> None:
    done = guarded(code)
    assert done.returncode == 0, done.stderr


def test_scapy_can_be_used_under_the_guard() -> None:
    pytest.importorskip("scapy", reason="scapy is not installed")
    done = guarded(
        "from scapy.layers.inet import IP, UDP\nfrom scapy.layers.l2 import Ether\nbytes(Ether()/IP()/UDP())"
    )
    assert done.returncode == 0, done.stderr


def test_a_unix_socket_gets_an_errno() -> None:
    done = guarded("socket.socket(socket.AF_UNIX)")
    assert f"[Errno {offline.EAFNOSUPPORT}]" in done.stderr
    assert socket.AF_UNIX == offline.AF_UNIX
