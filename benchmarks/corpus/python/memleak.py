"""Memory that was allocated and not freed, by the stack that asked for it."""

from bpfvm import Hash, StackTrace, bpf, ktime, s32, struct, tid, u32, u64


@struct
class Alloc:
    size: u64
    ts: u64
    stack: s32


@struct
class Total:
    size: u64
    count: u64


sizes = Hash(u32, u64, 10240)
allocs = Hash(u64, Alloc, 1_000_000)
totals = Hash(s32, Total, 10240)
stacks = StackTrace(10240)


@bpf.uprobe("c:malloc")
def malloc_enter(size: u64):
    sizes[tid()] = size


@bpf.uretprobe("c:malloc")
def malloc_exit(ret: u64):
    size = sizes.pop(tid(), None)
    if size is None or not ret:
        return
    a = Alloc(size=size, ts=ktime(), stack=stacks.id(user=True))
    allocs[ret] = a
    totals.setdefault(a.stack, Total())
    totals[a.stack].size += size
    totals[a.stack].count += 1


@bpf.uprobe("c:free")
def free_enter(addr: u64):
    a = allocs.pop(addr, None)
    if a is not None and a.stack in totals:
        totals[a.stack].size -= a.size
        totals[a.stack].count -= 1
