"""Two shells that take turns, between them nobody.

$ bpfvm trace --timeline examples/scripts/cpudist.py examples/cpudist.py
Tracing on-CPU time... Hit Ctrl-C to end.
         usecs           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 0        |                                        |
         4 -> 7          : 0        |                                        |
         8 -> 15         : 0        |                                        |
        16 -> 31         : 0        |                                        |
        32 -> 63         : 0        |                                        |
        64 -> 127        : 0        |                                        |
       128 -> 255        : 0        |                                        |
       256 -> 511        : 0        |                                        |
       512 -> 1023       : 0        |                                        |
      1024 -> 2047       : 0        |                                        |
      2048 -> 4095       : 2        |****************************************|
      4096 -> 8191       : 2        |****************************************|

$ bpfvm trace --timeline examples/scripts/cpudist.py examples/cpudist.py -P -m
Tracing on-CPU time... Hit Ctrl-C to end.
process = 7 bash
         msecs           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 2        |****************************************|

process = 9 dash
         msecs           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 0        |                                        |
         4 -> 7          : 2        |****************************************|

$ bpfvm trace --timeline examples/scripts/cpudist.py examples/cpudist.py -O -p 9
Tracing off-CPU time... Hit Ctrl-C to end.
         usecs           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 0        |                                        |
         4 -> 7          : 0        |                                        |
         8 -> 15         : 0        |                                        |
        16 -> 31         : 0        |                                        |
        32 -> 63         : 0        |                                        |
        64 -> 127        : 0        |                                        |
       128 -> 255        : 0        |                                        |
       256 -> 511        : 0        |                                        |
       512 -> 1023       : 0        |                                        |
      1024 -> 2047       : 0        |                                        |
      2048 -> 4095       : 1        |****************************************|
"""

from bpfvm.timeline import Task

IDLE, BASH = Task(0, "swapper/0"), Task(7, "bash")
THREAD = Task(7, "reader", tid=8, group_leader=BASH)
DASH = Task(9, "dash")


def script(timeline):
    def switch(time, prev, next):
        timeline.at(time, "sched_switch", prev=prev, next=next, by=prev)

    switch("1ms", IDLE, BASH)
    switch("4ms", BASH, DASH)
    switch("9ms", DASH, IDLE)
    switch("12ms", IDLE, DASH)
    switch("18ms", DASH, THREAD)
    switch("21ms", THREAD, IDLE)
