"""A project of somebody else's: two programs, as a user of bpfvm writes them."""

from bpfvm import XDP_DROP, XDP_PASS, Array, bpf, pkt, u32, u64

BLOCKED = 17
seen = Array(u64, 256)


@bpf.xdp
def no_udp(ctx):
    seen[pkt.ip.proto] += 1
    if pkt.eth.type != 0x0800:
        return XDP_PASS
    return XDP_DROP if pkt.ip.proto == BLOCKED else XDP_PASS


@bpf.function
def share(part: u32, whole: u32) -> u64:
    percent = part * 100
    return percent // whole
