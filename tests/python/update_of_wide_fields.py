"""value: all bits of a field are updated, and none of its neighbours'."""
from bpfvm import Array, bpf, pkt, s32, struct, u32, u64


@struct
class Flow:
    count: u64 = 0
    level: s32 = 0
    flags: u32 = 0


flows = Array(Flow, 2)
state = bpf.data(Flow(count=2**32 - 1, flags=5))


@bpf.xdp
def f(ctx) -> int:
    i = pkt[0] & 1
    flows[i].count += (1 << 40) + 2**32 - 1
    flows[i].level -= 1
    flows[i].flags |= 0x80000000
    state.count += 1
    state.level += pkt[0] - 3
    return flows[i].count >> 33


INPUTS = ((bytes(14),), (b"\x01" + bytes(13),), (bytes(14),), (b"\x07" + bytes(13),))
