"""ICMP by type; of echo requests each source may send 8, those above are dropped."""

from bpfvm import XDP_DROP, XDP_PASS, Array, Hash, bpf, pkt, u32, u64

ICMP, ECHO = 1, 8

types = Array(u64, 256)
pings = Hash(u32, u64, 1024, lru=True, default=0)


@bpf.xdp
def icmp_limit(ctx):
    ip = pkt.ip
    if not pkt.is_ip or ip.proto != ICMP:
        return XDP_PASS
    types[ip.icmp.type] += 1
    if ip.icmp.type != ECHO:
        return XDP_PASS
    if pings[ip.src] >= 8:
        return XDP_DROP
    pings[ip.src] += 1
    return XDP_PASS
