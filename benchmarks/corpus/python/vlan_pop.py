"""Takes the tag of IEEE 802.1Q off, and counts frames by VLAN."""

from bpfvm import XDP_ABORTED, XDP_PASS, Array, bpf, pkt, u64

ETH_VLAN = 0x8100

vlans = Array(u64, 4096)


@bpf.xdp
def vlan_pop(ctx):
    if pkt.eth.type != ETH_VLAN:
        return XDP_PASS
    kind = pkt.vlan.type
    dst, src = pkt.eth.dst.copy(), pkt.eth.src.copy()
    vlans[pkt.vlan.vid] += 1
    if pkt.adjust_head(4):
        return XDP_ABORTED
    pkt.eth.dst = dst
    pkt.eth.src = src
    pkt.eth.type = kind
    return XDP_PASS
