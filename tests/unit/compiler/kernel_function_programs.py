# mypy: disable-error-code="no-any-return, no-untyped-def, type-arg, valid-type, misc"
"""Programs that call kernel functions which no machine but a kernel has."""

from __future__ import annotations

from bpfvm import Array, KernelPtr, bpf, current, s32, u8, u32, u64
from tests import kernel_btf

with kernel_btf.in_use_offline():
    from bpfvm.vmlinux import task_struct

out = Array(u64, 8)


@bpf.function
def under(n: u32) -> u64:
    """Whether a task is under its own cgroup, in a section that keeps both alive."""
    with bpf.rcu():
        task = current()
        return u64(bpf.kfunc.bpf_task_under_cgroup(task, task.cgroups.dfl_cgrp)) + n


@bpf.tp_btf("sched_wakeup")
def woken(p):
    """By its name without bpf_; a number is an exact one."""
    out[0] = bpf.kfunc.task_under_cgroup(p, p.cgroups.dfl_cgrp) + 7


@bpf.tp_btf("sched_wakeup")
def weighed(p):
    """One of which the made-up kernel's BTF tells alone: an object, numbers, memory with its size."""
    data = u8[4](1, 2, 3, 4)
    out[0] = u64(bpf.kfunc.bpf_task_weight(p, 0x12345 & 0xFFFF, data))
    out[1] = data[0]


# What has no meaning


@bpf.xdp
def forbidden(ctx) -> int:
    return bpf.kfunc.tcp_reno_ssthresh(3)


@bpf.tp_btf("sched_wakeup")
def numbers(p):
    out[0] = bpf.kfunc.bpf_task_under_cgroup(p, 4)


@bpf.tp_btf("sched_wakeup")
def others(p):
    out[0] = bpf.kfunc.bpf_task_under_cgroup(p, p)


@bpf.function
def addresses(t: KernelPtr[task_struct]) -> s32:
    return bpf.kfunc.bpf_task_under_cgroup(t, t.cgroups.dfl_cgrp)


@bpf.tp_btf("sched_wakeup")
def acquired(p):
    bpf.kfunc.bpf_task_acquire(p)


@bpf.tp_btf("sched_wakeup")
def released(p):
    bpf.kfunc.bpf_task_release(p)


@bpf.tp_btf("sched_wakeup")
def nowhere(p):
    bpf.kfunc.bpf_no_such_function(p)
