"""Each VLAN is a tenant with a table of its own of addresses, which say whether a packet passes."""

from bpfvm import XDP_DROP, XDP_PASS, Counter, Hash, HashOfMaps, bpf, pkt, u16, u32

ETH_VLAN, ETH_IP = 0x8100, 0x0800

red = Hash(u32, u32, 64)
blue = Hash(u32, u32, 64)
tenants = HashOfMaps(u16, red, 16)
strangers = Counter(u16, max_entries=4096)


@bpf.xdp
def tenants_of(ctx):
    if pkt.eth.type != ETH_VLAN or pkt.vlan.type != ETH_IP:
        return XDP_PASS
    vid = pkt.vlan.vid
    table = tenants.get(vid)
    if table is None:
        strangers[vid] += 1
        return XDP_DROP
    return XDP_PASS if table.get(pkt.vlan.ip.dst, 0) else XDP_DROP
