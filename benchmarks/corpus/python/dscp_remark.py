"""Gives packets the code point (RFC 2474) that a table has for their destination's port; ECN's bits stay."""

from benchmarks.corpus.python.checksum import adjusted
from bpfvm import TC_ACT_OK, Hash, bpf, pkt, u8, u16

TCP, UDP = 6, 17

classes = Hash(u16, u8, 256)


@bpf.tc
def dscp_remark(skb):
    if not pkt.is_ip:
        return TC_ACT_OK
    ip = pkt.ip
    old, total = ip.tos, ip.csum
    if ip.proto not in (TCP, UDP):
        return TC_ACT_OK
    dscp = classes.get(ip.udp.dport)
    if dscp is None:
        return TC_ACT_OK
    tos = dscp << 2 & 0xFF | old & 3
    if tos != old:
        ip.csum = adjusted(total, old, tos)
        ip.tos = tos
    return TC_ACT_OK
