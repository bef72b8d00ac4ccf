"""Two shells and the idle task.

$ bpfvm trace --timeline examples/scripts/task_switch.py examples/task_switch.py
task_switch[0 -> 7] = 2
task_switch[7 -> 0] = 1
task_switch[7 -> 9] = 1

$ bpfvm trace --timeline examples/scripts/task_switch.py examples/task_switch.py -p 9
task_switch[7 -> 9] = 1

$ bpfvm trace --timeline examples/scripts/task_switch.py --object examples/c/task_switch.o
.rodata (array, 1 entry; 1 that is 0 not shown)
counts (hash, 10240 entries)
  {"prev": 7, "next": 9}        1
  {"prev": 0, "next": 7}        2
  {"prev": 7, "next": 0}        1
"""

from bpfvm.timeline import Task

IDLE, ONE, OTHER = Task(0, "swapper/0"), Task(7, "bash"), Task(9, "bash")


def script(timeline):
    timeline.at(1, "sched_switch", prev=IDLE, next=ONE, by=IDLE)
    timeline.at(2, "sched_switch", prev=ONE, next=IDLE, by=ONE)
    timeline.at(3, "sched_switch", prev=IDLE, next=ONE, by=IDLE)
    timeline.at(4, "sched_switch", prev=ONE, next=OTHER, by=ONE)
