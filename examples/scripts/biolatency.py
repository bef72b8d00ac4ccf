"""Three requests of a disk: two that take milliseconds, one that does not end.

$ bpfvm trace --timeline examples/scripts/biolatency.py examples/biolatency.py -m
Tracing block device I/O... Hit Ctrl-C to end.
         msecs           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 1        |****************************************|
         4 -> 7          : 1        |****************************************|
"""

from bpfvm import vmlinux

DISK = vmlinux.new("request_queue", disk=vmlinux.new("gendisk", major=8, first_minor=1))
REQUESTS = [vmlinux.new("request", q=DISK) for _ in range(3)]


def script(timeline):
    for number, one in enumerate(REQUESTS):
        timeline.at(f"{number}us", "block_rq_issue", one)
    timeline.at("2500us", "block_rq_complete", REQUESTS[0])
    timeline.at("5ms", "block_rq_complete", REQUESTS[1])
