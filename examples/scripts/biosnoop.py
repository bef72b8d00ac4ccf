"""Two requests of a disk, and one that was issued before anybody looked.

$ bpfvm trace --timeline examples/scripts/biosnoop.py examples/biosnoop.py
TIME(s)      COMM           PID    DISK      T SECTOR     BYTES   LAT(ms)
0.000000     cat            7      sda       R 2048       8192       1.50
0.004500     kworker/u4:1   30     sda       W 4096       512        5.90

$ bpfvm trace --timeline examples/scripts/biosnoop.py --object examples/c/biosnoop.o
events: took=1500000 sector=2048 bytes=8192 kind=0 pid=7 comm=cat disk=sda
events: took=5900000 sector=4096 bytes=512 kind=1 pid=30 comm=kworker/u4:1 disk=sda
.rodata (array, 1 entry; 2 that are 0 not shown)
issued (hash, 10240 entries)
events: 0 events were lost
"""

from bpfvm import vmlinux
from bpfvm.timeline import Task

DISK = vmlinux.new("request_queue", disk=vmlinux.new("gendisk", disk_name="sda", major=8))
READ, WRITE, OLD = (
    vmlinux.new("request", q=DISK, __sector=sector, cmd_flags=flags)
    for sector, flags in ((2048, 0), (4096, 0x801), (0, 2))
)
CAT, FLUSH, IDLE = Task(7, "cat"), Task(30, "kworker/u4:1"), Task(0, "swapper/0")


def script(timeline):
    timeline.at("1s", "block_rq_issue", READ, by=CAT)
    timeline.at("1000100us", "block_rq_issue", WRITE, by=FLUSH)
    timeline.at("1000200us", "block_rq_complete", OLD, nr_bytes=512, by=IDLE)
    timeline.at("1001500us", "block_rq_complete", READ, nr_bytes=8192, by=IDLE)  # in whatever task runs
    timeline.at("1006ms", "block_rq_complete", WRITE, nr_bytes=512, by=IDLE)
