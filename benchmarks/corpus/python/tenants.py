"""Each VLAN is a tenant with a table of its own of addresses, which say whether a packet passes."""

from bpfvm import XDP_DROP, XDP_PASS, Counter, Hash, HashOfMaps, be16, be32, bpf, pkt, struct, u16, u32

ETH_VLAN, ETH_IP = 0x8100, 0x0800


@struct
class Tag:
    control: be16
    type: be16


@struct
class Target:
    address: be32


red = Hash(u32, u32, 64)
blue = Hash(u32, u32, 64)
tenants = HashOfMaps(u16, red, 16)
strangers = Counter(u16, 4096)


@bpf.xdp
def tenants_of(ctx):
    if pkt.eth.type != ETH_VLAN:
        return XDP_PASS
    tag = pkt.at(Tag, 14)
    if tag.type != ETH_IP:
        return XDP_PASS
    id = tag.control & 0xFFF
    table = tenants.get(id)
    if table is None:
        strangers[id] += 1
        return XDP_DROP
    return XDP_PASS if table.get(pkt.at(Target, 34).address, 0) else XDP_DROP
