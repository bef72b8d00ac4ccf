"""Two processes that write to a disk, one of them where no stack can be walked.

$ bpfvm trace --timeline examples/scripts/stacksnoop.py examples/stacksnoop.py
TIME(s)            FUNCTION
0.000000000        submit_bio
    submit_bio
    ext4_sync_file
    do_fsync
0.000250000        submit_bio

$ bpfvm trace --timeline examples/scripts/stacksnoop.py examples/stacksnoop.py -v -p 9
TIME(s)            COMM         PID    CPU FUNCTION
0.000000000        dd           9      1   submit_bio

$ bpfvm trace --timeline examples/scripts/stacksnoop.py examples/stacksnoop.py -s -p 7
TIME(s)            FUNCTION
0.000000000        submit_bio
    ffffffff83e94000 submit_bio
    ffffffff8364b000 ext4_sync_file
    ffffffff82f8d000 do_fsync

$ bpfvm trace --timeline examples/scripts/stacksnoop.py --object examples/c/stacksnoop.o
events: pid=7 cpu=0 stack=5238 comm=sync
events: pid=9 cpu=1 stack=-14 comm=dd
.rodata (array, 1 entry; 1 that is 0 not shown)
events: 0 events were lost
"""

from bpfvm.timeline import Task

SYNC = Task(7, "sync", kernel_stack=["submit_bio", "ext4_sync_file", "do_fsync"])
COPY = Task(9, "dd", cpu=1)


def script(timeline):
    timeline.at("1s", "submit_bio", by=SYNC)
    timeline.at("1000250us", "submit_bio", by=COPY)
