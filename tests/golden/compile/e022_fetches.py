"""Atomic operations with a result, on what they cannot be done on."""

from bpfvm import bpf
from bpfvm.lang.maps import Array, Hash, LpmTrie, ip4prefix
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import be32, u8, u32, u64


@struct
class Flow:
    count: u64
    small: u8
    port: be32


@struct(packed=True)
class Packed:
    small: u8
    count: u64


flows = Hash(u32, Flow)
routes = LpmTrie(ip4prefix, u32)
totals = Array(u64, 4)
narrow = bpf.data(Packed())
fixed = bpf.const(Flow(count=1))


def program(a: u32) -> u64:  # hook: function
    v = flows.get(a)
    n = bpf.fetch_add(v, "count", 1)  #~ E030 `v` may be None here
    one = flows[a]
    n = bpf.fetch_add(one, "small", 1)  #~ E022 field `small` of Flow is no number of 32 or 64 bits
    n = bpf.xchg(one, "port", 1)  #~ E022 field `port` of Flow is no number of 32 or 64 bits
    n = bpf.fetch_add(narrow, "count", 1)  #~ E022 field `count` of Packed may stand at an address that is no multiple of 8
    n = bpf.xchg(routes, ip4prefix(), 1)  #~ E022 `bpf.xchg` takes the number under the key itself
    n = bpf.fetch_or(one, "bytes", 1)  #~ E037 `Flow` has no field "bytes"
    n = bpf.fetch_or(flows, a, 1)  #~ E022 the element is no number of 32 or 64 bits
    n = bpf.cmpxchg(totals, 1, 2)  #~ E013 `bpf.cmpxchg` takes 4 arguments here
    n = bpf.xchg(totals, 1, one)  #~ E020 the element must be `u64`
    n = bpf.xchg(a, 1, 2)  #~ E022 `bpf.xchg` takes a map, a struct or an array
    n = bpf.xchg(fixed, "count", 2)  #~ E031 `fixed` lies in memory that can only be read
    return n
