"""Captures that somebody cuts short while they are read: one line, on every engine, and no signal that ends it all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Input
from bpfvm.emulator.native.engine import missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import encode_capture
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object
from bpfvm.program import load
from tests.unit.obj.captures.pcapng import Maker

PACKETS = 40_000
TOLD = "somebody cut it short while it was read: it had "
PASS = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(assemble("r0 = 2\nexit")))}, {}, license="GPL")


def frames(count: int) -> list[tuple[int, bytes]]:
    return [(number, bytes([number & 0xFF]) * 60) for number in range(count)]


def written(path: Path, form: str, count: int = PACKETS) -> Path:
    if form == "pcap":
        path.write_bytes(b"".join(encode_capture(frames(count))))
    else:
        made = Maker().section().interface()
        path.write_bytes(made.data + b"".join(Maker().packet(stamp, frame).data for stamp, frame in frames(count)))
    return path


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@pytest.mark.parametrize("left", [0, 4096, 1_000_003, -1])
def test_one_line_in_place_of_a_signal(form: str, left: int, tmp_path: Path) -> None:
    """left: bytes of the file; where only a part of the last page goes, no signal tells it."""
    path = written(tmp_path / "a", form)
    with open_capture(path) as capture:
        found = iter(capture)
        next(found)
        os.truncate(path, left if left >= 0 else capture.size + left)
        with pytest.raises(LoadError, match=TOLD):
            for _ in found:
                pass


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_a_capture_that_grows_is_read_as_it_was(form: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a", form, 10)
    with open_capture(path) as capture:
        with path.open("ab") as file:
            file.write(bytes(10_000))
        assert len(list(capture)) == 10


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("left", [0, 1_000_003, -1])
@pytest.mark.parametrize("threads", [False, True])
def test_the_loop_of_compiled_code(left: int, threads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpfvm.emulator.native.pages.WINDOW", 1 << 20)
    path, program = written(tmp_path / "a", "pcap"), tmp_path / "p.o"
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
import mmap, os, sys
from bpfvm.obj.shortened import Watched, address
path = sys.argv[1]
with open(path, "rb") as file:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
one, other = Watched(address(data), len(data) // 2), Watched(0, 4096)
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
