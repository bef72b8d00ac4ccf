"""Takes the tag of IEEE 802.1Q off, and counts frames by VLAN."""

from bpfvm import XDP_ABORTED, XDP_PASS, Array, be16, bpf, pkt, struct, u8, u64

ETH_VLAN = 0x8100


@struct
class Eth:
    dst: u8[6]
    src: u8[6]
    type: be16


@struct
class Tag:
    control: be16
    type: be16


vlans = Array(u64, 4096)


@bpf.xdp
def vlan_pop(ctx):
    if pkt.eth.type != ETH_VLAN:
        return XDP_PASS
    tag = pkt.at(Tag, 14)
    old = pkt.at(Eth, 0).copy()
    old.type = tag.type
    vlans[tag.control & 0xFFF] += 1
    if pkt.adjust_head(4):
        return XDP_ABORTED
    eth = pkt.at(Eth, 0)
    eth.dst, eth.src, eth.type = old.dst, old.src, old.type
    return XDP_PASS
