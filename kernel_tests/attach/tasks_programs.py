# mypy: disable-error-code="no-untyped-def, no-untyped-call, valid-type, type-arg, arg-type, call-arg, index, misc"
"""Programs that note their task, arguments and stacks: on a function, a system call, samples by time."""

from __future__ import annotations

import os
from types import SimpleNamespace

from bpfvm import Array, Hash, StackTrace, UserPtr, bpf, char, comm, cpu, gid, pid, s32, s64, struct, tid, u32, u64, uid
from kernel_tests.attach.events_programs import ROOM

EXCLUSIVE = os.O_EXCL  # what the test opens, and nothing else of its process
own = SimpleNamespace(pid=0)


@struct
class Noted:
    """What a program found."""

    pid: u32
    tid: u32
    uid: u32
    gid: u32
    cpu: u32
    argument: u32
    user: s32
    kernel: s32
    comm: char[16]
    text: char[32]


noted = Hash(u32, Noted, 64)
stacks = StackTrace(ROOM, depth=16)
words = Array(u64, 8)
shallow = StackTrace(64, depth=2)
answers = Array(s64, 64)


@bpf.uprobe("c:getpgid")
def called(who: s32):
    if pid() != own.pid:
        return
    noted[u32(who)] = Noted(pid=pid(), tid=tid(), uid=uid(), gid=gid(), cpu=cpu(), argument=u32(who), comm=comm(),
                            user=s32(stacks.id(user=True)), kernel=s32(stacks.id()))  # fmt: skip


@bpf.uprobe("c:getpgid")
def skipping(ctx):
    """Both helpers with 0 to 15 frames left out."""
    if pid() != own.pid:
        return
    room = u64[4]()
    for skip in range(16):
        answers[skip] = s64(bpf.helper.get_stackid(ctx, stacks, 256 | skip))
        answers[16 + skip] = s64(bpf.helper.get_stackid(ctx, shallow, 256 | skip))
        answers[32 + skip] = s64(bpf.helper.get_stack(ctx, room, 32, 256 | skip))
        words[7] += room[0] + room[3]
    answers[48] = s64(bpf.helper.get_stack(ctx, room, 32, 1))
    answers[49] = s64(bpf.helper.get_stackid(ctx, stacks, 1 << 20))


@bpf.uretprobe("c:getpgid")
def left(ret: s32):
    if pid() == own.pid:
        words[0] += u64(ret)
        words[1] += 1


@bpf.syscall("openat")
def opening(filename: UserPtr[char], flags: s32):
    if pid() == own.pid and flags & EXCLUSIVE:
        words[2] += u64(flags)
        words[6] = 1
        noted[100] = Noted(pid=pid(), tid=tid(), comm=comm(), text=filename)


@bpf.syscall_exit("openat")
def opened(ret: s64):
    if pid() == own.pid and words[6] == 1:
        words[3] = u64(ret)
        words[6] = 0


@bpf.perf_event("cpu-clock")
def sampled(ctx):
    if pid() != own.pid:
        return
    words[4] = ctx.sample_period
    words[5] = ctx.regs.ip
    noted[200] = Noted(pid=pid(), tid=tid(), uid=uid(), gid=gid(), cpu=cpu(), comm=comm(),
                       user=s32(stacks.id(user=True)), kernel=s32(stacks.id()))  # fmt: skip
