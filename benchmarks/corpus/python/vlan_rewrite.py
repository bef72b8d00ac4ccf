"""VLANs get the number that a table has for them, their priority stays; those that it maps to 0 are dropped."""

from bpfvm import XDP_DROP, XDP_PASS, Hash, bpf, pkt, u16

ETH_VLAN = 0x8100

numbers = Hash(u16, u16, 256)


@bpf.xdp
def vlan_rewrite(ctx):
    if pkt.eth.type != ETH_VLAN:
        return XDP_PASS
    vlan = pkt.vlan
    to = numbers.get(vlan.vid)
    if to is None:
        return XDP_PASS
    if to == 0:
        return XDP_DROP
    vlan.tci = vlan.tci & 0xF000 | to & 0xFFF
    return XDP_PASS
