"""A router's first step: the time to live goes down by one, with the checksum; what has none left is dropped."""

from bpfvm import XDP_DROP, XDP_PASS, XDP_TX, Array, bpf, pkt, u64

expired = Array(u64, 1)


@bpf.xdp
def ttl_router(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    ip = pkt.ip
    total = ip.csum + 0x100
    if ip.ttl <= 1:
        expired[0] += 1
        return XDP_DROP
    ip.csum = (total & 0xFFFF) + (total >> 16)
    ip.ttl -= 1
    return XDP_TX
