"""By which ways a function of the kernel is called: -p by one process, -v with who calls, -s with addresses.

bpfvm trace examples/stacksnoop.py -v submit_bio
"""

import argparse

from bpfvm import Ring, StackTrace, bpf, char, comm, cpu, ktime, pid, s32, struct, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-s", "--addresses", action="store_true")
ap.add_argument("-v", "--verbose", action="store_true")
ap.add_argument("function", nargs="?", default="submit_bio")
args = ap.parse_args()


@struct
class Call:
    ts: u64
    pid: u32
    cpu: u32
    stack: s32
    comm: char[16]


calls = Ring(Call)
stacks = StackTrace(16384)


@bpf.kprobe(args.function)
def called():
    if args.pid and pid() != args.pid:
        return
    calls.submit(Call(ts=ktime(), pid=pid(), cpu=cpu(), stack=s32(stacks.id()), comm=comm()))


if __name__ == "__main__":
    with bpf.attach(called):
        print(f"{'TIME(s)':18}" + (f" {'COMM':12} {'PID':6} CPU" if args.verbose else "") + " FUNCTION")
        first = None
        for e in calls:
            first = e.ts if first is None else first
            who = f" {e.comm.decode():12} {e.pid:<6} {e.cpu:<3}" if args.verbose else ""
            print(f"{(e.ts - first) / 1e9:<18.9f}{who} {args.function}")
            for address, frame in zip(stacks.stack(e.stack), stacks.frames(e.stack), strict=True):
                print(f"    {address:016x} {frame}" if args.addresses else f"    {frame}")
