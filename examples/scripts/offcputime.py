"""A shell that reads twice.

$ bpfvm trace --timeline examples/scripts/offcputime.py examples/offcputime.py -p 7
    schedule+0x2a
    do_nanosleep+0x6e
    read+0x1c
    main
    -                bash (7)
        6000

$ bpfvm trace --timeline examples/scripts/offcputime.py examples/offcputime.py --folded -p 7
bash;main;read+0x1c;do_nanosleep+0x6e;schedule+0x2a 6000

$ bpfvm trace --timeline examples/scripts/offcputime.py --object examples/c/offcputime.o
.rodata (array, 1 entry; 1 that is 0 not shown)
start (hash, 10240 entries)
               0  7000000
counts (hash, 10240 entries)
  {"pid": 0, "user": -14, "kernel": -14, "name": "swapper/0"}     1000
  {"pid": 7, "user": 609, "kernel": 410, "name": "bash"}     6000
"""

from bpfvm.timeline import Task

BASH = Task(7, "bash", stack=["read+0x1c", "main"], kernel_stack=["schedule+0x2a", "do_nanosleep+0x6e"])
IDLE = Task(0, "swapper/0")


def script(timeline):
    timeline.at(0, "finish_task_switch", BASH, by=IDLE)
    timeline.at("5ms", "finish_task_switch", IDLE, by=BASH)
    timeline.at("6ms", "finish_task_switch", BASH, by=IDLE)
    timeline.at("7ms", "finish_task_switch", IDLE, by=BASH)
