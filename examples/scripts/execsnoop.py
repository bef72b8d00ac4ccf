"""A command that is there, and one that is not.

$ bpfvm trace --timeline examples/scripts/execsnoop.py examples/execsnoop.py
PCOMM            PID     PPID    RET ARGS
ls               7       1         0 /bin/ls -l /etc
bash             8       1        -2 /bin/none

$ bpfvm trace --timeline examples/scripts/execsnoop.py examples/execsnoop.py --ppid 2
PCOMM            PID     PPID    RET ARGS
"""

from bpfvm.timeline import Task

INIT = Task(1, "systemd")
LS, BASH = Task(7, "ls", parent=INIT), Task(8, "bash", parent=INIT)


def script(timeline):
    timeline.at(0, "execve", "/bin/ls", ["ls", "-l", "/etc"], by=LS, ret=0, took="1ms")
    timeline.at("2ms", "execve", "/bin/none", [], by=BASH, ret=-2)
