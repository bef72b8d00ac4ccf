"""Updates of shared numbers through a name, and others."""

from bpfvm.lang.maps import Array, Hash
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import u8, u32, u64


@struct
class Flow:
    count: u64
    small: u8
    each: u32[4]


flows = Hash(u32, Flow)
table = Array(Flow, 4)
own = Array(Flow, 4, percpu=True)


def program(a: u32) -> u64:  # hook: function
    v = flows.get(a)
    if v is not None:
        v.count += 1  #~ W114 `v.count += 1` is not atomic
        v.each[2] |= 1  #~ W114 `v.each[2] |= 1` is not atomic
        v.small |= 1
        v.count *= 2
        flows[a].count += 1
    table[1].each[1] += 1
    if first := table.get(a):
        again = first.each
        again[0] -= a  #~ W114 `again[0] -= a` is not atomic
    one = same = flows.setdefault(a ^ 1, Flow())
    same.count += 1  #~ W114 `same.count += 1` is not atomic
    for key, flow in flows.items():
        flow.count += (  #~ W114 `flow.count += key + 1` is not atomic
            key + 1)
    other = table[3]
    each = other
    each.count ^= 7  #~ W114 `each.count ^= 7` is not atomic
    w = own[1]
    w.count += 1
    e = Flow()
    e.count += 1
    return e.count
