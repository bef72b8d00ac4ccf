# mypy: disable-error-code="no-untyped-def"
"""How long requests of block devices take: the kernel half of a tool, by typed tracepoints."""

from __future__ import annotations

from bpfvm import Hash, Histogram, bpf, ktime, u64
from bpfvm.vmlinux import request

UNIT, DEVICE = 1_000, 8 << 20 | 1
start = Hash(u64, u64, 10240)  # a request's address -> ns
dist = Histogram(slots=64)


@bpf.tp_btf("block_rq_issue")
def issue(rq: request):
    disk = rq.q.disk if hasattr(request, "q") else rq.rq_disk
    if DEVICE and (disk.major << 20 | disk.first_minor) != DEVICE:
        return
    start[rq.addr] = ktime()


@bpf.tp_btf("block_rq_complete")
def complete(rq: request):
    t0 = start.pop(rq.addr, None)
    if t0 is not None:
        dist.add((ktime() - t0) // UNIT)
