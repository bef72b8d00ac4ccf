"""Scripts as they are played: order, CPUs, what stays between events, faults, and how differences read."""

from __future__ import annotations

import itertools

import pytest

from bpfvm import (
    Array,
    Hash,
    PerfEvents,
    Ring,
    TaskStorage,
    UserPtr,
    bpf,
    char,
    cpu,
    current,
    ktime,
    load,
    pid,
    s32,
    u32,
    u64,
)
from bpfvm.core.errors import Mismatch, Unavailable, UsageError
from bpfvm.timeline import Task, Timeline
from tests.unit.lang.traced.test_contexts import OBJECTS

seen_at = Array(u64, 8)
order = Array(u32, 8)
few = Ring(u64, 4096)
samples = PerfEvents(u32)
kept = Hash(u32, u64)
runs = TaskStorage(u64, default=0)


@bpf.kprobe("first")
def entered(n: u32):  # type: ignore[no-untyped-def]
    seen_at[0] = ktime()
    order[n & 7] = order[7] + 1
    order[7] = order[7] + 1
    seen_at[1 + (cpu() & 3)] += 1
    print(f"{pid()} in {n}")


@bpf.kretprobe("first")
def returned(ret: s32):  # type: ignore[no-untyped-def]
    seen_at[5] = ktime()
    samples.submit(u32(ret))


@bpf.kprobe("second")
def filled(n: u32):  # type: ignore[no-untyped-def]
    for i in range(200):
        few.submit(u64(n + i))
    runs[current()] += 1
    kept[n] = runs[current()]
    if kept[u32(n + 1)] == 5:  # a missing key is a fault
        kept[n] = 0


@bpf.kprobe("chance")
def rolled() -> None:
    seen_at[6] = u64(bpf.helper.get_prandom_u32())
    seen_at[7] = u64(bpf.helper.get_current_cgroup_id())


def test_events_are_in_order_of_time_and_then_of_the_script() -> None:
    script = Timeline(entered, returned)
    script.at("2us", "first", 2, ret=20, took="3us").at("1us", "first", 1, cpu=2).at("2us", "first", n=3, ret=-1)
    seen = script.check()
    assert [(one.time, one.program) for one in seen.runs] == [
        (1_000, "entered"), (2_000, "entered"), (2_000, "entered"), (2_000, "returned"), (5_000, "returned"),
    ]  # fmt: skip
    assert [seen.maps["order"][at] for at in range(8)] == [0, 1, 2, 3, 0, 0, 0, 3]
    assert [seen.maps["seen_at"][at] for at in range(6)] == [2_000, 2, 0, 1, 0, 5_000]
    assert seen.trace == ["1000 in 1", "1000 in 2", "1000 in 3"]
    assert seen.events == {"samples": [(1 << 32) - 1, 20]}
    assert (seen.faults, seen.lost) == ([], {})
    assert repr(script) == "<bpfvm.Timeline of 3 events, entered, returned>"
    assert "<5000 ns first: returned gave 0>" in repr(seen.runs)
    more = script.at("1ms", "first", 4).check()
    assert len(more.runs) == 6
    assert script.last is not None


def test_maps_and_tasks_stay_between_events() -> None:
    one, two = Task(1, "one"), Task(2, "two", cgroup=(1, 5))
    script = Timeline(filled, maps={"kept": {9: 5}})
    script.at(0, "second", 8, by=one).at(1, "second", 1, by=two).at(2, "second", 2, by=one)
    seen = script.check()
    assert seen.maps["kept"] == {1: 1, 2: 2, 8: 0, 9: 5}
    assert [(fault.kind, fault.line) for fault in seen.faults] == [("KeyError", filled_line())] * 2
    taken = [len(one.events["few"]) for one in seen.runs]
    assert taken == [200, 200, 200]
    assert seen.events["few"][200] == 1


def filled_line() -> int:
    return next(number for number, line in enumerate(open(__file__), 1) if "a missing key is a fault" in line)


def test_a_difference_reads_well() -> None:
    turn = itertools.count(5)
    script = Timeline(rolled, entered, helpers={"get_prandom_u32": lambda: next(turn)}, task=Task(1, cgroup=77))
    script.at(3, "first", 1).at("4us", "chance")
    with pytest.raises(Mismatch) as told:
        script.check()
    text = str(told.value)
    assert "<bpfvm.Timeline of 2 events, rolled, entered> is not the same on all machines" in text
    assert "  interp differs from cpython:\n    in the end, map seen_at[6]: cpython 5, interp 6" in text
    assert script.run("interp").maps["seen_at"][7] == 77


def test_a_difference_of_a_run_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = itertools.count()
    script = Timeline(entered, helpers={"get_current_pid_tgid": lambda: next(turn) << 32})
    script.at(3, "first", 1)
    with pytest.raises(Mismatch, match=r"run 1, entered at 3 ns on first: trace: cpython \['0 in 1'\], interp"):
        script.check()


def test_what_cannot_be_played() -> None:
    with pytest.raises(Unavailable, match="the events of a kernel are its own"):
        Timeline(entered).run("kernel")
    with pytest.raises(UsageError, match="there is no engine 'fast'"):
        Timeline(entered).run("fast")
    programs = load(str(OBJECTS / "programs_tracing.o")).programs
    with pytest.raises(UsageError, match="those of one object file, or functions"):
        Timeline(entered, programs["on_entry"]).at(0, "first").run()
    with pytest.raises(UsageError, match="there is no map 'none'"):
        Timeline(entered, maps={"none": {}}).run()
    with pytest.raises(UsageError, match="do not use a map 'none'"):
        Timeline(entered).run().counted("none")


def test_an_object_may_change_between_events() -> None:
    from bpfvm import vmlinux

    @bpf.tp_btf("sched_wakeup")
    def woken(p):  # type: ignore[no-untyped-def]
        kept[u32(p.prio)] = u64(p.real_parent.prio)

    parent = vmlinux.new("task_struct", prio=1)
    child = vmlinux.new("task_struct", prio=5, real_parent=parent)
    script = Timeline(woken).at(0, "sched_wakeup", child)
    parent.prio, child.prio = 2, 6
    script.at(1, "sched_wakeup", child)
    child.real_parent = None
    child.prio = 7
    script.at(2, "sched_wakeup", p=child)
    assert script.check().maps["kept"] == {5: 1, 6: 2, 7: 0}


@bpf.syscall("openat", probe="fault")
def strict(filename: UserPtr[char]) -> None:
    seen_at[0] += 1
    text = filename.str(16)
    if text == "/etc/passwd":
        seen_at[1] += 1


def test_what_cannot_be_read_is_a_fault_where_that_is_asked_for() -> None:
    script = Timeline(strict).at(0, "openat", filename="/etc/passwd").at(1, "openat", filename=0x666)
    seen = (
        script.at(2, "openat", filename=None).at(3, "openat", memory={0x666: b"/etc/passwd\0"}, filename=0x666).check()
    )
    assert [seen.maps["seen_at"][at] for at in range(2)] == [4, 2]
    assert [(one.time, one.outcome.fault.kind) for one in seen.runs if one.outcome.fault] == [
        (1, "ProbeError"), (2, "ProbeError"),
    ]  # fmt: skip
