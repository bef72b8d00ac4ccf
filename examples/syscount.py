"""Which system calls are made, how often: -P by process, -L with the time in them, -x those that fail, -p of a process.

bpfvm trace examples/syscount.py -L 10
"""

import argparse

from bpfvm import Hash, bpf, char, comm, ktime, pid, struct, tid, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-P", "--process", action="store_true", help="count by process, not by system call")
ap.add_argument("-x", "--failed", action="store_true")
ap.add_argument("-L", "--latency", action="store_true", help="those with the longest time first")
ap.add_argument("-T", "--top", type=int, default=10)
ap.add_argument("duration", nargs="?", type=int, default=99999999)
args = ap.parse_args()


@struct
class Key:
    number: u32  # of a system call, or of a process
    comm: char[16]


@struct
class Stat:
    count: u64
    ns: u64


start = Hash(u32, u64, 10240)
stats = Hash(Key, Stat)


@bpf.tracepoint("raw_syscalls:sys_enter")
def enter():
    if not args.pid or pid() == args.pid:
        start[tid()] = ktime()


@bpf.tracepoint("raw_syscalls:sys_exit")
def leave(id, ret):
    if args.pid and pid() != args.pid:  # what is not asked for is not there
        return
    if args.failed and ret >= 0:
        return
    took = u64(0)
    if args.latency:
        began = start.pop(tid(), None)
        if began is None:
            return
        took = ktime() - began
    key = Key(number=pid(), comm=comm()) if args.process else Key(number=u32(id))
    stats.setdefault(key, Stat())
    stats[key].count += 1  # atomic, of a field
    stats[key].ns += took


def row(key, stat):
    """What is shown of one: its name, how often, and how long in microseconds."""
    name = f"{key.number} {key.comm.decode()}" if args.process else bpf.syscall_name(key.number)
    return (name, stat.count, stat.ns / 1000) if args.latency else (name, stat.count)


if __name__ == "__main__":
    with bpf.attach(*((enter, leave) if args.latency else (leave,))):
        print("Tracing system calls... Hit Ctrl-C to end.")
        bpf.wait(args.duration)
    found = sorted(stats.items(), key=lambda kv: kv[1].ns if args.latency else kv[1].count, reverse=True)
    columns = ["PROCESS" if args.process else "SYSCALL", "COUNT", *(["TIME (us)"] if args.latency else [])]
    print(bpf.table([row(*one) for one in found[: args.top]], columns), end="")
