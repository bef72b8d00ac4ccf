"""Sizes of frames by powers of two, and of IPv4 and IPv6 apart."""

from bpfvm import XDP_PASS, Array, bpf, log2, pkt, u64

ETH_IP, ETH_IP6 = 0x0800, 0x86DD

sizes = Array(u64, 16)
sizes6 = Array(u64, 16)


@bpf.xdp
def size_histogram(ctx):
    slot = min(log2(len(pkt)), 15)
    match pkt.eth.type:
        case 0x0800:
            sizes[slot] += 1
        case 0x86DD:
            sizes6[slot] += 1
    return XDP_PASS
