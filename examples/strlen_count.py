"""Texts whose length a process asks for.

bpfvm trace examples/strlen_count.py 1234
"""

import argparse

from bpfvm import UserPtr, bpf, char, pid

ap = argparse.ArgumentParser()
ap.add_argument("pid", nargs="?", type=int, help="of one process; else of all that use the library")
ap.add_argument("-l", "--library", default="c")
ap.add_argument("--pipe", help="another trace pipe than the kernel's one, such as that of a tracing instance")
args = ap.parse_args()


@bpf.uprobe(f"{args.library}:strlen")
def strlen(text: UserPtr[char]):
    if args.pid and pid() != args.pid:
        return
    print(f'strlen("{text.str(80)}")')


if __name__ == "__main__":
    with bpf.attach(strlen, pid=args.pid):
        print(f"{'TIME(s)':18} {'COMM':16} {'PID':6} MESSAGE")
        for line in bpf.tracelog(args.pipe):
            if line.message.startswith("strlen("):  # there is one log for all programs
                print(f"{line.time:<18.6f} {line.task:16} {line.pid:<6} {line.message}")
