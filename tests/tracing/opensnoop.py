# mypy: disable-error-code="no-untyped-def, no-untyped-call, valid-type, type-arg"
"""Which files are opened, by whom and with what result: the kernel half of a tool, on system calls."""

from __future__ import annotations

from types import SimpleNamespace

from bpfvm import Hash, Ring, UserPtr, bpf, char, comm, ktime, pid, s32, s64, struct, tid, u32, u64, uid

options = SimpleNamespace(pid=None, uid=None, failed=False)


@struct
class Open:
    """What is known of a call before it ends."""

    fname: UserPtr[char]
    flags: s32


@struct
class Event:
    """What is told of a call."""

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
    """Both tests vanish where the options are absent."""
    if options.pid and pid() != options.pid:
        return
    if options.uid is not None and uid() != options.uid:
        return
    inflight[tid()] = Open(fname=fname, flags=flags)


@bpf.syscall("open")
def sys_open(filename: UserPtr[char], flags: s32):
    enter(filename, flags)


@bpf.syscall("openat")
def sys_openat(filename: UserPtr[char], flags: s32):
    enter(filename, flags)


@bpf.syscall_exit("open", "openat")
def sys_exit(ret: s64):
    o = inflight.get(tid())
    if o is None:
        return
    if not options.failed or ret < 0:
        events.submit(Event(ts=ktime(), pid=pid(), uid=uid(), ret=s32(ret), flags=o.flags, comm=comm(), path=o.fname))
    del inflight[tid()]
