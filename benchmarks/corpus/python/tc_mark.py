"""Marks packets for routing, and gives them a priority: DNS, SSH, small and large ones of the rest."""

from bpfvm import TC_ACT_OK, Array, bpf, pkt, u64

TCP, UDP = 6, 17
DNS, SSH, SMALL, LARGE = 1, 2, 3, 4

marked = Array(u64, 8)


@bpf.tc
def tc_mark(skb):
    if not pkt.is_ip or pkt.ip.proto not in (TCP, UDP):
        return TC_ACT_OK
    match pkt.ip.proto, pkt.ip.udp.dport:
        case 17, 53:
            kind = DNS
        case 6, 22:
            kind = SSH
        case _:
            kind = SMALL if skb.len < 256 else LARGE
    skb.mark = 0x100 | kind
    skb.priority = 6 if kind < SMALL else 0
    marked[kind] += 1
    return TC_ACT_OK
