"""Two places that allocate; one of three allocations is freed.

$ bpfvm trace --timeline examples/scripts/memleak.py examples/memleak.py 2 2
[00:00:02] Top 10 stacks with outstanding allocations:
    130 bytes in 2 allocations from stack
        malloc
        load
        main
    50 bytes in 1 allocations from stack
        malloc
        parse
        main
[00:00:04] Top 10 stacks with outstanding allocations:
    50 bytes in 1 allocations from stack
        malloc
        parse
        main
    30 bytes in 1 allocations from stack
        malloc
        load
        main

$ bpfvm trace --timeline examples/scripts/memleak.py --object examples/c/memleak.o
.rodata (array, 1 entry; 1 that is 0 not shown)
sizes (hash, 10240 entries)
allocations (hash, 1000000 entries)
            8192 {"size": 50, "stack": 6361}
           12288 {"size": 30, "stack": 4506}
totals (hash, 10240 entries)
            4506 {"size": 30, "count": 1}
            6361 {"size": 50, "count": 1}
"""

from bpfvm.timeline import Task

HERE, THERE = (Task(5, "leaky", stack=["malloc", name, "main"]) for name in ("load", "parse"))


def script(timeline):
    timeline.at(0, "c:malloc", 100, by=HERE, ret=0x1000)
    timeline.at(10, "c:malloc", 50, by=THERE, ret=0x2000, took="1us")
    timeline.at("2us", "c:malloc", 30, by=HERE, ret=0x3000)
    timeline.at("3s", "c:free", 0x1000, by=THERE)
