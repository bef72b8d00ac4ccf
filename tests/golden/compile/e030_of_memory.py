"""What may be None is used as if it were there: fields, items, methods, operators, copies."""

from bpfvm.lang.maps import Hash
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import u8, u32, u64


@struct
class Flow:
    count: u64 = 0
    mac: u8[6] = b""


@struct
class Pair:
    one: Flow
    two: u32 = 0


flows = Hash(u32, Flow)
macs = Hash(u32, u8[6])
starts = Hash(u32, u64)


def use(flow):
    return flow.count  #~ E030 `flow` may be None here


def program(a: u32) -> u64:  # hook: function
    v = flows.get(a)
    n = v.count  #~ E030 `v` may be None here
    v.count = 1  #~ E030 `v` may be None here
    v.count += 1  #~ E030 `v` may be None here
    w = macs.get(a)
    n += w[0]  #~ E030 `w` may be None here
    w[1] = 2  #~ E030 `w` may be None here
    n += len(w)  #~ E030 `w` may be None here
    for x in w:  #~ E030 `w` may be None here
        n += x
    if v == Flow():  #~ E030 `v` may be None here
        n += 1
    if 3 in w:  #~ E030 `3 in w` may be None here
        n += 1
    pair = Pair(one=v)  #~ E030 `v` may be None here
    flows[a] = v  #~ E030 `v` may be None here
    if v is None:
        n += v.count  #~ E037 None has no attribute `count`
    else:
        n += v.count
    n += flows.get(a + 0).count  #~ E030 may be None here
    n += starts.get(a) + pair.two  #~ E030 `starts.get(a)` may be None here
    return use(v)
