"""How long block devices take for a request, microseconds by powers of two."""

from bpfvm import Hash, Histogram, bpf, ktime, u64
from bpfvm.vmlinux import request

start = Hash(u64, u64, 10240)
dist = Histogram(slots=64)


@bpf.tp_btf("block_rq_issue")
def issue(rq: request):
    start[rq.addr] = ktime()


@bpf.tp_btf("block_rq_complete")
def complete(rq: request):
    t0 = start.pop(rq.addr, None)
    if t0 is not None:
        dist.add((ktime() - t0) // 1000)
