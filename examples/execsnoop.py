"""What is executed, with its arguments and its result: -P by children of one process.

bpfvm trace examples/execsnoop.py
"""

import argparse
from collections import defaultdict
from enum import IntEnum

from bpfvm import Ring, UserPtr, bpf, char, comm, current, pid, s32, s64, struct, u32, uid

MAXARG = 20
ap = argparse.ArgumentParser()
ap.add_argument("-P", "--ppid", type=int)
args = ap.parse_args()


class Kind(IntEnum):
    ARG = 0
    RET = 1


@struct
class Event:
    kind: Kind
    pid: u32
    ppid: u32
    uid: u32
    ret: s32
    comm: char[16]
    arg: char[128]


events = Ring(Event, 1 << 20)


def send(kind, ret, arg):
    ppid = u32(current().real_parent.tgid)
    if args.ppid and ppid != args.ppid:  # not there without the option
        return
    events.submit(Event(kind=kind, pid=pid(), ppid=ppid, uid=uid(), ret=ret, comm=comm(), arg=arg))


@bpf.syscall("execve")
def enter(filename: UserPtr[char], argv: UserPtr[UserPtr[char]]):
    send(Kind.ARG, 0, filename)
    for i in range(1, MAXARG):
        p = argv[i]  # one pointer of the process' memory
        if not p:
            return
        send(Kind.ARG, 0, p)
    send(Kind.ARG, 0, "...")


@bpf.syscall_exit("execve")
def leave(ret: s64):
    send(Kind.RET, s32(ret), b"")


if __name__ == "__main__":
    argv = defaultdict(list)
    with bpf.attach(enter, leave):
        print(f"{'PCOMM':16} {'PID':7} {'PPID':7} RET ARGS")
        for e in events:
            match e.kind:
                case Kind.ARG:
                    argv[e.pid].append(e.arg.decode(errors="replace"))
                case Kind.RET:
                    line = " ".join(argv.pop(e.pid, []))
                    print(f"{e.comm.decode():16} {e.pid:<7} {e.ppid:<7} {e.ret:>3} {line}")
