"""Frames by VLAN, of one tag or two; untagged ones are 0."""

from bpfvm import XDP_PASS, Counter, bpf, pkt, u16

ETH_VLAN, ETH_QINQ = 0x8100, 0x88A8

vlans = Counter(u16, max_entries=4096)


@bpf.xdp
def vlan_count(ctx):
    kind, vlan, vid = pkt.eth.type, pkt.vlan, 0
    for _ in range(2):
        if kind not in (ETH_VLAN, ETH_QINQ):
            break
        kind, vlan, vid = vlan.type, vlan.vlan, vlan.vid
    vlans[vid] += 1
    return XDP_PASS
