"""The log of programs that run in place of the kernel's: lines as the trace pipe has them, waited for like events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm import UserPtr, bpf, char, pid, pkt
from bpfvm.lang import userspace
from bpfvm.lang.userspace.printed import Line, Printed
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.run.replay import Replay
from bpfvm.testing.frames import ethernet, ipv4, udp
from bpfvm.timeline import Task, Timeline
from bpfvm.timeline.scripted import Scripted

SHELL = Task(7, "my bash-x", tid=9, cpu=3)


@bpf.uretprobe("/bin/bash:readline")
def typed(ret: UserPtr[char]) -> None:
    print(f"{pid()}: {ret.str(16)}")
    if ret.str(16) == "twice":
        print("again")


@bpf.socket("lo")
def seen(skb) -> None:  # type: ignore[no-untyped-def]
    print(f"port {pkt.ip.udp.dport}")


def script(timeline: Timeline) -> None:
    timeline.at("1s", "readline", by=SHELL, ret="ls: x")
    timeline.at("61000500us", "readline", by=SHELL, ret="twice")


@pytest.fixture(params=["cpython", "interp", "portable"])
def log(request: pytest.FixtureRequest) -> Iterator[Printed]:
    """Of the script on a machine."""
    with userspace.instead(Scripted(script, request.param)), bpf.attach(typed):
        found = bpf.tracelog("a pipe that is not asked")
        assert isinstance(found, Printed)
        with found:
            yield found


MESSAGES = ["7: ls: x", "7: twice", "again"]


def test_lines_are_those_of_the_kernel(log: Printed) -> None:
    lines = list(log)
    assert [one.message for one in lines] == MESSAGES
    assert [(one.task, one.pid, one.cpu, one.time, one.function) for one in lines[::2]] == [
        ("my bash-x", 9, 3, 1.0, "bpf_trace_printk"), ("my bash-x", 9, 3, 61.0005, "bpf_trace_printk"),
    ]  # fmt: skip
    assert [Line.of(one.text) for one in lines] == lines, "as the kernel's are taken apart"
    assert lines[0].text == "       my bash-x-9       [003] .....     1.000000: bpf_trace_printk: 7: ls: x"
    assert (list(log), log.read(), log.lost) == ([], [], 0)


def test_they_come_as_time_goes_by(log: Printed) -> None:
    assert log.read() == []
    assert log.poll(0.5) == []
    assert [one.message for one in log.poll(0.6)] == MESSAGES[:1]
    bpf.wait(59)
    assert log.read() == []
    assert [one.message for one in log.poll()] == MESSAGES[1:]
    assert log.poll() == []
    assert log.fileno() == -1


def test_an_iteration_ends(log: Printed) -> None:
    log.timeout = 5.0
    assert [one.message for one in log] == MESSAGES[:1]
    log.timeout = None
    for one in log:
        assert one.message == MESSAGES[1]
        log.close()
    assert [one.message for one in log.read()] == MESSAGES[2:]


def test_in_asyncio(log: Printed) -> None:
    async def told() -> list[str]:
        return [one.message async for one in log]

    assert asyncio.run(told()) == MESSAGES


def test_of_a_capture(tmp_path: Path) -> None:
    path = str(tmp_path / "two.pcap")
    write_capture(path, [(10**9 * at, ethernet(ipv4(udp(dport=at)))) for at in (1, 3)])
    with open_capture(path) as capture, userspace.instead(Replay(capture)), bpf.attach(seen):
        lines = list(bpf.tracelog())
    assert [(one.message, one.task, one.pid, one.time) for one in lines] == [
        ("port 1", "<idle>", 0, 1.0), ("port 3", "<idle>", 0, 3.0),
    ]  # fmt: skip
