"""Packets by IPv4 protocol."""

from bpfvm import XDP_PASS, Array, bpf, pkt, u64

ETH_IP = 0x0800

hits = Array(u64, 256)


@bpf.xdp
def proto_count(ctx):
    if pkt.eth.type == ETH_IP:
        hits[pkt.ip.proto] += 1
    return XDP_PASS
