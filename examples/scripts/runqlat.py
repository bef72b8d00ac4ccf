"""A task that waits 250 microseconds when it is woken, and 8 milliseconds after it had to leave.

$ bpfvm trace --timeline examples/scripts/runqlat.py examples/runqlat.py
         usecs           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 0        |                                        |
         4 -> 7          : 0        |                                        |
         8 -> 15         : 0        |                                        |
        16 -> 31         : 0        |                                        |
        32 -> 63         : 0        |                                        |
        64 -> 127        : 0        |                                        |
       128 -> 255        : 1        |****************************************|
       256 -> 511        : 0        |                                        |
       512 -> 1023       : 0        |                                        |
      1024 -> 2047       : 0        |                                        |
      2048 -> 4095       : 0        |                                        |
      4096 -> 8191       : 1        |****************************************|

$ bpfvm trace --timeline examples/scripts/runqlat.py examples/runqlat.py 99
dist: nothing was counted
"""

from bpfvm.timeline import Task

BASH, IDLE = Task(7, "bash"), Task(0, "swapper/0")


def script(timeline):
    timeline.at(0, "sched_wakeup", BASH)
    timeline.at("250us", "sched_switch", prev=IDLE, next=BASH, by=IDLE)
    timeline.at("1ms", "sched_switch", prev=BASH, next=IDLE, by=BASH)
    timeline.at("9ms", "sched_switch", prev=IDLE, next=BASH, by=IDLE)
