# mypy: disable-error-code="misc, call-overload, arg-type, return-value"
"""Whatever a script is given where something else is wanted: it plays, or says in one line of its own what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bpfvm import vmlinux
from bpfvm.core.errors import BpfvmError
from bpfvm.timeline import Task, Timeline
from tests.unit.lang.traced import test_contexts as programs

ODD: tuple[Any, ...] = (
    object(), 1.5, "x", b"x", [], [1.5], {}, {"a": 1}, None, -1, 1 << 70, True, (1, 2), {"x": object()}, [[object()]],
    lambda: 0, float("nan"), "\ud800", type, "a b", {1: b"x"}, {-1: b""}, range(3),
)  # fmt: skip
AT = ("by", "ret", "took", "cpu", "memory", "regs", "cookie", "fields", "a", "name")
TASK = ("pid", "comm", "tid", "uid", "gid", "cgroup", "cpu", "parent", "stack", "kernel_stack", "prio", "cred", "none")
STRUCT = ("prio", "comm", "real_parent", "cred", "in_execve", "se", "cpus_mask", "none")
LEAST = 1000


def _calls(odd: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every place where a script takes something."""
    for name in AT:
        named = {name: odd}
        yield f"added {name}", lambda named=named: Timeline(programs.added).at(0, "add", **named).run("interp")
        yield f"returned {name}", lambda named=named: Timeline(programs.returned).at(
            0, "do_unlinkat", **{"ret": 1, **named}).run("interp")  # fmt: skip
    for name in ("prev_comm", "prev_pid"):
        yield name, lambda name=name: Timeline(programs.switched).at(0, "sched_switch", **{name: odd}).run("interp")
    yield "located", lambda: Timeline(programs.executed).at(0, "sched_process_exec", filename=odd).run("interp")
    yield "typed", lambda: Timeline(programs.typed).at(0, "sched_switch", next=odd, preempt=odd).run("interp")
    yield "sample", lambda: Timeline(programs.sampled).at(0, "cpu-clock", sample_period=odd).run("interp")
    yield "sample regs", lambda: Timeline(programs.sampled).at(0, "cpu-clock", regs=odd).run("interp")
    yield "event", lambda: Timeline(programs.added).at(0, odd)
    yield "time", lambda: Timeline(programs.added).at(odd, "add")
    for name in ("task", "maps", "helpers", "arch", "engine"):
        yield name, lambda name=name: Timeline(programs.added, **{name: odd}).at(0, "add").run()
    yield "run", lambda: Timeline(programs.added).run(odd)
    for name in TASK:
        yield f"Task {name}", lambda name=name: Timeline(programs.added).at(
            0, "add", by=Task(**{"pid": 1, name: odd})).run("interp")  # fmt: skip
    for name in STRUCT:
        yield f"new {name}", lambda name=name: vmlinux.new("task_struct", **{name: odd})
    yield "new", lambda: vmlinux.new(odd)
    yield "emulate", lambda: programs.added.emulate(odd, odd, odd)
    yield "emulate one", lambda: programs.executed.emulate(odd)
    for name in ("args", "task", "ret"):
        yield f"emulate {name}", lambda name=name: programs.returned.emulate(**{name: odd})
    yield "regs", lambda: programs.added.emulate(regs={"di": odd})


def test_one_line_or_a_result() -> None:
    count, told, long = 0, 0, list[str]()
    for odd in ODD:
        for place, call in _calls(odd):
            count += 1
            try:
                call()
            except BpfvmError as error:
                told += 1
                long += [f"{place}, {odd!r}: {error}"] if "\n" in str(error) else []
            except Exception as error:
                raise AssertionError(f"{place}, {odd!r}: {type(error).__name__}: {error}") from error
    print(f"{count} calls, {told} of them told what is wrong")
    assert long == []
    assert count >= LEAST
    assert told >= LEAST // 2
