"""Requests of block devices, a line for each: -d of one disk.

bpfvm trace examples/biosnoop.py -d sda
"""

import argparse
import os

from bpfvm import Hash, Ring, bpf, char, comm, ktime, pid, struct, u32, u64
from bpfvm.vmlinux import request

ap = argparse.ArgumentParser()
ap.add_argument("-d", "--disk")
args = ap.parse_args()
dev = 0
if args.disk:
    st = os.stat("/dev/" + args.disk)
    dev = os.major(st.st_rdev) << 20 | os.minor(st.st_rdev)

KINDS = {0: "R", 1: "W", 2: "F", 3: "D"}  # of enum req_op: read, write, flush, discard


@struct
class Issued:
    ts: u64
    pid: u32
    comm: char[16]


@struct
class Done:
    ts: u64
    took: u64
    sector: u64
    bytes: u32
    kind: u32
    pid: u32
    comm: char[16]
    disk: char[32]


issued = Hash(u64, Issued, 10240)  # by a request's address
events = Ring(Done, 1 << 20)


@bpf.tp_btf("block_rq_issue")
def issue(rq: request):
    disk = rq.rq_disk if hasattr(request, "rq_disk") else rq.q.disk  # before 5.17
    if dev and (disk.major << 20 | disk.first_minor) != dev:  # not there without --disk
        return
    issued[rq.addr] = Issued(ts=ktime(), pid=pid(), comm=comm())


@bpf.tp_btf("block_rq_complete")
def complete(rq: request, nr_bytes):
    began = issued.pop(rq.addr, None)
    if began is None:
        return
    disk = rq.rq_disk if hasattr(request, "rq_disk") else rq.q.disk
    now = ktime()
    events.submit(
        Done(ts=now, took=now - began.ts, sector=rq.__sector, bytes=u32(nr_bytes), kind=u32(rq.cmd_flags) & 0xFF,
             pid=began.pid, comm=began.comm, disk=disk.disk_name)
    )  # fmt: skip


if __name__ == "__main__":
    with bpf.attach(issue, complete):
        print(f"{'TIME(s)':12} {'COMM':14} {'PID':6} {'DISK':9} T {'SECTOR':10} {'BYTES':7} {'LAT(ms)':>7}")
        first = None
        for e in events:
            first = e.ts if first is None else first
            print(
                f"{(e.ts - first) / 1e9:<12.6f} {e.comm.decode():14} {e.pid:<6} {e.disk.decode():9} "
                f"{KINDS.get(e.kind, '?')} {e.sector:<10} {e.bytes:<7} {e.took / 1e6:7.2f}"
            )
