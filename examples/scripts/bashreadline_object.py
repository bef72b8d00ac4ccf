"""Two lines in a shell.

$ bpfvm trace --timeline examples/scripts/bashreadline_object.py examples/bashreadline_object.py
TIME      PID     COMMAND
00:00:01  7       ls -l
00:01:00  7       exit
$ bpfvm trace --timeline examples/scripts/bashreadline_object.py --object examples/c/bashreadline.o
events: pid=7 text=ls -l
events: pid=7 text=exit
events: 0 events were lost
"""

from bpfvm.timeline import Task

BASH = Task(7, "bash")


def script(timeline):
    timeline.at("1s", "/bin/bash:readline", by=BASH, ret="ls -l")
    timeline.at("60s", "/bin/bash:readline", by=BASH, ret="exit")
