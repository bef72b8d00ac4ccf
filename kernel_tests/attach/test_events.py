"""The same events in the kernel and on scripts: tracepoints, and functions of the kernel where it lets programs be put
there. The maps are equal on CPython, interp, portable, native and the kernel, call stacks with their numbers among
them. What happens to a function of a process, to system calls and to samples is in test_tasks.py."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bpfvm import Program, bpf, vmlinux
from bpfvm.core.errors import LoadError, Unavailable, VerifierReject
from bpfvm.kernel.objects.install import install
from bpfvm.program import compile_object
from bpfvm.timeline import Task, Timeline
from kernel_tests.attach import events_programs as programs
from kernel_tests.attach.test_tasks import me, plain

MAPS = ("noted", "stacks", "inside", "answers", "paths")
NAME = Path("/proc/thread-self/comm")
LEFT = 100  # bytes that there are to be read


@pytest.fixture(autouse=True)
def only_this_process() -> None:
    programs.own.pid = os.getpid()


def seen_by_the_kernel(act: Callable[[], None], *attached: Program) -> dict[str, Any]:
    """What programs that are attached while something happens leave in their maps."""
    with bpf.attach(*attached) as on:
        act()
        return {name: plain(dict(on.maps[name])) for name in MAPS if name in on.maps}


def agreed(script: Timeline, kernel: dict[str, Any]) -> None:
    """All engines, and what the kernel showed."""
    offline = script.check()
    for name, held in kernel.items():
        found = plain(dict(offline.maps[name]))
        if name == "stacks":  # of the stacks that both ends of a function have, those that were noted stay the same
            wanted = {one[at] for one in kernel["noted"].values() for at in ("user", "kernel")}
            found, held = ({at: ips for at, ips in some.items() if at in wanted} for some in (found, held))
        assert found == held, f"{name}: scripts {found}, kernel {held}"
    print(f"{sorted(kernel.get('noted', kernel.get('answers', {})))} on {', '.join(offline.engines)} and the kernel")
    assert len(offline.engines) >= 3


def by(kernel: dict[str, Any], key: int) -> Task:
    """This task with the stacks that the kernel found at an event."""
    one = kernel["noted"][key]
    return me(kernel["stacks"], one["user"], one["kernel"], one["cpu"])


def rename() -> None:
    NAME.write_text("another name")


def read() -> None:
    reads, writes = os.pipe()
    os.write(writes, bytes(LEFT))
    assert len(os.read(reads, programs.SIZE)) == LEFT
    os.close(reads)
    os.close(writes)


@pytest.fixture
def named() -> Iterator[str]:
    """The name of this thread, which it gets back."""
    before = NAME.read_text().rstrip("\n")
    yield before
    NAME.write_text(before)


def called(name: str, one: Task) -> Task:
    """The same task by another name."""
    return Task(one.pid, name, tid=one.tid, uid=one.uid, gid=one.gid, cpu=one.cpu, stack=one.stack,
                kernel_stack=one.kernel_stack)  # fmt: skip


def test_a_tracepoint(named: str) -> None:
    kernel = seen_by_the_kernel(rename, programs.renamed)
    assert kernel["noted"][1]["text"] == "another name"
    adjusted = int(Path("/proc/self/oom_score_adj").read_text())
    script = Timeline(programs.renamed, task=called(named, by(kernel, 1)))
    agreed(script.at(0, "task_rename", newcomm="another name", oom_score_adj=adjusted), kernel)


@pytest.mark.needs("tp_btf")
def test_a_tracepoint_by_btf(named: str) -> None:
    kernel = seen_by_the_kernel(rename, programs.renamed_by_btf)
    task = called(named, by(kernel, 2))
    script = Timeline(programs.renamed_by_btf, task=task)
    agreed(script.at(0, "task_rename", task=task, comm="another name"), kernel)


@pytest.mark.needs("tp_btf")
def test_arguments_that_this_kernel_has_not_are_told() -> None:
    spec = compile_object([programs.renamed_by_btf]).spec
    one = replace(spec.programs["renamed_by_btf"], section="tp_btf/inet_sock_set_state")
    here = r"this kernel has tracepoint inet_sock_set_state\(struct sock \*sk, int oldstate, int newstate\)"
    with pytest.raises(LoadError, match=rf"{here}, and the program takes argument 1 for `struct task_struct \*task`"):
        install(replace(spec, programs={one.name: one}))


@pytest.mark.needs("kprobe_pmu")
def test_probes_of_the_kernel() -> None:
    kernel = seen_by_the_kernel(read, programs.reading, programs.was_read)
    assert {key: one["number"] for key, one in kernel["noted"].items()} == {3: programs.SIZE, 4: LEFT}
    script = Timeline(programs.reading, programs.was_read)
    script.at(0, "kprobe:vfs_read", count=programs.SIZE, by=by(kernel, 3))
    script.at(1, "kretprobe:vfs_read", ret=LEFT, by=by(kernel, 4))
    agreed(script, kernel)


@pytest.mark.needs("fentry")
def test_functions_of_the_kernel() -> None:
    kernel = seen_by_the_kernel(read, programs.entered, programs.left)
    assert {key: one["number"] for key, one in kernel["noted"].items()} == {5: programs.SIZE, 6: LEFT}
    script = Timeline(programs.entered, programs.left)
    script.at(0, "fentry:vfs_read", count=programs.SIZE, by=by(kernel, 5))
    script.at(1, "fexit:vfs_read", count=programs.SIZE, ret=LEFT, by=by(kernel, 6))
    agreed(script, kernel)


@pytest.mark.needs("fentry")
def test_arguments_of_a_function_by_number() -> None:
    kernel = _where_it_is_there(lambda: seen_by_the_kernel(read, programs.numbered, programs.resulted))
    assert kernel["answers"][1] == programs.SIZE
    script = Timeline(programs.numbered, programs.resulted, task=me({}))
    agreed(script.at(0, "vfs_read", count=programs.SIZE, ret=LEFT), kernel)


@pytest.mark.needs("fentry")
def test_the_path_of_a_file() -> None:
    with tempfile.NamedTemporaryFile(prefix="bpfvm", dir="/tmp") as there:
        kernel = seen_by_the_kernel(lambda: os.posix_fallocate(there.fileno(), 0, programs.SIZE), programs.allocated)
        assert kernel["paths"][0]["text"] == there.name
        script = Timeline(programs.allocated, task=me({}))
        named = vmlinux.new("file", f_path=there.name)
        agreed(script.at(0, "vfs_fallocate", file=named, len=programs.SIZE), kernel)


def _where_it_is_there(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What it gives; skipped where the kernel has no such helpers (before 5.17)."""
    try:
        return act()
    except (Unavailable, VerifierReject) as error:
        if "get_func_arg" not in str(error):
            raise
        pytest.skip(str(error))
