"""VLANs get the number that a table has for them, their priority stays; those that it maps to 0 are dropped."""

from bpfvm import XDP_DROP, XDP_PASS, Hash, be16, bpf, pkt, struct, u16

ETH_VLAN = 0x8100


@struct
class Tag:
    control: be16


numbers = Hash(u16, u16, 256)


@bpf.xdp
def vlan_rewrite(ctx):
    if pkt.eth.type != ETH_VLAN:
        return XDP_PASS
    tag = pkt.at(Tag, 14)
    to = numbers.get(tag.control & 0xFFF)
    if to is None:
        return XDP_PASS
    if to == 0:
        return XDP_DROP
    tag.control = tag.control & 0xF000 | to & 0xFFF
    return XDP_PASS
