"""How long tasks are on a CPU at a time, as a histogram: -P one for each process, -O how long they are off it.

bpfvm trace examples/cpudist.py -P -p 1234 10
"""

import argparse

from bpfvm import Hash, Histogram, Histograms, bpf, char, ktime, struct, u32, u64
from bpfvm.vmlinux import task_struct

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-P", "--processes", action="store_true")
ap.add_argument("-O", "--offcpu", action="store_true")
ap.add_argument("-m", "--milliseconds", action="store_true")
ap.add_argument("duration", nargs="?", type=int, default=99999999)
args = ap.parse_args()
unit, called = (1_000_000, "msecs") if args.milliseconds else (1_000, "usecs")


@struct
class Who:
    pid: u32
    comm: char[16]


start = Hash(u32, u64, 10240)
dist = Histogram()
dists = Histograms(Who)


def is_asked_for(p: task_struct):
    return p.pid and (not args.pid or p.tgid == args.pid)  # never an idle CPU


def begins(p: task_struct):
    if is_asked_for(p):
        start[p.pid] = ktime()


def ends(p: task_struct):
    if not is_asked_for(p):
        return
    began = start.pop(p.pid, None)
    if began is None:
        return
    took = (ktime() - began) // unit
    if args.processes:
        dists.add(Who(pid=p.tgid, comm=p.group_leader.comm), took)
    else:
        dist.add(took)


@bpf.tp_btf("sched_switch")
def switch(prev: task_struct, next: task_struct):
    if args.offcpu:
        ends(next)
        begins(prev)
    else:
        ends(prev)
        begins(next)


if __name__ == "__main__":
    with bpf.attach(switch):
        print(f"Tracing {'off' if args.offcpu else 'on'}-CPU time... Hit Ctrl-C to end.")
        bpf.wait(args.duration)
    if args.processes:
        dists.print(called, "process", lambda who: f"{who.pid} {who.comm.decode()}")
    else:
        dist.print(called)
