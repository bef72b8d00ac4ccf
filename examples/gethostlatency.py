"""How long the names of hosts take to be looked up, a line for each: by the C library, -p in one process.

bpfvm trace examples/gethostlatency.py
"""

import argparse
import time

from bpfvm import Hash, Ring, UserPtr, bpf, char, comm, ktime, pid, struct, tid, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
args = ap.parse_args()


@struct
class Asked:
    ts: u64
    host: UserPtr[char]


@struct
class Answered:
    took: u64
    pid: u32
    comm: char[16]
    host: char[80]


asked = Hash(u32, Asked)
answers = Ring(Answered)


@bpf.uprobe("c:getaddrinfo", "c:gethostbyname", "c:gethostbyname2")
def enter(host: UserPtr[char]):
    if host:  # getaddrinfo of a port alone
        asked[tid()] = Asked(ts=ktime(), host=host)


@bpf.uretprobe("c:getaddrinfo", "c:gethostbyname", "c:gethostbyname2")
def leave():
    a = asked.pop(tid(), None)
    if a is not None:  # the text is read now: it is in memory for certain
        answers.submit(Answered(took=ktime() - a.ts, pid=pid(), comm=comm(), host=a.host))


if __name__ == "__main__":
    with bpf.attach(enter, leave, pid=args.pid):
        print(f"{'TIME':9} {'PID':7} {'COMM':16} {'LAT(ms)':>10} HOST")
        for e in answers:
            now = time.strftime("%H:%M:%S")
            print(f"{now:9} {e.pid:<7} {e.comm.decode():16} {e.took / 1e6:10.2f} {e.host.decode(errors='replace')}")
