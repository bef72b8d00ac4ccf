"""Time that tasks spend off the CPU, by their stacks."""

from bpfvm import Counter, Hash, StackTrace, bpf, char, comm, ktime, s32, struct, tid, u32, u64
from bpfvm.vmlinux import task_struct


@struct
class Key:
    pid: u32
    user: s32
    kernel: s32
    name: char[16]


start = Hash(u32, u64, 10240)
counts = Counter(Key, max_entries=10240)
stacks = StackTrace(1024)


@bpf.kprobe("finish_task_switch*")
def oncpu(prev: task_struct):
    start[prev.pid] = ktime()
    t0 = start.pop(tid(), None)
    if t0 is None:
        return
    us = (ktime() - t0) // 1000
    if us < 1:
        return
    counts[Key(pid=tid(), user=stacks.id(user=True), kernel=stacks.id(), name=comm())] += us
