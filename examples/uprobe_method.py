"""What a server of KyotoTycoon looks up and stores: all of it, only `get` or `set`, or one key.

bpfvm trace examples/uprobe_method.py --binary /usr/bin/ktserver set beer
"""

import argparse

from bpfvm import UserPtr, bpf, char, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("what", nargs="?", choices=("get", "set"))
ap.add_argument("key", nargs="?")
ap.add_argument("-b", "--binary", default="ktserver")
ap.add_argument("--pipe", help="another trace pipe than the kernel's one, such as that of a tracing instance")
args = ap.parse_args()

WRITES = args.what == "set"


@bpf.uprobe(f"{args.binary}:kyotocabinet::StashDB::accept")  # a method of C++, whatever its symbol is
def accept(this: u64, key: UserPtr[char], size: u64, visitor: u64, writable: bool):
    if args.what and writable != WRITES:  # what is not asked for is not there
        return
    if args.key and (size != len(args.key) or key.str(40) != args.key):
        return
    print(f"{key.str(40)} write:{u32(writable)}")


if __name__ == "__main__":
    with bpf.attach(accept):
        for line in bpf.tracelog(args.pipe):
            print(line.message)
