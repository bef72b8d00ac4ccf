"""How often a system call returns: write, unless another is named; -p of one process.

bpfvm trace examples/kprobe_write.py
"""

import argparse
import time

from bpfvm import Array, bpf, pid, u64

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-n", "--times", type=int, default=10)
ap.add_argument("call", nargs="?", default="write")
args = ap.parse_args()

hits = Array(u64, 1)


@bpf.kretsyscall(args.call)  # a function that is called __x64_sys_write here, and otherwise on other kernels
def returned():
    if args.pid and pid() != args.pid:  # not there without the option
        return
    hits[0] += 1


if __name__ == "__main__":
    with bpf.attach(returned):
        for _ in range(args.times):
            time.sleep(1)
            print(f"hits: {hits[0]}")
