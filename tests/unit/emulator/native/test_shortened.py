"""Files that somebody cuts short while compiled code reads them where they are mapped: one line, and no signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Input
from bpfvm.emulator.native.code.engine import missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object
from bpfvm.program import load

TOLD = "somebody cut it short while it was read: it had "
PASS = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(assemble("r0 = 2\nexit")))}, {}, license="GPL")


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("left", [0, 1_000_003, -1])
@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("reads", [False, True])
def test_the_loop_of_compiled_code(
    left: int, reads: bool, threads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("bpfvm.emulator.native.captures.buffer.Buffer.reads", reads)
    for name in ("WINDOW", "WIDE"):
        monkeypatch.setattr(f"bpfvm.emulator.native.captures.pages.{name}", 1 << 20)
    path, program = tmp_path / "a", tmp_path / "p.o"
    write_capture(path, [(number, bytes(60)) for number in range(40_000)])
    program.write_bytes(write_object(PASS))
    with (
        load(str(program)).programs["p"].session("native", cpus=2, threads=threads) as session,
        open_capture(path) as capture,
    ):
        slices = session.batch(capture, Input(packet=b""), 2, 1, None)
        assert slices is not None
        next(slices)
        os.truncate(path, left if left >= 0 else capture.size + left)
        with pytest.raises(LoadError, match=TOLD):
            for _ in slices:
                pass


AFTER = """
import ctypes, mmap, os, sys
from bpfvm.emulator.native.captures.shortened import Watched
path = sys.argv[1]
with open(path, "rb") as file:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
place = ctypes.addressof(ctypes.c_char.from_buffer(data))
one, other = Watched(place, len(data) // 2), Watched(0, 4096)
os.truncate(path, 4096)
print(data[8192], one.cut, other.cut, data[len(data) // 2 - 1], flush=True)
if sys.argv[2] == "closed":
    one.close(), other.close()
print(data[len(data) - 1])
"""


@pytest.mark.parametrize("state", ["open", "closed"])
def test_what_is_not_watched_ends_a_process_as_ever(state: str, tmp_path: Path) -> None:
    """Twice what is mapped is watched; behind it, and when nobody watches any more, the signal is the process's own."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * (1 << 20))
    done = subprocess.run([sys.executable, "-c", AFTER, path, state], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("0 True False 0\n", -signal.SIGBUS), done.stderr
