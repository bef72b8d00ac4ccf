"""Lines of trace_pipe: taken apart, read from a pipe made here."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.kernel.readers import trace_pipe
from bpfvm.kernel.readers.trace_pipe import Line, TracePipe

LINES = {
    "           <...>-4242    [001] ..s2.  1234.567890: bpf_trace_printk: hello world":
        ("<...>", 4242, 1, "..s2.", 1234.56789, "bpf_trace_printk", "hello world"),
    "          python3-17      [000] d..31    12.000001: bpf_trace_printk: a: b: c":
        ("python3", 17, 0, "d..31", 12.000001, "bpf_trace_printk", "a: b: c"),
    " kworker/u4:1-ev-99    [011] ...1.   9.5: bpf_trace_printk: ":
        ("kworker/u4:1-ev", 99, 11, "...1.", 9.5, "bpf_trace_printk", ""),
    "  odd [0] name-5-7     (   7) [002] d.h.. 1.000000: bpf_trace_printk: x":
        ("odd [0] name-5", 7, 2, "d.h..", 1.0, "bpf_trace_printk", "x"),
    "          <idle>-0       (-------) [000] ..s1. 3.250000: bpf_trace_printk: tgid off":
        ("<idle>", 0, 0, "..s1.", 3.25, "bpf_trace_printk", "tgid off"),
    "            bash-1      [000] ..... 77: 0: clock is a counter":
        ("bash", 1, 0, ".....", 77.0, "0", "clock is a counter"),
}  # fmt: skip


@pytest.mark.parametrize("text", LINES)
def test_lines_are_taken_apart(text: str) -> None:
    line = Line.of(text)
    assert (line.task, line.pid, line.cpu, line.flags, line.time, line.function, line.message) == LINES[text]
    assert line.text == text


@pytest.mark.parametrize("text", ["", "CPU:1 [LOST 12 EVENTS]", "nothing of ours: at all", "# tracer: nop"])
def test_other_lines_are_text(text: str) -> None:
    assert Line.of(text) == Line(text, text)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[TracePipe, int]]:
    """A pipe in trace_pipe's place, and the end to write to."""
    path = tmp_path / "trace_pipe"
    os.mkfifo(path)
    reader = TracePipe(path, timeout=0.05)
    write = os.open(path, os.O_WRONLY)
    yield reader, write
    reader.close()
    os.close(write)


WHOLE = b"\n".join(text.encode() for text in LINES) + b"\n"


def test_lines_come_whole(pipe: tuple[TracePipe, int]) -> None:
    reader, write = pipe
    assert reader.read() == []
    assert select.select([reader], [], [], 0)[0] == []
    found = []
    for at in range(0, len(WHOLE), 37):
        os.write(write, WHOLE[at : at + 37])
        assert select.select([reader], [], [], 1)[0] == [reader]
        found += reader.read()
    assert found == [Line.of(text) for text in LINES]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_waits(pipe: tuple[TracePipe, int], number: int) -> None:
    reader, write = pipe
    before, reader.timeout = signal.getsignal(number), 30
    os.write(write, WHOLE)
    found = []
    for one in reader:
        found.append(one)
        if len(found) == 1:
            os.kill(os.getpid(), number)
    assert found == [Line.of(text) for text in LINES], "what was there is given out"
    assert signal.getsignal(number) == before

    async def told() -> list[Line]:
        os.write(write, WHOLE)
        first = []
        async for one in reader:
            first.append(one)
            os.kill(os.getpid(), number) if len(first) == 1 else None
        return first

    assert asyncio.run(told()) == found
    assert signal.getsignal(number) == before


def test_for_and_async_for(pipe: tuple[TracePipe, int]) -> None:
    reader, write = pipe
    os.write(write, WHOLE)
    first = next(iter(reader))
    assert first == Line.of(next(iter(LINES)))
    assert len(list(reader)) == len(LINES) - 1  # and it ends, without a line for timeout seconds
    os.write(write, WHOLE + b"CPU:1 [LOST 12 EVENTS]\nCPU:0 [LOST EVENTS]\n")

    async def collect() -> list[Line]:
        return [line async for line in reader]

    assert len(asyncio.run(collect())) == len(LINES) + 2
    assert reader.lost == 13


def test_bytes_that_are_no_text_are_lines_too(pipe: tuple[TracePipe, int]) -> None:
    reader, write = pipe
    os.write(write, b"\xff\xfe\n")
    assert reader.poll(1)[0].message == "\ufffd\ufffd"


def test_a_task_that_the_log_has_no_name_of(pipe: tuple[TracePipe, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked of /proc, where that counts tasks as the log does; the text stays the kernel's."""
    reader, write = pipe
    own = f"           <...>-{os.getpid()}    [001] ..s2.  1234.567890: bpf_trace_printk: hello\n"
    monkeypatch.setattr(trace_pipe, "_FIRST_NAMESPACE", os.stat("/proc/self/ns/pid").st_ino)
    os.write(write, (own + own.replace(f"-{os.getpid()}", "-4194305")).encode())  # there is no such task
    known, gone = reader.read()
    assert (known.task, known.pid) == (Path("/proc/self/comm").read_text().strip("\n"), os.getpid())
    assert known.text == own.strip("\n")
    assert gone.task == "<...>"
    monkeypatch.setattr(trace_pipe, "_FIRST_NAMESPACE", 0)
    os.write(write, own.encode())
    assert reader.read()[0].task == "<...>"


def test_a_closed_pipe_says_so(pipe: tuple[TracePipe, int]) -> None:
    reader, _ = pipe
    reader.close()
    reader.close()
    for ask in (reader.read, reader.fileno, lambda: iter(reader), lambda: reader.__aiter__()):
        with pytest.raises(UsageError, match="this TracePipe is closed; open another one"):
            ask()


def test_there_is_no_pipe(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"there is no .*; mount it: mount -t tracefs tracefs /sys/kernel/tracing"):
        TracePipe(tmp_path / "none")
    file = tmp_path / "file"
    file.write_text("no pipe")
    with pytest.raises(Unavailable, match="trace_pipe cannot be waited for"):
        TracePipe(file)
