"""Two lines in a shell, and one in something else.

$ bpfvm trace --timeline examples/scripts/uprobe_readline.py examples/uprobe_readline.py
            bash-7       [000] .....     1.000000: bpf_trace_printk: ls -l
            bash-7       [000] .....    60.250000: bpf_trace_printk: exit
"""

from bpfvm.timeline import Task

BASH, PYTHON = Task(7, "bash"), Task(8, "python3")


def script(timeline):
    timeline.at("1s", "/bin/bash:readline", by=BASH, ret="ls -l")
    timeline.at("2s", "/bin/bash:readline", by=PYTHON, ret="import this")
    timeline.at("60.25s", "/bin/bash:readline", by=BASH, ret="exit")
