"""A capture of 1 GB: flat memory, and a clean end on Ctrl-C. It asks the kernel nothing; it takes room and seconds."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bpfvm.emulator.native.code.engine import missing
from bpfvm.obj.captures.pcap import encode_capture

COUNTER = Path(__file__).resolve().parents[2] / "tests/objects/xdp_count.o"
SIZE, PACKET = 1 << 30, 16_000
FLAT = {"portable": 120 << 20, "auto": 300 << 20}  # bytes resident, most of them Python's modules, and LLVM's work
PEAK = (  # not getrusage(2), which counts what the process was before execve(2) too
    "import sys\nfrom bpfvm.cli import status\ncode = status(sys.argv[1:])\n"
    "rows = dict(line.split(':') for line in open('/proc/self/status'))\n"
    "print(int(rows['VmHWM'].split()[0]) << 10, file=sys.stderr)\nsys.exit(code)\n"
)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("large")
    if shutil.disk_usage(folder).free < 2 * SIZE:
        pytest.skip(f"less than {2 * SIZE} bytes are free in {folder}")
    head = next(iter(encode_capture([])))
    packet = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(PACKET - 24)
    block = b"".join(struct.pack("<IIII", 1_600_000_000, 0, PACKET, PACKET) + packet for _ in range(64))
    path = folder / "large.pcap"
    with path.open("wb") as file:
        file.write(head)
        for _ in range(SIZE // len(block) + 1):
            file.write(block)
    yield path
    path.unlink()


def command(capture: Path, engine: str) -> list[str]:
    return [sys.executable, "-c", PEAK, "run", str(COUNTER), "--packet", str(capture), "--json", "--engine", engine]


@pytest.mark.parametrize("engine", ["auto", "portable"])  # auto: compiled code, where llvmlite is there
def test_it_runs_in_flat_memory(capture: Path, engine: str) -> None:
    start = time.monotonic()
    done = subprocess.run(command(capture, engine), capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    found, peak = json.loads(done.stdout), int(done.stderr.splitlines()[-1])
    size = capture.stat().st_size
    print(f"{found['packets']} packets, {size >> 20} MiB in {seconds:.1f} s; {peak >> 20} MiB resident")
    assert found["packets"] == (size - 24) // (PACKET + 16)
    assert found["bytes"] >= SIZE - (SIZE >> 9)
    assert peak < FLAT[engine]


def opened(running: subprocess.Popen[str], capture: Path) -> None:
    """Wait until a process has opened the file, or has ended."""
    for _ in range(60_000):
        files = Path(f"/proc/{running.pid}/fd")
        with contextlib.suppress(OSError):  # one that was closed meanwhile
            if running.poll() is not None or any(one.readlink() == capture for one in files.iterdir()):
                return
        time.sleep(0.001)
    raise AssertionError(f"{capture} was not opened in a minute")


def test_ctrl_c_ends_it_cleanly(capture: Path) -> None:
    default = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job of a shell may ignore it, and hands that on
    running = subprocess.Popen(
        command(capture, "portable"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=default
    )
    opened(running, capture)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    lines = err.splitlines()
    print(lines[0])
    assert running.returncode == 130
    assert lines[0].startswith("bpfvm: interrupted after ")
    assert sum(json.loads(out)["actions"].values()) == int(lines[0].split()[3]) > 0
    assert "Traceback" not in err


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("after", [0.0, 0.1, 0.2, 0.4, 0.8])
def test_ctrl_c_at_any_time_of_a_compiled_run(capture: Path, after: float) -> None:
    """It ends with what was counted so far, was done before, or had begun to print and is broken off there."""
    default = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    running = subprocess.Popen(
        command(capture, "native"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=default
    )
    opened(running, capture)
    time.sleep(after)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert "Traceback" not in err
    assert running.returncode in (0, 130, -signal.SIGINT)  # the last: Python had let go of signals, all was printed
    print(f"after {after} s: status {running.returncode}, {len(out)} bytes, {err.splitlines()[:1]}")
    if out or running.returncode != 130:
        found = json.loads(out)
        assert sum(found["actions"].values()) == found["packets"]
