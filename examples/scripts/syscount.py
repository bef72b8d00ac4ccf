"""Two shells: reads that take microseconds, one that takes a second, and a file that is not there.

$ bpfvm trace --timeline examples/scripts/syscount.py examples/syscount.py
Tracing system calls... Hit Ctrl-C to end.
SYSCALL  COUNT
read         3
openat       1

$ bpfvm trace --timeline examples/scripts/syscount.py examples/syscount.py -L
Tracing system calls... Hit Ctrl-C to end.
SYSCALL  COUNT   TIME (us)
read         3  1000012.00
openat       1        9.00

$ bpfvm trace --timeline examples/scripts/syscount.py examples/syscount.py -P -L
Tracing system calls... Hit Ctrl-C to end.
PROCESS  COUNT   TIME (us)
9 dash       1  1000000.00
7 bash       3       21.00

$ bpfvm trace --timeline examples/scripts/syscount.py examples/syscount.py -x -p 7
Tracing system calls... Hit Ctrl-C to end.
SYSCALL  COUNT
openat       1
"""

from bpfvm.timeline import Task

BASH, DASH = Task(7, "bash"), Task(9, "dash")
READ, OPENAT = 0, 257


def script(timeline):
    def call(start, end, number, ret, by):
        if len(timeline.programs) > 1:
            timeline.at(start, "raw_syscalls:sys_enter", id=number, by=by)
        timeline.at(end, "raw_syscalls:sys_exit", id=number, ret=ret, by=by)

    call("1us", "5us", READ, 10, BASH)
    call("10us", "1000010us", READ, 1, DASH)
    call("2s", "2000008us", READ, 0, BASH)
    call("3s", "3000009us", OPENAT, -2, BASH)
