"""Each VLAN is a tenant with a table of its own of addresses, which say whether a packet passes."""

from bpfvm import XDP_DROP, XDP_PASS, ArrayOf, Counter, Hash, bpf, pkt, u16, u32

ETH_VLAN, ETH_IP = 0x8100, 0x0800

red = Hash(u32, u32, 64, name="red")
blue = Hash(u32, u32, 64, name="blue")
tenants = ArrayOf(Hash(u32, u32, 64), 4096, {0: blue, 2: red, 5: blue, 7: red})
strangers = Counter(u16, max_entries=4096)


@bpf.xdp
def tenants_of(ctx):
    if pkt.eth.type != ETH_VLAN or pkt.vlan.type != ETH_IP:
        return XDP_PASS
    vid = pkt.vlan.vid
    if vid not in tenants:
        strangers[vid] += 1
        return XDP_DROP
    return XDP_PASS if tenants[vid].get(pkt.vlan.ip.dst, 0) else XDP_DROP
