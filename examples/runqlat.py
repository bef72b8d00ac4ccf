"""How long tasks wait for a CPU, as a histogram: those of one process with its number.

bpfvm trace --duration 10 examples/runqlat.py
"""

import sys

from bpfvm import Hash, Histogram, bpf, ktime, u32, u64
from bpfvm.vmlinux import task_struct

TARGET = int(sys.argv[1]) if len(sys.argv) > 1 else 0
start = Hash(u32, u64, 16384)
dist = Histogram(slots=26)


def enqueue(p: task_struct):  # a plain function: written out at three places
    if p.pid and (not TARGET or p.tgid == TARGET):
        start[p.pid] = ktime()


@bpf.tp_btf("sched_wakeup")
def wakeup(p: task_struct):
    enqueue(p)


@bpf.tp_btf("sched_wakeup_new")
def wakeup_new(p: task_struct):
    enqueue(p)


@bpf.tp_btf("sched_switch")
def switch(preempt: bool, prev: task_struct, next: task_struct):
    state = prev.__state if hasattr(task_struct, "__state") else prev.state
    if state == 0:  # TASK_RUNNING: it was made to leave
        enqueue(prev)
    t0 = start.pop(next.pid, None)
    if t0 is not None:
        dist.add((ktime() - t0) // 1000)


if __name__ == "__main__":
    with bpf.attach(wakeup, wakeup_new, switch):
        bpf.wait()
    dist.print("usecs")
