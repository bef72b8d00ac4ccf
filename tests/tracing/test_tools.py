"""The kernel halves of examples on scripts of events: what they keep and tell, the same on every machine."""

from __future__ import annotations

import pytest

from bpfvm import UsageError, bpf, vmlinux
from bpfvm.timeline import Task, Timeline
from tests.shipped_examples import example
from tests.tracing import openings, parents

INIT = Task(1, "systemd")
IDLE = Task(0, "swapper/0")
BASH = Task(7, "bash", uid=1000, gid=100, parent=INIT)
MACHINES = 3  # at least, that agree
RUNNING, SLEEPING = 0, 1  # states of tasks


def test_who_waits_for_a_cpu() -> None:
    script = Timeline(example("runqlat"))
    script.at(0, "sched_wakeup", BASH)
    script.at("250us", "sched_switch", prev=IDLE, next=BASH, by=IDLE)
    script.at("1ms", "sched_switch", prev=BASH, next=IDLE, by=BASH)  # it was made to leave, and waits from now on
    script.at("9ms", "sched_switch", prev=IDLE, next=BASH, by=IDLE)
    BASH["__state"] = SLEEPING
    script.at("10ms", "sched_switch", prev=BASH, next=IDLE, by=BASH)
    script.at("11ms", "sched_wakeup_new", None)
    script.at("12ms", "sched_wakeup", vmlinux.new("task_struct", pid=-3))  # a pid that the kernel never gives
    BASH["__state"] = RUNNING
    seen = script.check()
    assert seen.counted("dist") == {7: 1, 12: 1}  # 250 us, 8 ms
    assert seen.maps["start"] == {0xFFFF_FFFD: 12_000_000}
    assert len(seen.engines) >= MACHINES


def test_how_long_requests_of_disks_take(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = example("biolatency")
    monkeypatch.setattr(tool, "dev", 8 << 20 | 1)  # as --disk of that one sets it; programs are compiled when used
    disk = vmlinux.new("gendisk", major=8, first_minor=1)
    ours = [vmlinux.new("request", q=vmlinux.new("request_queue", disk=disk)) for _ in range(3)]
    other = vmlinux.new("request", q=vmlinux.new("request_queue", disk=vmlinux.new("gendisk", major=9)))
    script = Timeline(tool)
    for number, request in enumerate([*ours, other]):
        script.at(f"{number}us", "block_rq_issue", request)
    script.at("120us", "block_rq_complete", rq=ours[0], nr_bytes=4096)
    script.at("5ms", "block_rq_complete", ours[1])
    script.at("5ms", "block_rq_complete", other)
    seen = script.check()
    assert seen.counted("dist") == {6: 1, 12: 1}
    assert seen.maps["start"] == {int(ours[2]): 2_000}


def test_what_is_opened() -> None:
    script = Timeline(example("opensnoop"), task=BASH)
    script.at(1_000, "openat", filename="/etc/passwd", flags=0o1101, ret=3, took="40us")
    script.at(2_000, "open", "/nowhere", by=Task(9, "cat", tid=10, uid=5), ret=-2)
    lost = Task(11, "lost")
    script.at(3_000, "openat", -100, 0x666, 1, by=lost)  # an address that nothing is at; and its end
    script.at("1ms", "syscall_exit:openat", ret=-14, by=lost)
    seen = script.check()
    events = seen.events["events"]
    assert [(one.ts, one.pid, one.uid, one.ret, one.flags, str(one.comm), str(one.path)) for one in events] == [
        (2_000, 9, 5, -2, 0, "cat", "/nowhere"),
        (41_000, 7, 1000, 3, 0o1101, "bash", "/etc/passwd"),
        (1_000_000, 11, 0, -14, 1, "lost", ""),
    ]
    assert seen.maps["inflight"] == {}


def test_what_is_executed() -> None:
    script = Timeline(example("execsnoop"), task=BASH)
    script.at(0, "execve", "/bin/ls", ["ls", "-l", "/etc"], ret=0, took="1ms")
    script.at("2ms", "execve", "/bin/none", [], ret=-2)
    script.at("3ms", "execve", "/bin/all", [str(number) for number in range(30)])
    events = script.check().events["events"]
    assert {(one.pid, one.ppid, one.uid, str(one.comm)) for one in events} == {(7, 1, 1000, "bash")}
    lines = [(int(one.kind), one.ret, str(one.arg)) for one in events]
    assert lines[:4] == [(0, 0, "/bin/ls"), (0, 0, "-l"), (0, 0, "/etc"), (1, 0, "")]
    assert lines[4:6] == [(0, 0, "/bin/none"), (1, -2, "")]
    assert lines[6:] == [(0, 0, "/bin/all"), *((0, 0, str(number)) for number in range(1, 20)), (0, 0, "...")]


def test_how_long_connections_take() -> None:
    common = {"skc_family": 2, "skc_dport": 0x5000, "skc_daddr": 0x0200007F, "skc_rcv_saddr": 0x0100007F}
    four = vmlinux.new("sock", __sk_common={**common, "skc_state": vmlinux.enum.TCP_SYN_SENT})
    six = vmlinux.new("sock", __sk_common={"skc_family": 10, "skc_state": 2, "skc_v6_daddr": {
        "in6_u": {"u6_addr8": bytes(range(16))}}})  # fmt: skip
    script = Timeline(example("tcpconnlat"), task=Task(44, "curl"))
    script.at(0, "tcp_v4_connect", four)
    script.at(500, "tcp_v6_connect", sk=six)
    script.at("1500us", "tcp_rcv_state_process", four, by=IDLE)  # the answer comes in whatever task runs
    script.at("1600us", "tcp_rcv_state_process", sk=six, by=IDLE)
    four["__sk_common"]["skc_state"] = vmlinux.enum.TCP_ESTABLISHED
    script.at("1700us", "tcp_rcv_state_process", four, by=IDLE)
    seen = script.check()
    assert [(one.delta_us, one.pid, one.family, one.dport, str(one.task)) for one in seen.events["events"]] == [
        (1500, 44, 2, 80, "curl"),
        (1599, 44, 10, 0, "curl"),
    ]
    first, second = seen.events["events"]
    assert (bytes(first.saddr)[:4], bytes(first.daddr)[:4]) == (b"\x7f\0\0\x01", b"\x7f\0\0\x02")
    assert bytes(second.daddr) == bytes(range(16))
    assert seen.maps["start"] == {}


def test_how_long_tasks_are_off_the_cpu() -> None:
    waiter = Task(7, "bash", stack=["read+0x1c", "main"], kernel_stack=["schedule+0x2a", "do_nanosleep+0x6e"])
    script = Timeline(example("offcputime"))
    script.at(0, "finish_task_switch", waiter, by=IDLE)
    script.at("5ms", "finish_task_switch", IDLE, by=waiter)
    script.at("6ms", "finish_task_switch.isra.0", waiter, by=IDLE)
    script.at("7ms", "finish_task_switch", IDLE, by=waiter)
    seen = script.check()
    spent = {key["name"]: (key, time) for key, time in seen.maps["counts"].items()}
    assert {name: time for name, (_, time) in spent.items()} == {"bash": 6_000, "swapper/0": 1_000}
    assert (spent["swapper/0"][0]["user"], spent["swapper/0"][0]["kernel"]) == (-14, -14)
    key = spent["bash"][0]
    assert seen.stack("stacks", key["kernel"]) == ["schedule+0x2a", "do_nanosleep+0x6e"]
    assert seen.stack("stacks", key["user"]) == ["read+0x1c", "main"]
    assert len(seen.maps["stacks"]) == 2


def test_what_is_not_freed() -> None:
    here, there = (Task(5, "leaky", stack=["malloc", name, "main"]) for name in ("load", "parse"))
    script = Timeline(example("memleak"))
    script.at(0, "c:malloc", 100, by=here, ret=0x1000)
    script.at(10, "c:malloc", 50, by=there, ret=0x2000, took="1us")
    script.at("2us", "c:malloc", 30, by=here, ret=0x3000)
    script.at("3us", "malloc", 1 << 40, by=here, ret=0)  # there is no room
    script.at("4us", "c:free", 0x1000, by=there)
    script.at("5us", "c:free", 0x1000, by=there)
    seen = script.check()
    assert sorted((one["size"], one["count"]) for one in seen.maps["totals"].values()) == [(30, 1), (50, 1)]
    assert sorted(seen.maps["allocs"]) == [0x2000, 0x3000]
    assert {one["size"]: seen.stack("stacks", number)[1] for number, one in seen.maps["totals"].items()} == {
        30: "load",
        50: "parse",
    }


def test_what_is_typed_into_shells() -> None:
    script = Timeline(example("bashreadline"))
    script.at(0, "/bin/bash:readline", by=BASH, ret="ls -l")
    script.at(1, "readline", by=Task(8, "python3"), ret="import this")
    script.at(2, "uretprobe:/bin/bash:readline", by=BASH, ret=None)
    (line,) = script.check().events["lines"]
    assert (line.pid, str(line.text)) == (7, "ls -l")


def test_the_current_task() -> None:
    script = Timeline(parents, task=Task(7, "bash", tid=8, uid=1000, parent=INIT, start_time=1 << 40))
    seen = script.at(0, "openat", filename="/etc/passwd").at(1, "openat", filename="/etc/shadow").check()
    want = {0: 1, 1: 7 << 32 | 8, 2: 1000, 3: 1, 4: 1 << 40}
    assert seen.maps["out"] == {at: want.get(at, 0) for at in range(8)}
    assert len(seen.engines) >= MACHINES
    text = parents.opened.disasm()
    assert "call bpf_get_current_task_btf" in text
    assert text.count("CO-RE field_byte_offset") == 4


def test_what_is_not_asked_for_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of a tool are constants of its program: tests of what nobody asks for cost no instruction."""
    tool, made = example("uprobe_method"), []
    for what, key in ((None, None), ("set", None), ("set", "beer")):
        monkeypatch.setattr(tool.args, "what", what)
        monkeypatch.setattr(tool.args, "key", key)
        monkeypatch.setattr(tool, "WRITES", what == "set")
        program = bpf.uprobe("ktserver:kyotocabinet::StashDB::accept")(tool.accept.function)
        script = Timeline(program)
        for at, (text, writable) in enumerate((("beer", 1), ("beer", 0), ("bread", 1), ("beers", 1))):
            script.at(at, "kyotocabinet::StashDB::accept", 0, text, len(text), 0, writable)
        made.append((len(program.object.programs["accept"].insns), script.check().trace))
    (plain, everything), (some, stored), (most, one) = made
    print(f"{plain}, {some}, {most} instructions")
    assert plain < some < most
    assert everything == ["beer write:1", "beer write:0", "bread write:1", "beers write:1"]
    assert stored == ["beer write:1", "bread write:1", "beers write:1"]
    assert one == ["beer write:1"]


def test_texts_are_kept_by_their_addresses_until_the_call_returns() -> None:
    script = Timeline(openings, task=BASH)
    script.at(0, "openat", filename="/etc/passwd", ret=3, took="1us")
    script.at(5, "syscall_exit:openat", ret=-2, by=Task(9, "cat"))  # it began before the tool did
    assert [(one.ret, str(one.path)) for one in script.check().events["opened"]] == [(3, "/etc/passwd")]


def test_system_calls_by_the_names_of_their_tracepoints() -> None:
    script = Timeline(openings)
    script.at(0, "syscalls:sys_enter_openat", filename="/etc/passwd")
    script.at(5, "tracepoint:syscalls:sys_exit_openat", ret=-2)
    assert [(one.ret, str(one.path)) for one in script.run().events["opened"]] == [(-2, "/etc/passwd")]
    with pytest.raises(UsageError, match="no program is attached to 'syscalls:sys_enter_open'"):
        script.at(6, "syscalls:sys_enter_open", filename="/etc/passwd")
