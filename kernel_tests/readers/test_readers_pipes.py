"""The user ring buffer's writing end, and lines of trace_pipe, on this kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Input
from bpfvm.kernel import KERNEL
from bpfvm.kernel.host.privilege import lacking
from bpfvm.kernel.readers import UserRing
from bpfvm.obj.values.records import codec
from bpfvm.obj.values.shapes import Number
from kernel_tests.readers.sending import Sender
from kernel_tests.readers.test_rings import PAGE, drain_object

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def draining() -> Iterator[tuple[Any, UserRing]]:
    """A program that drains a user ring of a page, and the ring's writing end."""
    with closing(KERNEL.load(drain_object(), "p", {})) as program, UserRing(program.map("messages")) as ring:
        yield program, ring


def drained(program: Any) -> tuple[int, int]:
    """Run the program: messages that it met, and 31 * … + the first byte and length of each."""
    result = program.run(Input(ctx=bytes(24)))
    assert result.fault is None
    return int.from_bytes(result.ctx[8:16], "little", signed=True), int.from_bytes(result.ctx[16:], "little")


def test_messages_are_taken_in_order(draining: tuple[Any, UserRing]) -> None:
    program, ring = draining
    for count in range(60):  # over the end of the ring
        for at in range(count % 7):
            ring.send(bytes([at]) * 40)
        assert ring.waiting() == [bytes([at]) * 40 for at in range(count % 7)]
        assert drained(program)[0] == count % 7
        assert ring.free == PAGE
        assert ring.waiting() == []


def test_reserved_submitted_discarded(draining: tuple[Any, UserRing]) -> None:
    program, ring = draining
    first, second, third = (ring.reserve(8) for _ in range(3))
    assert bytes(first.data) == bytes(8)
    second.data[:] = b"second.."
    second.submit()
    third.discard()
    assert ring.waiting() == [b"second.."]
    assert drained(program)[0] <= 0  # the first is not there yet
    first.data[:] = b"first..."
    late = first.data
    first.submit()
    assert drained(program)[0] == 2
    assert len(late) == 8
    with pytest.raises(UsageError, match="this message was submitted or discarded already and cannot be submitted"):
        first.submit()
    with pytest.raises(UsageError, match="cannot be discarded; reserve another"):
        third.discard()
    with pytest.raises(ZeroDivisionError), ring.reserve(8):
        raise ZeroDivisionError
    ring.send_value(99, codec(Number(8, False, "little")))
    assert drained(program)[0] == 1
    assert ring.free == PAGE


def test_a_full_ring_says_what_to_do(draining: tuple[Any, UserRing]) -> None:
    program, ring = draining
    for _ in range(PAGE // 48):
        ring.send(bytes(40))
    with pytest.raises(
        UsageError, match=r"^map messages: a message of 40 bytes takes 48, and 16 of 4096 are free; run"
    ):
        ring.send(bytes(40))
    ring.send(bytes(8))
    assert drained(program)[0] == PAGE // 48 + 1
    with pytest.raises(UsageError, match="a message of 5000 bytes takes 5008, and 4096 of 4096 are free"):
        ring.reserve(5000)
    for size in (-1, 1 << 30):
        with pytest.raises(UsageError, match=f"a message of {size} bytes; it has 0 to"):
            ring.reserve(size)
    with pytest.raises(UsageError, match="map messages: message"):
        ring.send_value("x", codec(Number(8, False, "little")))


def test_the_writer_closes(draining: tuple[Any, UserRing]) -> None:
    _, ring = draining
    ring.close()
    ring.close()
    with pytest.raises(UsageError, match="the writer of map messages is closed; open another one"):
        ring.send(b"x")
    with Sender("ring") as sender, pytest.raises(UsageError, match="map events is a ringbuf, and a UserRing writes to"):
        UserRing(sender.map)


PRINTS = """
import pathlib, subprocess, sys
from bpfvm.core.errors import Unavailable
from bpfvm.kernel.readers import TracePipe
from bpfvm.kernel.sys import PROG_TEST_RUN, TestRun, address, bpf
from kernel_tests.readers.sending import OnCpu, loaded

place, marker = sys.argv[1:]
subprocess.run(["mount", "-t", "tracefs", "tracefs", place], check=True)
own = pathlib.Path(place, "instances", marker)  # a buffer of its own: lines of the machine's are left to others
own.mkdir()
text = (marker.encode() + b" %d\\0").ljust(24, b"\\0")
program = "\\n".join(f"r1 = {int.from_bytes(text[at:at + 8], 'little')} ll\\n*(u64 *)(r10 -{24 - at}) = r1"
                    for at in range(0, 24, 8))
program += "\\nr1 = r10\\nr1 += -24\\nr2 = 24\\nr3 = 42\\ncall 6\\nr0 = 2\\nexit\\n"
frame = bytes(64)
try:
    (own / "events/bpf_trace/enable").write_text("1")
    with TracePipe(own / "trace_pipe") as pipe, loaded(program, {}) as fd, OnCpu(0):
        bpf(PROG_TEST_RUN, TestRun(prog_fd=fd.number, data_in=address(frame), data_size_in=len(frame), repeat=3))
        found = [one for one in pipe.poll(5) if one.message == marker + " 42"]
    (own / "tracing_on").write_text("0")
    try:
        TracePipe(own / "trace_pipe")
    except Unavailable as error:
        print(str(error).replace(place, ""))
    print(len(found))
    for one in found:
        print(one.pid, one.cpu, one.function, one.time > 0, len(one.flags) > 3, one.task)
finally:
    own.rmdir()
"""


def test_lines_of_programs(tmp_path: Path) -> None:
    """In a mount namespace of its own, and a trace buffer of its own."""
    if lacking(("CAP_SYS_ADMIN",)):
        pytest.skip("a mount namespace takes CAP_SYS_ADMIN, and this process lacks it")
    command = ["unshare", "-m", sys.executable, "-c", PRINTS, str(tmp_path), f"bpfvm{os.getpid()}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    off, count, *lines = done.stdout.splitlines()
    assert off == (
        f"tracing is switched off, and no line will come: /instances/bpfvm{os.getpid()}/tracing_on is 0; write 1 to it"
    )
    assert count == "3"
    for line in lines:
        pid, cpu, function, *rest = line.split(maxsplit=5)
        assert int(pid) > 0
        assert (cpu, function, rest[:2]) == ("0", "bpf_trace_printk", ["True", "True"])
        assert rest[2].startswith("python")
