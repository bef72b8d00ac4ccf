"""How long requests of block devices take, as a histogram: of one disk with -d.

bpfvm trace examples/biolatency.py -m 10
"""

import argparse
import os

from bpfvm import Hash, Histogram, bpf, ktime, u64
from bpfvm.vmlinux import request

ap = argparse.ArgumentParser()
ap.add_argument("-m", "--milliseconds", action="store_true")
ap.add_argument("-d", "--disk")
ap.add_argument("interval", nargs="?", type=int, default=99999999)
args = ap.parse_args()
unit = 1_000_000 if args.milliseconds else 1_000
dev = 0
if args.disk:
    st = os.stat("/dev/" + args.disk)
    dev = os.major(st.st_rdev) << 20 | os.minor(st.st_rdev)

start = Hash(u64, u64, 10240)  # a request's address -> ns
dist = Histogram(slots=64)


@bpf.tp_btf("block_rq_issue")
def issue(rq: request):
    disk = rq.rq_disk if hasattr(request, "rq_disk") else rq.q.disk  # before 5.17
    if dev and (disk.major << 20 | disk.first_minor) != dev:  # not there without --disk
        return
    start[rq.addr] = ktime()


@bpf.tp_btf("block_rq_complete")
def complete(rq: request):
    t0 = start.pop(rq.addr, None)
    if t0 is not None:
        dist.add((ktime() - t0) // unit)


if __name__ == "__main__":
    with bpf.attach(issue, complete):
        print("Tracing block device I/O... Hit Ctrl-C to end.")
        bpf.wait(args.interval)
    dist.print("msecs" if args.milliseconds else "usecs")
