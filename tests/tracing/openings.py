# mypy: disable-error-code="no-untyped-def, type-arg, valid-type"
"""What files are opened, told when it is known how that ended: addresses of texts stand in a map until then."""

from __future__ import annotations

from bpfvm import Hash, Ring, UserPtr, bpf, char, s32, s64, struct, tid, u32


@struct
class Opened:
    ret: s32
    path: char[32]


names = Hash(u32, UserPtr[char])
opened = Ring(Opened)


@bpf.syscall("openat")
def begins(filename: UserPtr[char]):
    names[tid()] = filename


@bpf.syscall_exit("openat")
def ends(ret: s64):
    name = names.pop(tid(), None)
    if name is not None:
        opened.submit(Opened(ret=s32(ret), path=name))
