"""Numbers of C's in fields, by their bits: those as wide as the field or narrower are stored without a word, and nothing
that is computed of them."""

from bpfvm.lang.maps import Hash, Histograms
from bpfvm.lang.types.scalars import u16, u32, u64
from bpfvm.lang.types.structs import struct
from bpfvm.vmlinux import task_struct


@struct
class Key:
    pid: u32
    code: u32
    wide: u64
    small: u16


counts = Hash(Key, u64)
pids = Hash(u32, u32)
times = Histograms(u32)


def program(prev: task_struct, next: task_struct):  # hook: tp_btf sched_switch
    k = Key(pid=prev.tgid, code=prev.exit_code, wide=next.pid)
    k.pid = next.pid
    pids[prev.pid] = prev.tgid
    times.add(prev.tgid, u64(prev.start_time))
    counts[k] = 1
    k.pid = prev.tgid + 1  #~ W115 `prev.tgid + 1` may not fit u32
    k.small = prev.tgid  #~ W115 `prev.tgid` may not fit u16
    times.add(prev.tgid + 1, 1)  #~ E021 `prev.tgid + 1` may not fit u32
