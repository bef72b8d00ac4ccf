"""Packets by IPv4 source."""

from bpfvm import XDP_PASS, Counter, bpf, pkt, u32

sources = Counter(u32, max_entries=4096)


@bpf.xdp
def source_count(ctx):
    if pkt.is_ip:
        sources[pkt.ip.src] += 1
    return XDP_PASS
