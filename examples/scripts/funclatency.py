"""Three calls of a function, and one that does not return.

$ bpfvm trace --timeline examples/scripts/funclatency.py examples/funclatency.py -u
Tracing vfs_read... Hit Ctrl-C to end.
         usecs           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 2        |****************************************|
         4 -> 7          : 0        |                                        |
         8 -> 15         : 0        |                                        |
        16 -> 31         : 0        |                                        |
        32 -> 63         : 1        |********************                    |

avg = 15 usecs, total: 45 usecs, count: 3

$ bpfvm trace --timeline examples/scripts/funclatency.py examples/funclatency.py -p 9 c:malloc
Tracing c:malloc... Hit Ctrl-C to end.
         nsecs           : count     distribution
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

avg = 2500 nsecs, total: 2500 nsecs, count: 1
"""

from bpfvm.timeline import Task

BASH, CAT = Task(7, "bash"), Task(9, "cat")


def script(timeline):
    called = timeline.programs[0].hook.targets[0]
    timeline.at(0, called, by=BASH, ret=0, took="3us")
    timeline.at("10us", called, by=CAT, ret=0, took="2500ns")
    timeline.at("20us", called, by=BASH, ret=0, took="40us")
    timeline.at("100us", called, by=CAT)
