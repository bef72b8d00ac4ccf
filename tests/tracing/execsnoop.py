# mypy: disable-error-code="no-untyped-def, no-untyped-call, valid-type, type-arg"
"""What is executed, with its arguments: the kernel half of a tool, on a system call that has a row of pointers."""

from __future__ import annotations

from enum import IntEnum

from bpfvm import Ring, UserPtr, bpf, char, comm, current, pid, s32, s64, struct, u32, uid

MAXARG = 20


class Kind(IntEnum):
    """What an event is of."""

    ARG = 0
    RET = 1


@struct
class Event:
    """One argument, or the result."""

    kind: Kind
    pid: u32
    ppid: u32
    uid: u32
    ret: s32
    comm: char[16]
    arg: char[128]


events = Ring(Event, 1 << 20)


def send(kind, ret, arg):
    """Written out at each call: for texts of a process and for constants."""
    events.submit(
        Event(kind=kind, pid=pid(), ppid=current().real_parent.tgid, uid=uid(), ret=ret, comm=comm(), arg=arg)
    )


@bpf.syscall("execve")
def enter(filename: UserPtr[char], argv: UserPtr[UserPtr[char]]):
    send(Kind.ARG, 0, filename)
    for i in range(1, MAXARG):
        p = argv[i]
        if not p:
            return
        send(Kind.ARG, 0, p)
    send(Kind.ARG, 0, "...")


@bpf.syscall_exit("execve")
def leave(ret: s64):
    send(Kind.RET, ret, b"")
