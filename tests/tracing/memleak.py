# mypy: disable-error-code="no-untyped-def, valid-type, type-arg, call-arg"
"""What is allocated and not freed, by stacks: the kernel half of a tool, on functions of a library."""

from __future__ import annotations

from bpfvm import Hash, StackTrace, bpf, ktime, s32, struct, tid, u32, u64


@struct
class Alloc:
    """One that is not freed yet."""

    size: u64
    ts: u64
    stack: s32


@struct
class Total:
    """All of one stack."""

    size: u64
    count: u64


sizes = Hash(u32, u64, 10240)
allocs = Hash(u64, Alloc, 100_000)
totals = Hash(s32, Total, 10240)
stacks = StackTrace(10240)
SAMPLE = 1


@bpf.uprobe("c:malloc")
def malloc(size: u64):
    if SAMPLE > 1 and ktime() % SAMPLE:
        return
    sizes[tid()] = size


@bpf.uretprobe("c:malloc")
def malloc_ret(ret: u64):
    size = sizes.pop(tid(), None)
    if size is None or not ret:
        return
    a = Alloc(size=size, ts=ktime(), stack=stacks.id(user=True))
    allocs[ret] = a
    totals.setdefault(a.stack, Total())
    totals[a.stack].size += size
    totals[a.stack].count += 1


@bpf.uprobe("c:free")
def free(addr: u64):
    a = allocs.pop(addr, None)
    if a is not None and a.stack in totals:
        totals[a.stack].size -= a.size
        totals[a.stack].count -= 1
