"""Samples of a shell in two functions, one of them in the kernel, and of an idle CPU.

$ bpfvm trace --timeline examples/scripts/cpu_profile.py examples/cpu_profile.py
    vfs_read
    read+0x1c
    main
    -                bash (7)
        1

    parse+0x10
    main
    -                bash (7)
        3

$ bpfvm trace --timeline examples/scripts/cpu_profile.py examples/cpu_profile.py --folded
bash;main;parse+0x10 3
bash;main;read+0x1c;vfs_read 1
"""

from bpfvm.timeline import Task

PARSING = Task(7, "bash", stack=["parse+0x10", "main"])
READING = Task(7, "bash", stack=["read+0x1c", "main"], kernel_stack=["vfs_read"])
IDLE = Task(0, "swapper/0", kernel_stack=["cpu_idle"])


def script(timeline):
    for at, task in enumerate((PARSING, IDLE, READING, PARSING, PARSING)):
        timeline.at(f"{20 * at}ms", "cpu-clock", by=task)
