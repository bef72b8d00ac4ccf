"""Which files are opened, by whom and with what result: -x only what failed, -p of a process, -u of a user.

bpfvm trace examples/opensnoop.py -x
"""

import argparse

from bpfvm import Hash, Ring, UserPtr, bpf, char, comm, ktime, pid, s32, s64, struct, tid, u32, u64, uid

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-u", "--uid", type=int)
ap.add_argument("-x", "--failed", action="store_true")
args = ap.parse_args()


@struct
class Open:
    fname: UserPtr[char]
    flags: s32


@struct
class Event:
    ts: u64
    pid: u32
    uid: u32
    ret: s32
    flags: s32
    comm: char[16]
    path: char[255]


inflight = Hash(u32, Open, 10240)
events = Ring(Event, 1 << 20)


def enter(fname: UserPtr[char], flags: s32):
    if args.pid and pid() != args.pid:  # both tests are not there without the options
        return
    if args.uid is not None and uid() != args.uid:
        return
    inflight[tid()] = Open(fname=fname, flags=flags)


@bpf.syscall("open")
def sys_open(filename: UserPtr[char], flags: s32):
    enter(filename, flags)


@bpf.syscall("openat")
def sys_openat(filename: UserPtr[char], flags: s32):  # its dfd is not wanted: arguments go by their names
    enter(filename, flags)


@bpf.syscall_exit("open", "openat")
def sys_exit(ret: s64):
    o = inflight.get(tid())
    if o is None:
        return
    if not args.failed or ret < 0:
        events.submit(Event(ts=ktime(), pid=pid(), uid=uid(), ret=s32(ret), flags=o.flags, comm=comm(), path=o.fname))
    del inflight[tid()]


if __name__ == "__main__":
    with bpf.attach(sys_open, sys_openat, sys_exit):
        print(f"{'PID':6} {'COMM':16} {'FD':>4} {'ERR':>3} PATH")
        for e in events:
            fd, err = (e.ret, 0) if e.ret >= 0 else (-1, -e.ret)
            print(f"{e.pid:<6} {e.comm.decode():16} {fd:>4} {err:>3} {e.path.decode(errors='replace')}")
