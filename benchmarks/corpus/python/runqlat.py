"""How long tasks wait for a CPU, microseconds by powers of two."""

from bpfvm import Hash, Histogram, bpf, ktime, u32, u64
from bpfvm.vmlinux import task_struct

start = Hash(u32, u64, 16384)
dist = Histogram(slots=26)


def enqueue(p: task_struct):
    if p.pid:
        start[p.pid] = ktime()


@bpf.tp_btf("sched_wakeup")
def wakeup(p: task_struct):
    enqueue(p)


@bpf.tp_btf("sched_wakeup_new")
def wakeup_new(p: task_struct):
    enqueue(p)


@bpf.tp_btf("sched_switch")
def switched(preempt: bool, prev: task_struct, next: task_struct):
    if prev.__state == 0:
        enqueue(prev)
    t0 = start.pop(next.pid, None)
    if t0 is not None:
        dist.add((ktime() - t0) // 1000)
