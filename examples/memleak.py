"""What a process allocates and does not free, by stacks: the largest every few seconds.

bpfvm trace examples/memleak.py -p 1234
"""

import argparse
import time

from bpfvm import Hash, StackTrace, bpf, ktime, s32, struct, tid, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int, help="of one process; else of all that use the library")
ap.add_argument("-T", "--top", type=int, default=10)
ap.add_argument("-s", "--sample", type=int, default=1, help="count one allocation of so many")
ap.add_argument("interval", nargs="?", type=float, default=5.0)
ap.add_argument("count", nargs="?", type=int, default=99999999)
args = ap.parse_args()
SAMPLE = args.sample


@struct
class Alloc:
    size: u64
    ts: u64
    stack: s32


@struct
class Total:
    size: u64
    count: u64


sizes = Hash(u32, u64, 10240)
allocs = Hash(u64, Alloc, 1_000_000)
totals = Hash(s32, Total, 10240)
stacks = StackTrace(10240)


@bpf.uprobe("c:malloc")
def malloc(size: u64):
    if SAMPLE > 1 and ktime() % SAMPLE:
        return
    sizes[tid()] = size


@bpf.uretprobe("c:malloc")
def malloc_ret(ret: u64):
    size = sizes.pop(tid(), None)
    if size is None or not ret:
        return
    a = Alloc(size=size, ts=ktime(), stack=stacks.id(user=True))
    allocs[ret] = a
    totals.setdefault(a.stack, Total())
    totals[a.stack].size += size  # atomic, of a field
    totals[a.stack].count += 1


@bpf.uprobe("c:free")
def free(addr: u64):
    a = allocs.pop(addr, None)  # a copy: what is deleted is not read
    if a is not None and a.stack in totals:
        totals[a.stack].size -= a.size
        totals[a.stack].count -= 1


def show():
    left = [(stack, one) for stack, one in totals.items() if one.count]
    left.sort(key=lambda pair: pair[1].size, reverse=True)
    print(f"[{time.strftime('%H:%M:%S')}] Top {args.top} stacks with outstanding allocations:")
    for stack, one in left[: args.top]:
        print(f"    {one.size} bytes in {one.count} allocations from stack")
        for frame in stacks.frames(stack, pid=args.pid or 0):
            print(f"        {frame}")


if __name__ == "__main__":
    with bpf.attach(malloc, malloc_ret, free, pid=args.pid):
        for _ in range(args.count):
            goes_on = bpf.wait(args.interval)
            show()
            if not goes_on:  # Ctrl-C
                break
