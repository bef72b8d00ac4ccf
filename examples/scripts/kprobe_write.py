"""Two processes that write.

$ bpfvm trace --timeline examples/scripts/kprobe_write.py examples/kprobe_write.py -n 3
hits: 2
hits: 3
hits: 3

$ bpfvm trace --timeline examples/scripts/kprobe_write.py examples/kprobe_write.py -n 2 -p 9
hits: 1
hits: 1
"""

from bpfvm.timeline import Task

BASH, CAT = Task(7, "bash"), Task(9, "cat")


def script(timeline):
    timeline.at("100ms", "write", by=BASH, ret=2)
    timeline.at("200ms", "write", by=CAT, ret=-32)
    timeline.at("1500ms", "write", by=BASH, ret=3)
