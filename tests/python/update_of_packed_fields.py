"""fault: an atomic operation on a field of a packed struct, at an address that is no multiple of its size."""
from bpfvm import Array, bpf, pkt, s32, struct, u8, u32, u64


@struct(packed=True)
class Odd:
    kind: u8 = 0
    count: u64 = 0
    level: s32 = 0


@struct(packed=True)
class Even:
    count: u64 = 0
    kind: u8 = 0


odd = Array(Odd, 2)
even = Array(Even, 2)
state = bpf.data(Odd())
lists = Array(u32[3], 2)


@bpf.xdp
def f(ctx) -> int:
    i = pkt.eth.type & 1
    odd[i].count += 5
    odd[i].level -= 3
    even[i].count += bpf.fetch_add(even[i], "count", 2)
    state.count ^= pkt.eth.type
    lists[i][2] += 4
    return bpf.fetch_or(lists[i], i + 1, 6)


INPUTS = ((bytes(14),), (bytes(13) + b"\x01",), (bytes(14),))
