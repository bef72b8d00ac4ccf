"""Files that are opened, one that is not there.

$ bpfvm trace --timeline examples/scripts/opensnoop.py examples/opensnoop.py
PID    COMM               FD ERR PATH
7      bash                3   0 /etc/passwd
9      cat                -1   2 /nowhere

$ bpfvm trace --timeline examples/scripts/opensnoop.py examples/opensnoop.py -x
PID    COMM               FD ERR PATH
9      cat                -1   2 /nowhere

$ bpfvm trace --timeline examples/scripts/opensnoop.py examples/opensnoop.py --uid 1000
PID    COMM               FD ERR PATH
7      bash                3   0 /etc/passwd
"""

from bpfvm.timeline import Task

BASH, CAT = Task(7, "bash", uid=1000), Task(9, "cat", uid=5)


def script(timeline):
    timeline.at("1ms", "openat", filename="/etc/passwd", flags=0o1101, by=BASH, ret=3, took="40us")
    timeline.at("2ms", "open", "/nowhere", by=CAT, ret=-2)
