"""What programs get of events: registers of two architectures, records of tracepoints, system calls, words by BTF,
samples, and USDT probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpfvm import Array, UserPtr, bpf, char, load, s32, struct, u16, u32, u64, vmlinux
from bpfvm.core.errors import UsageError
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.program import Program
from bpfvm.timeline import Task, Timeline
from tests.engines import EMULATORS
from tests.unit.compiler import argument_programs

out = Array(u64, 8)
BASH = Task(7, "bash", tid=8)
MACHINES = 3


@bpf.kprobe("do_unlinkat")
def by_registers(regs):  # type: ignore[no-untyped-def]
    out[0] = regs.parm1
    out[1] = regs.parm2
    out[2] = regs.ip
    out[3] = u64(bpf.helper.get_func_ip(regs))


@bpf.kretprobe("do_unlinkat")
def returned(ret: s32):  # type: ignore[no-untyped-def]
    out[4] = u64(ret)


@bpf.uprobe("/bin/tool:add")
def added(a: u32, b: s32, name: UserPtr[char]):  # type: ignore[no-untyped-def]
    out[0] = u64(a)
    out[1] = u64(b)
    if name.str(8) == "plus":
        out[2] = 1


@bpf.tracepoint("sched:sched_switch")
def switched(prev_comm, prev_pid, prev_state, next_pid):  # type: ignore[no-untyped-def]
    if prev_comm == "bash":
        out[0] = u64(prev_pid)
    out[1] = u64(prev_state)
    out[2] = u64(next_pid)


@bpf.tracepoint("sched:sched_process_exec")
def executed(filename, pid):  # type: ignore[no-untyped-def]
    if filename.str(16) == "/bin/ls":
        out[0] = u64(pid)


@bpf.tracepoint("sched:sched_waking")
def waking(args):  # type: ignore[no-untyped-def]
    out[0] = u64(args.pid)
    out[1] = u64(args.target_cpu)


@bpf.raw_tracepoint("sched_switch")
def raw(ctx):  # type: ignore[no-untyped-def]
    out[0] = ctx.args[0]
    out[1] = ctx.args[2]


@bpf.tp_btf("sched_switch")
def typed(next, preempt):  # type: ignore[no-untyped-def]
    out[0] = u64(next.pid)
    out[1] = u64(preempt)


@bpf.fexit("tcp_v4_connect")
def connected(sk, ret):  # type: ignore[no-untyped-def]
    out[0] = u64(sk.sk_err)
    out[1] = u64(ret)


@bpf.lsm("file_open")
def opened(file):  # type: ignore[no-untyped-def]
    out[0] = u64(file.f_flags)
    return 0


@bpf.syscall("connect")
def connecting(fd: s32, uservaddr: UserPtr[Address], addrlen):  # type: ignore[no-untyped-def]
    out[0] = u64(fd)
    out[1] = u64(uservaddr.family)
    out[2] = addrlen


@bpf.perf_event("cpu-clock")
def sampled(ctx):  # type: ignore[no-untyped-def]
    out[0] = ctx.sample_period
    out[1] = ctx.regs.ip


@struct
class Address:
    """The head of a struct sockaddr."""

    family: u16
    port: u16


NEXT = Task(9, "sh")
CASES: tuple[tuple[Program, tuple[Any, ...], dict[str, Any], dict[int, int]], ...] = (
    (by_registers, ("do_unlinkat", 5, 6), {"regs": {"ip": 0x10}}, {0: 5, 1: 6, 2: 0x10}),
    (by_registers, ("kprobe:do_unlinkat",), {"regs": {"si": 7}, "dfd": 3}, {0: 3, 1: 7}),
    (returned, ("do_unlinkat", 1, 2), {"ret": -2, "took": "1us"}, {4: (1 << 64) - 2}),
    (added, ("add", 5, -6, "plus"), {}, {0: 5, 1: (1 << 64) - 6, 2: 1}),
    (added, ("/bin/tool:add",), {"b": 3, "name": b"plus"}, {1: 3, 2: 1}),
    (added, ("uprobe:/bin/tool:add", (1 << 32) - 1), {}, {0: (1 << 32) - 1}),
    (switched, ("sched_switch",), {"prev_comm": "bash", "prev_pid": 7, "prev_state": 1, "next_pid": 9},
     {0: 7, 1: 1, 2: 9}),
    (switched, ("sched:sched_switch", "bash", 7), {}, {0: 7}),
    (executed, ("tracepoint:sched:sched_process_exec",), {"filename": "/bin/ls", "pid": 3}, {0: 3}),
    (waking, ("sched_waking",), {"pid": 4, "target_cpu": 2}, {0: 4, 1: 2}),
    (waking, ("sched_waking",), {"fields": {"pid": 5}, "target_cpu": 1}, {0: 5, 1: 1}),
    (raw, ("sched_switch", 1), {"next": 0x77}, {0: 1, 1: 0x77}),
    (typed, ("sched_switch", True, None, NEXT), {}, {0: 9, 1: 1}),
    (connected, ("tcp_v4_connect", vmlinux.new("sock", sk_err=5)), {"ret": -111}, {0: 5, 1: (1 << 64) - 111}),
    (opened, ("file_open", vmlinux.new("file", f_flags=0o100)), {}, {0: 0o100}),
    (connecting, ("connect", 3, Address(family=2)), {"addrlen": 16}, {0: 3, 1: 2, 2: 16}),
    (sampled, ("cpu-clock",), {"sample_period": 1000, "regs": {"ip": 5}}, {0: 1000, 1: 5}),
)  # fmt: skip


@pytest.mark.parametrize(("program", "event", "named", "want"), CASES, ids=[one[0].name for one in CASES])
def test_programs_get_what_events_are(
    program: Program, event: tuple[Any, ...], named: dict[str, Any], want: dict[int, int]
) -> None:
    name, *given = event
    seen = Timeline(program, task=BASH).at(0, name, *given, **named).check()
    maps = dict(seen.counted("out"))
    maps.pop(3, None)  # where the probed function is
    assert maps == want
    assert not seen.faults
    assert len(seen.engines) >= MACHINES


def test_a_program_alone_takes_arguments_too() -> None:
    assert added.check(5, -6, "plus", task=BASH).maps["out"][2] == 1
    assert added.emulate(args=(5, -6, "plus")).maps["out"][2] == 1
    assert added.emulate(args={"name": "plus"}, regs={"di": 9}).maps["out"][0] == 9
    assert returned.check(ret=-2).maps["out"][4] == (1 << 64) - 2
    assert connected.check(args=(vmlinux.new("sock", sk_err=3),), ret=-1).maps["out"][0] == 3
    assert connected.check(vmlinux.new("sock", sk_err=3), -1).maps["out"][1] == (1 << 64) - 1
    assert executed.check("/bin/ls", 3).maps["out"][0] == 3
    assert typed.check(NEXT, True).maps["out"][0] == 9


WRONG: tuple[tuple[Program, tuple[Any, ...], dict[str, Any], str], ...] = (
    (added, ("added",), {}, "no program is attached to 'added'; they are on uprobe:/bin/tool:add"),
    (added, ("add",), {"c": 1}, "add has no argument 'c'; it has a, arg4, arg5, arg6, b, name"),
    (added, ("add", 1), {"a": 1}, "uprobe:/bin/tool:add: a is given twice, in order and by its name"),
    (added, ("add", 1 << 32), {}, "uprobe:/bin/tool:add: a: 4294967296 does not fit u32"),
    (added, ("add", 1, 2, 3, 4, 5, 6, 7), {}, "uprobe:/bin/tool:add has 6 arguments"),
    (added, ("add",), {"regs": {"eax": 1}}, "uprobe:/bin/tool:add: 'eax' is no register; they are r15, r14"),
    (added, ("add", 1.5), {}, "uprobe:/bin/tool:add: a: a pointer takes an address, a text, a list"),
    (added, ("add",), {"took": 5}, "add: took=5 is how long it takes to return: say what it returns, ret=…"),
    (returned, ("do_unlinkat",), {}, "do_unlinkat: its programs are where it returns: say what, ret=…"),
    (switched, ("sched_switch",), {"prev_pid": "7"}, "sched:sched_switch: prev_pid: s32 takes a number, not '7'"),
    (switched, ("sched_switch",), {"prev_pdi": 7}, "sched_switch has no argument 'prev_pdi'; it has"),
    (switched, ("sched_switch",), {"regs": {"ip": 7}}, "tracepoint:sched:sched_switch is given no registers"),
    (sampled, ("cpu-clock", 1), {}, "perf_event:cpu-clock takes fields by name"),
    (sampled, ("cpu-clock",), {"pid": 1}, "perf_event:cpu-clock: a sample has no 'pid' that could be 1"),
    (connecting, ("connect", 3, 1.5), {}, "syscall:connect: uservaddr: a pointer takes an address"),
)  # fmt: skip


@pytest.mark.parametrize(("program", "event", "named", "words"), WRONG, ids=[one[3][:30] for one in WRONG])
def test_what_an_event_is_not(program: Program, event: tuple[Any, ...], named: dict[str, Any], words: str) -> None:
    name, *given = event
    with pytest.raises(UsageError) as wrong:
        Timeline(program).at(0, name, *given, **named)
    assert words in str(wrong.value)


def test_times_and_programs() -> None:
    for time in (-1, "5 minutes", "1h", 1.5, True, None, "-1ns", 1 << 63):
        with pytest.raises(UsageError, match="a time is ns from 0 on"):
            Timeline(added).at(time, "add")
    for wrong, words in (((), "needs programs"), ((5,), "not of 5"), ((Timeline,), "not of <class")):
        with pytest.raises(UsageError, match=words):
            Timeline(*wrong)
    with pytest.raises(UsageError, match="there are no registers of 'mips'"):
        Timeline(added, arch="mips")
    with pytest.raises(UsageError, match="added is compiled for the registers of x86_64, not of aarch64"):
        Timeline(added, arch="arm64")
    with pytest.raises(UsageError, match="happens by a Task, not by 7"):
        Timeline(added).at(0, "add", by=7)
    with pytest.raises(UsageError, match="no event of a script is for a program of section 'xdp'"):
        Timeline(bpf.xdp(lambda ctx: 2))


OBJECTS = Path(__file__).resolve().parents[3] / "objects"
# On arm64 arguments are in x0 and x1, and x0 is what a function returns; r1 points to struct user_pt_regs
ON_ARM64 = "r2 = *(u64 *)(r1 +8)\nr0 = *(u64 *)(r1 +0)\nr0 += r2\nr2 = *(u64 *)(r1 +256)\nr0 += r2\nexit"


def test_programs_of_object_files() -> None:
    programs = load(str(OBJECTS / "programs_tracing.o")).programs
    script = Timeline(*(programs[name] for name in ("on_entry", "on_leave", "on_tp_btf", "on_lsm")))
    script.at(0, "do_nanosleep", None, 1, ret=-4, took=5).at(7, "sched_switch", True, BASH, NEXT).at(9, "file_open")
    seen = script.check()
    assert [(one.time, one.program) for one in seen.runs] == [
        (0, "on_entry"), (5, "on_leave"), (7, "on_tp_btf"), (9, "on_lsm"),
    ]  # fmt: skip


def test_an_object_file_finds_the_kernels_fields_by_core() -> None:
    """Its own task_struct has other places for all of them."""
    programs = load(str(OBJECTS / "traced_tasks.o")).programs
    parent = Task(3, "init")
    script = Timeline(*programs.values())
    script.at(0, "sched_wakeup", Task(5, "bash", parent=parent, __state=2, in_execve=1))
    script.at(1, "finish_task_switch", Task(6, "sh", tid=7, parent=parent, __state=1))
    seen = script.check()
    assert {pid: tuple(note.values()) for pid, note in seen.maps["notes"].items()} == {
        5: (3, 2, 1, ord("b")), 7: (3, 1, 0, 0),
    }  # fmt: skip
    assert seen.engines == EMULATORS


@pytest.mark.parametrize(("section", "named", "want"), [
    ("kprobe/f", {"args": (5, 6)}, 11), ("uprobe/tool:f", {"args": (5,), "regs": {"pc": 7}}, 12),
    ("kretprobe/f", {"ret": -1, "regs": {"x1": 3}}, 2),
])  # fmt: skip
def test_registers_of_arm64(section: str, named: dict[str, Any], want: int) -> None:
    spec = ObjectSpec({"p": ProgramSpec("p", section, "kprobe", tuple(assemble(ON_ARM64)))}, {})
    given = dict(named)
    script = Timeline(Program("p", "kprobe", spec), arch="arm64").at(0, "f", *given.pop("args", ()), **given)
    for engine in EMULATORS:
        assert script.run(engine).last.value == want & 0xFFFF_FFFF, engine


def test_the_arguments_of_a_usdt_probe() -> None:
    sale = argument_programs.sale
    seen = Timeline(sale).at(0, f"usdt:{argument_programs.SHOP}:shop:sale", -2, "exit").at(1, "sale", goods=3).check()
    assert seen.maps["out"][0] == 3
    assert seen.maps["out"][1] == 1
    assert [one.outcome.fault for one in seen.runs] == [None, None]
