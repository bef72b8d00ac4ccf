"""Two processes.

$ bpfvm trace --timeline examples/scripts/strlen_count.py examples/strlen_count.py
TIME(s)            COMM             PID    MESSAGE
0.000040           bash             7      strlen("PATH=/bin")
0.000050           cat              9      strlen("")
3.500000           bash             7      strlen("ls")

$ bpfvm trace --timeline examples/scripts/strlen_count.py examples/strlen_count.py 9
TIME(s)            COMM             PID    MESSAGE
0.000050           cat              9      strlen("")

$ bpfvm trace --timeline examples/scripts/strlen_count.py --object examples/c/strlen_count.o
events: pid=7 text=PATH=/bin
events: pid=9 text=
events: pid=7 text=ls
.rodata (array, 1 entry; 1 that is 0 not shown)
events: 0 events were lost
"""

from bpfvm.timeline import Task

BASH, CAT = Task(7, "bash"), Task(9, "cat")


def script(timeline):
    timeline.at("40us", "c:strlen", "PATH=/bin", by=BASH)
    timeline.at("50us", "c:strlen", "", by=CAT)
    timeline.at("3.5s", "c:strlen", "ls", by=BASH)
