# mypy: disable-error-code="no-untyped-def, no-untyped-call, valid-type, type-arg, arg-type, call-arg, index, misc"
"""Programs that note what happens to one process: on tracepoints by their records and by BTF, on functions of the
kernel by probes and by trampolines. Only events with a number that nobody else uses count."""

from __future__ import annotations

from types import SimpleNamespace

from bpfvm import (
    Array,
    Hash,
    KernelPtr,
    StackTrace,
    bpf,
    char,
    comm,
    cpu,
    gid,
    pid,
    s16,
    s32,
    s64,
    struct,
    tid,
    u32,
    u64,
    uid,
)
from bpfvm.vmlinux import file, task_struct

ROOM = 1 << 16  # places for stacks: two with the same number, of which the kernel tells only -EEXIST, are rare
SIZE = 4321  # bytes that the test asks for, and nothing else of its process
own = SimpleNamespace(pid=0)


@struct
class Noted:
    """What a program found."""

    pid: u32
    tid: u32
    uid: u32
    gid: u32
    cpu: u32
    user: s32
    kernel: s32
    number: s64
    comm: char[16]
    text: char[16]


noted = Hash(u32, Noted, 64)
stacks = StackTrace(ROOM, depth=16)
inside = Array(u32, 4)
answers = Hash(u32, s64, 16)


@struct
class Path:
    text: char[48]


paths = Array(Path, 1)


def note(key, number, text):
    noted[key] = Noted(pid=pid(), tid=tid(), uid=uid(), gid=gid(), cpu=cpu(), number=number, comm=comm(), text=text,
                       user=s32(stacks.id(user=True)), kernel=s32(stacks.id()))  # fmt: skip


@bpf.tracepoint("task:task_rename")
def renamed(newcomm, oom_score_adj: s16):
    if pid() == own.pid:
        note(1, s64(oom_score_adj), newcomm)


@bpf.tp_btf("task_rename")
def renamed_by_btf(task: task_struct, comm: KernelPtr[char]):
    if pid() == own.pid:
        note(2, s64(task.tgid), comm)


@bpf.kprobe("vfs_read")
def reading(file: u64, buf: u64, count: u64):  # arguments of probes go by their order
    if pid() == own.pid and count == SIZE:
        inside[0] = 1
        note(3, s64(count), b"")


@bpf.kretprobe("vfs_read")
def was_read(ret: s64):
    if pid() == own.pid and inside[0]:
        inside[0] = 0
        note(4, ret, b"")


@bpf.fentry("vfs_read")
def entered(count: u64):
    if pid() == own.pid and count == SIZE:
        note(5, s64(count), b"")


@bpf.fexit("vfs_read")
def left(count: u64, ret: s64):
    if pid() == own.pid and count == SIZE:
        note(6, ret, b"")


@bpf.fentry("vfs_read")
def numbered(ctx):
    value = u64[1]()
    found = bpf.helper.get_func_arg(ctx, 2, value)
    if pid() == own.pid and value[0] == SIZE:
        answers[0], answers[1], answers[2] = found, s64(value[0]), bpf.helper.get_func_arg_cnt(ctx)
        answers[3] = bpf.helper.get_func_arg(ctx, 4, value)
        answers[4] = bpf.helper.get_func_ret(ctx, value)


@bpf.fexit("vfs_read")
def resulted(ctx):
    value = u64[1]()
    bpf.helper.get_func_arg(ctx, 2, value)
    if pid() == own.pid and value[0] == SIZE:
        answers[5] = bpf.helper.get_func_ret(ctx, value)
        answers[6] = s64(value[0])


@bpf.fentry("vfs_fallocate")
def allocated(file: file, len: s64):
    if pid() == own.pid and len == SIZE:
        path = Path()
        answers[7] = bpf.helper.d_path(file.f_path, path.text)
        paths[0] = path
        total = u64(0)  # of what stands behind the zero, too
        for at in range(48):
            total = total * 31 + path.text[at]
        answers[8] = s64(total & 0xFFFF_FFFF)
