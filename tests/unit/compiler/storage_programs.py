# mypy: disable-error-code="no-any-return, no-untyped-def"
"""Programs that keep values of tasks, inodes, cgroups and sockets of the kernel."""

from __future__ import annotations

from bpfvm import (
    Array,
    CgroupStorage,
    InodeStorage,
    KernelPtr,
    SkStorage,
    TaskStorage,
    bpf,
    current,
    s32,
    struct,
    u32,
    u64,
)
from tests import kernel_btf

with kernel_btf.in_use_offline():
    from bpfvm.vmlinux import task_struct


@struct
class Info:
    runs: u64 = 1
    last: u32 = 0


out = Array(u64, 8)
infos = TaskStorage(Info)
times = TaskStorage(u64, name="times")
turns = TaskStorage(u32, default=100)


@bpf.function
def counted(n: u32) -> u64:
    """What is kept of the task that runs, from call to call."""
    turns[current()] += n
    task = current()
    info = infos.setdefault(task, Info(last=n))
    infos[task].runs += n
    if n == 5:
        infos[task] = Info(runs=50)
    if n == 6 and infos.pop(task).last == 0:
        return times[task]
    if n == 7:
        del infos[task]
    if n == 8:
        return u64(turns.pop(current(), 0))
    times[task] = info.runs
    return info.runs * 1000 + (info.last + turns[task])


@bpf.tp_btf("sched_switch")
def switched(prev, next):
    """Two tasks, and a third behind one of them, which may be none."""
    infos[next] = Info(runs=7)
    if prev in infos:
        infos[prev].runs += 1
        found = infos[prev]
        out[0] = found.runs
    out[1] = int(infos.get(prev.real_parent) is None)
    times[prev.real_parent] = 9
    out[2] = times[prev.real_parent]


inodes = InodeStorage(u64, default=0)


@bpf.lsm("file_open")
def opened(file) -> int:
    """A value of each file's inode."""
    inode = file.f_inode
    inodes[inode] += 3
    out[0] = inodes[inode] + inode.i_ino
    return 0


groups = CgroupStorage(u64, default=0)


@bpf.tp_btf("sched_wakeup")
def woken(p):
    """A value of each task's cgroup."""
    group = p.cgroups.dfl_cgrp
    groups[group] += 4
    out[0] = groups[group]
    out[1] = int(group in groups)


socks = SkStorage(u64)


@bpf.fentry("tcp_v4_connect")
def connecting(sk):
    """A value of each socket, by the kernel's own pointer."""
    socks[sk] = socks.get(sk, u64(40)) + 2
    out[0] = socks[sk]


# What has no meaning


@bpf.kprobe("f")
def unknown(t: task_struct):
    infos[t] = Info()


@bpf.tp_btf("sched_wakeup")
def other(p):
    socks[p] = 1


@bpf.function
def pointed(t: KernelPtr[task_struct]) -> s32:
    return infos[KernelPtr[task_struct](t)].last


@bpf.tc
def forbidden(skb):
    groups[skb.sk] = 1
