"""Drops TCP to ports of up to 8 ranges; one with last 0 ends the list."""

from bpfvm import XDP_DROP, XDP_PASS, Array, bpf, pkt, struct, u16, u64

TCP = 6


@struct
class Range:
    first: u16
    last: u16


ranges = Array(Range, 8)
dropped = Array(u64, 8)


@bpf.xdp
def port_ranges(ctx):
    if not pkt.is_ip or pkt.ip.proto != TCP:
        return XDP_PASS
    port = pkt.ip.tcp.dport
    for i in range(8):
        r = ranges[i]
        if not r.last:
            break
        if r.first <= port <= r.last:
            dropped[i] += 1
            return XDP_DROP
    return XDP_PASS
