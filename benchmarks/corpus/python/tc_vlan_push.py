"""Puts frames of listed senders into their VLAN."""

from bpfvm import TC_ACT_OK, TC_ACT_SHOT, Counter, Hash, bpf, pkt, struct, u8, u16

ETH_VLAN = 0x8100


@struct
class Sender:
    mac: u8[6]


members = Hash(Sender, u16, 256)
pushed = Counter(u16, max_entries=256)


@bpf.tc
def tc_vlan_push(skb):
    if pkt.eth.type == ETH_VLAN:
        return TC_ACT_OK
    id = members.get(Sender(mac=pkt.eth.src))
    if id is None:
        return TC_ACT_OK
    if pkt.vlan_push(ETH_VLAN, id):
        return TC_ACT_SHOT
    pushed[id] += 1
    return TC_ACT_OK
