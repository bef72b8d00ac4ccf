"""Frames by VLAN, of one tag or two; untagged ones are 0."""

from bpfvm import XDP_PASS, Counter, be16, bpf, pkt, struct, u16

ETH_VLAN, ETH_QINQ = 0x8100, 0x88A8


@struct
class Tag:
    control: be16
    type: be16


vlans = Counter(u16, 4096)


@bpf.xdp
def vlan_count(ctx):
    kind = pkt.eth.type
    id = 0
    for at in range(14, 22, 4):
        if kind not in (ETH_VLAN, ETH_QINQ):
            break
        tag = pkt.at(Tag, at)
        id = tag.control & 0xFFF
        kind = tag.type
    vlans[id] += 1
    return XDP_PASS
