"""What files are opened, by whom, with what result."""

from bpfvm import Hash, Ring, UserPtr, bpf, char, comm, ktime, pid, s32, s64, struct, tid, u32, u64, uid


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


@bpf.syscall("open")
def sys_open(filename: UserPtr[char], flags: s32):
    inflight[tid()] = Open(fname=filename, flags=flags)


@bpf.syscall("openat")
def sys_openat(filename: UserPtr[char], flags: s32):
    inflight[tid()] = Open(fname=filename, flags=flags)


@bpf.syscall_exit("open", "openat")
def sys_open_exit(ret: s64):
    o = inflight.get(tid())
    if o is None:
        return
    events.submit(Event(ts=ktime(), pid=pid(), uid=uid(), ret=s32(ret), flags=o.flags, comm=comm(), path=o.fname))
    del inflight[tid()]
