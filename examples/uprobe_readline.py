"""What is typed into shells, printed by the program itself and read from the trace log.

bpfvm trace examples/uprobe_readline.py
"""

import argparse

from bpfvm import UserPtr, bpf, char, comm

ap = argparse.ArgumentParser()
ap.add_argument("--pipe", help="another trace pipe than the kernel's one, such as that of a tracing instance")
args = ap.parse_args()


@bpf.uretprobe("/bin/bash:readline")
def readline(ret: UserPtr[char]):
    if ret and comm() == "bash":
        print(ret.str(80))


if __name__ == "__main__":
    with bpf.attach(readline):
        for line in bpf.tracelog(args.pipe):
            print(line.text)
