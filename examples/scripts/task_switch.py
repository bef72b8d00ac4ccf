"""Two shells and the idle task.

$ bpfvm trace --timeline examples/scripts/task_switch.py examples/task_switch.py
task_switch[0 -> 7] = 2
task_switch[7 -> 0] = 1
task_switch[7 -> 9] = 1

$ bpfvm trace --timeline examples/scripts/task_switch.py examples/task_switch.py -p 9
task_switch[7 -> 9] = 1
"""

from bpfvm.timeline import Task

IDLE, ONE, OTHER = Task(0, "swapper/0"), Task(7, "bash"), Task(9, "bash")


def script(timeline):
    timeline.at(1, "sched_switch", prev=IDLE, next=ONE, by=IDLE)
    timeline.at(2, "sched_switch", prev=ONE, next=IDLE, by=ONE)
    timeline.at(3, "sched_switch", prev=IDLE, next=ONE, by=IDLE)
    timeline.at(4, "sched_switch", prev=ONE, next=OTHER, by=ONE)
