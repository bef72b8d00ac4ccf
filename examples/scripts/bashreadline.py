"""Two lines in a shell, and one in something else.

$ bpfvm trace --timeline examples/scripts/bashreadline.py examples/bashreadline.py
TIME      PID     COMMAND
00:00:01  7       ls -l
00:01:00  7       exit
"""

from bpfvm.timeline import Task

BASH, PYTHON = Task(7, "bash"), Task(8, "python3")


def script(timeline):
    timeline.at("1s", "/bin/bash:readline", by=BASH, ret="ls -l")
    timeline.at("2s", "/bin/bash:readline", by=PYTHON, ret="import this")
    timeline.at("60s", "/bin/bash:readline", by=BASH, ret="exit")
