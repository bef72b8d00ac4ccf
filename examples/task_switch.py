"""How often one task leaves a CPU to another: -p where one of them is of a process.

bpfvm trace --duration 5 examples/task_switch.py
"""

import argparse

from bpfvm import Counter, bpf, struct, u32
from bpfvm.vmlinux import task_struct

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
args = ap.parse_args()


@struct
class Switch:
    prev: u32
    next: u32


counts = Counter(Switch)


@bpf.tp_btf("sched_switch")
def switched(prev: task_struct, next: task_struct):
    if args.pid and prev.tgid != args.pid and next.tgid != args.pid:  # not there without the option
        return
    counts[Switch(prev=u32(prev.pid), next=u32(next.pid))] += 1


if __name__ == "__main__":
    with bpf.attach(switched):
        bpf.wait()
    for pair, count in counts.most_common():
        print(f"task_switch[{pair.prev} -> {pair.next}] = {count}")
