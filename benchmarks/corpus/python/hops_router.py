"""The same of IPv6, whose hop limit has no checksum; between networks of a trie by the destination's first 8 bytes."""

from bpfvm import XDP_DROP, XDP_PASS, XDP_TX, Counter, LpmTrie, bpf, pkt, struct, u8, u32

ETH_IP6 = 0x86DD


@struct
class Prefix:
    bits: u32
    address: u8[8]


routes = LpmTrie(Prefix, u32, 256)
taken = Counter(u32, max_entries=256)


@bpf.xdp
def hops_router(ctx):
    if pkt.eth.type != ETH_IP6:
        return XDP_PASS
    ip = pkt.ip6
    if ip.hops <= 1:
        return XDP_DROP
    route = routes.get(Prefix(bits=64, address=ip.dst[0:8]))
    if route is None:
        return XDP_PASS
    ip.hops -= 1
    taken[route] += 1
    return XDP_TX
