"""How long a function takes, as a histogram: of the kernel, or of a file's, `c:malloc`; -p in one process.

bpfvm trace examples/funclatency.py -u vfs_read 10
"""

import argparse

from bpfvm import Array, Hash, Histogram, bpf, ktime, pid, tid, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-u", "--microseconds", action="store_true")
ap.add_argument("-m", "--milliseconds", action="store_true")
ap.add_argument("function", nargs="?", default="vfs_read")
ap.add_argument("duration", nargs="?", type=int, default=99999999)
args = ap.parse_args()
unit, called = (1_000_000, "msecs") if args.milliseconds else (1_000, "usecs") if args.microseconds else (1, "nsecs")
is_users = ":" in args.function
entry, back = (bpf.uprobe, bpf.uretprobe) if is_users else (bpf.kprobe, bpf.kretprobe)

start = Hash(u32, u64, 10240)
dist = Histogram(slots=64)
total = Array(u64, 1)


@entry(args.function)
def entered():
    if not args.pid or pid() == args.pid:
        start[tid()] = ktime()


@back(args.function)
def returned():
    t0 = start.pop(tid(), None)
    if t0 is not None:
        took = ktime() - t0
        dist.add(took // unit)
        total[0] += took


if __name__ == "__main__":
    options = {"pid": args.pid} if is_users else {}
    with bpf.attach(entered, returned, **options):
        print(f"Tracing {args.function}... Hit Ctrl-C to end.")
        bpf.wait(args.duration)
    dist.print(called)
    count = sum(dist.values())
    if count:
        print(f"\navg = {total[0] // count // unit} {called}, total: {total[0] // unit} {called}, count: {count}")
