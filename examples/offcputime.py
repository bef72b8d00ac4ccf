"""How long tasks do not run, by their stacks: -f as folded lines, --flame FILE as a flame graph.

bpfvm trace examples/offcputime.py --flame offcpu.svg 10
"""

import argparse

from bpfvm import Counter, Hash, StackTrace, bpf, char, comm, ktime, s32, struct, tid, u32, u64
from bpfvm.vmlinux import task_struct

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-m", "--min-us", type=int, default=1)
ap.add_argument("-f", "--folded", action="store_true")
ap.add_argument("--flame", metavar="FILE.svg")
ap.add_argument("duration", nargs="?", type=int, default=99999999)
args = ap.parse_args()


@struct
class Key:
    pid: u32
    user: s32
    kernel: s32
    name: char[16]


start = Hash(u32, u64, 10240)
counts = Counter(Key)
stacks = StackTrace(1024)


@bpf.kprobe("finish_task_switch*")
def oncpu(prev: task_struct):
    if not args.pid or prev.tgid == args.pid:
        start[prev.pid] = ktime()
    t0 = start.pop(tid(), None)
    if t0 is None:
        return
    us = (ktime() - t0) // 1000
    if us < args.min_us:
        return
    counts[Key(pid=tid(), user=stacks.id(user=True), kernel=stacks.id(), name=comm())] += us


if __name__ == "__main__":
    with bpf.attach(oncpu):
        bpf.wait(args.duration)

    found = [
        (k, stacks.frames(k.kernel) + stacks.frames(k.user, pid=k.pid), us)
        for k, us in sorted(counts.items(), key=lambda kv: kv[1])
    ]
    folded = bpf.folded(([k.name.decode(), *reversed(frames)], us) for k, frames, us in found)
    if args.flame:
        bpf.flame_graph(args.flame, folded, "Time off the CPU", "us")
    elif args.folded:
        for line, us in folded.items():
            print(line, us)
    else:
        for k, frames, us in found:
            print(*(f"    {f}" for f in frames), f"    {'-':16} {k.name.decode()} ({k.pid})\n        {us}\n", sep="\n")
