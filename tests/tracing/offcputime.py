# mypy: disable-error-code="no-untyped-def, valid-type, type-arg"
"""How long tasks do not run, by their stacks: the kernel half of a tool, on a function of the kernel."""

from __future__ import annotations

from types import SimpleNamespace

from bpfvm import Counter, Hash, StackTrace, bpf, char, comm, ktime, s32, struct, tid, u32, u64
from bpfvm.vmlinux import task_struct

options = SimpleNamespace(pid=None, min_us=1)


@struct
class Key:
    """Who waited, and where."""

    pid: u32
    user: s32
    kernel: s32
    name: char[16]


start = Hash(u32, u64, 10240)
counts = Counter(Key)
stacks = StackTrace(1024)


@bpf.kprobe("finish_task_switch*")
def oncpu(prev: task_struct):
    if not options.pid or prev.tgid == options.pid:
        start[prev.pid] = ktime()
    t0 = start.pop(tid(), None)
    if t0 is None:
        return
    us = (ktime() - t0) // 1000
    if us < options.min_us:
        return
    counts[Key(pid=tid(), user=stacks.id(user=True), kernel=stacks.id(), name=comm())] += us
