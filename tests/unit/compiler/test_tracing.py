"""Tools whose kernel halves are programs on tracepoints: what they keep in maps, the same on every machine."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bpfvm import Outcome, Program
from bpfvm.lang.layout import view
from tests import kernel_btf

with kernel_btf.in_use():
    from tests.tracing import (
        bashreadline,
        biolatency,
        execsnoop,
        memleak,
        offcputime,
        opensnoop,
        parents,
        runqlat,
        tcpconnlat,
    )
from tests.unit.compiler.test_core import PARENT, SOCK, TASK, sock, task

M64 = (1 << 64) - 1
REQUEST, QUEUE, DISK = 0xFFFF_8880_0001_0000, 0xFFFF_8880_0002_0000, 0xFFFF_8880_0003_0000
ODD = 0xFFFF_8880_0004_0000  # a task with a pid that the kernel never gives
WAITING = bytearray(task(7, 7, 0))
WAITING[24:28] = bytes(4)
BLOCK = {REQUEST: QUEUE.to_bytes(8, "little").ljust(64, b"\0"), QUEUE: bytes(24) + DISK.to_bytes(8, "little"),
         DISK: struct.pack("<ii8x", 8, 1)}  # fmt: skip
TASKS: Mapping[int, bytes] = {
    TASK: task(5, 6, PARENT),
    PARENT: bytes(WAITING),
    ODD: task(-3, 6, PARENT),
    0x3000: b"/etc/passwd\0",
}


def _name(out: bytearray, size: int) -> int:
    out[:] = b"comm of it".ljust(size, b"\0")
    return 0


ANSWERS: Mapping[str, Callable[..., Any]] = {
    "get_current_task_btf": lambda: TASK,
    "get_current_pid_tgid": lambda: 6 << 32 | 5,
    "get_current_uid_gid": lambda: 100 << 32 | 1000,
    "get_current_comm": _name,
    "get_stackid": lambda context, stacks, flags: 7 if flags else -14,
}

CASES: tuple[tuple[Program, tuple[int, ...], Mapping[str, Any], Mapping[str, Any]], ...] = (
    (runqlat.wakeup, (TASK,), {}, {"start": {5: 0}}),
    (runqlat.wakeup, (0,), {}, {"start": {}}),
    (runqlat.wakeup, (ODD,), {}, {"start": {0xFFFF_FFFD: 0}}),
    (runqlat.switch, (0, TASK, PARENT), {"maps": {"start": {7: 0}}}, {"start": {}, "slots": {0: 1}}),
    (runqlat.switch, (0, PARENT, TASK), {"maps": {"start": {5: 0}}}, {"start": {7: 0}, "slots": {0: 1}}),
    (runqlat.switch, (0, TASK, TASK), {}, {"start": {}, "slots": {}}),
    (biolatency.issue, (REQUEST,), {}, {"start": {REQUEST: 0}}),
    (biolatency.issue, (QUEUE,), {}, {"start": {}}),
    (biolatency.complete, (REQUEST,), {"maps": {"start": {REQUEST: 0}}}, {"start": {}, "slots": {0: 1}}),
)


@pytest.mark.parametrize(("program", "given", "named", "want"), CASES, ids=lambda one: getattr(one, "name", "_"))
def test_tools(program: Program, given: tuple[int, ...], named: Mapping[str, Any], want: Mapping[str, Any]) -> None:
    with kernel_btf.in_use():
        outcome = program.check(*given, memory={**BLOCK, **TASKS}, **named)
    assert outcome.fault is None
    assert outcome.maps["start"] == want["start"]
    if "slots" in want:
        assert {at: count for at, count in outcome.maps["dist"].items() if count} == want["slots"]
    assert len(outcome.engines) >= 3


def test_the_current_task() -> None:
    with kernel_btf.in_use():
        outcome = parents.opened.check(0x3000, memory=TASKS, helpers=ANSWERS)
        text = parents.opened.disasm()
    want = {0: 7, 1: 6 << 32 | 5, 2: 1000, 3: 1, 4: 1 << 40}
    assert outcome.maps["out"] == {at: want.get(at, 0) for at in range(8)}
    assert len(outcome.engines) >= 3
    assert "call bpf_get_current_task_btf" in text
    assert text.count("CO-RE field_byte_offset") == 4


NAMES = {
    0x3000: b"/etc/passwd\0",
    0x4000: b"/bin/ls\0",
    0x5000: b"-l\0",
    0x6000: struct.pack("<4Q", 0x4000, 0x5000, 0x3000, 0),
}


def _as_bash(out: bytearray, size: int) -> int:
    out[:] = b"bash".ljust(size, b"\0")
    return 0


def _tool(program: Program, *given: int, maps: Mapping[str, Any] | None = None, name: Any = _name) -> Outcome:
    """A run that all machines agree on; the kernel has its own tasks, and is not asked."""
    memory = {**TASKS, **NAMES, SOCK: sock()}
    with kernel_btf.in_use():
        outcome = program.check(*given, memory=memory, maps=maps or {}, helpers={**ANSWERS, "get_current_comm": name})
    assert outcome.fault is None
    assert len(outcome.engines) >= 3
    return outcome


def _records(outcome: Outcome, name: str, kind: Any) -> list[Any]:
    return [view(kind, one, 0, True) for one in outcome.events.get(name, ())]


def test_lines_of_a_shell() -> None:
    (line,) = _records(_tool(bashreadline.readline, 0x4000, name=_as_bash), "lines", bashreadline.Line)
    assert (line.pid, str(line.text)) == (6, "/bin/ls")
    assert not _tool(bashreadline.readline, 0x4000).events
    assert not _tool(bashreadline.readline, 0, name=_as_bash).events


def test_opened_files() -> None:
    inflight = _tool(opensnoop.sys_openat, 0x3000, 577).maps["inflight"]
    assert inflight == {5: {"fname": 0x3000, "flags": 577}}
    after = _tool(opensnoop.sys_exit, -2, maps={"inflight": inflight})
    (event,) = _records(after, "events", opensnoop.Event)
    assert after.maps["inflight"] == {}
    assert (event.pid, event.uid, event.ret, event.flags) == (6, 1000, -2, 577)
    assert (str(event.comm), str(event.path)) == ("comm of it", "/etc/passwd")


def test_arguments_of_what_is_executed() -> None:
    events = _records(_tool(execsnoop.enter, 0x4000, 0x6000), "events", execsnoop.Event)
    assert [(str(one.arg), one.kind, one.ppid) for one in events] == [
        ("/bin/ls", 0, 7),
        ("-l", 0, 7),
        ("/etc/passwd", 0, 7),
    ]
    (left,) = _records(_tool(execsnoop.leave, -2), "events", execsnoop.Event)
    assert (left.kind, left.ret, str(left.arg), str(left.comm)) == (1, -2, "", "comm of it")


def test_latency_of_connections() -> None:
    start = _tool(tcpconnlat.connect, SOCK).maps["start"]
    assert [(key, one["pid"], one["task"]) for key, one in start.items()] == [(SOCK, 6, "comm of it")]
    after = _tool(tcpconnlat.established, SOCK, maps={"start": start})
    (event,) = _records(after, "events", tcpconnlat.Event)
    assert after.maps["start"] == {}
    assert (event.pid, event.family, event.dport) == (6, 2, 0x50)
    assert bytes(event.saddr)[:4] == b"\x7f\0\0\x02"
    assert bytes(event.daddr)[:4] == b"\x7f\0\0\x01"


def test_time_off_the_cpu() -> None:
    first = _tool(offcputime.oncpu, PARENT)
    assert (first.maps["start"], first.maps["counts"]) == ({7: 0}, {})
    outcome = _tool(offcputime.oncpu, PARENT, maps={"start": {5: M64 - 5_000_000}})
    ((key, spent),) = outcome.maps["counts"].items()
    assert (key["pid"], key["user"], key["kernel"], key["name"]) == (5, 7, -14, "comm of it")
    assert spent == 5_000
    assert outcome.maps["start"] == {7: 0}


def test_what_is_not_freed() -> None:
    sizes = _tool(memleak.malloc, 100).maps["sizes"]
    assert sizes == {5: 100}
    after = _tool(memleak.malloc_ret, 0xABC, maps={"sizes": sizes}).maps
    assert after["sizes"] == {}
    assert {at: (one["size"], one["stack"]) for at, one in after["allocs"].items()} == {0xABC: (100, 7)}
    assert after["totals"] == {7: {"size": 100, "count": 1}}
    given = {"allocs": after["allocs"], "totals": after["totals"]}
    left = _tool(memleak.free, 0xABC, maps=given).maps
    assert (left["allocs"], left["totals"]) == ({}, {7: {"size": 0, "count": 0}})
    assert _tool(memleak.free, 0xABD, maps=given).maps["totals"] == after["totals"]
