"""New TCP connections only to listed ports: a SYN to another one is dropped, what is no SYN passes."""

from bpfvm import XDP_DROP, XDP_PASS, Counter, bpf, pkt, u16

TCP = 6
SYN, ACK = 2, 16

services = Counter(u16, max_entries=256)


@bpf.xdp
def syn_only(ctx):
    if not pkt.is_ip or pkt.ip.proto != TCP:
        return XDP_PASS
    tcp = pkt.ip.tcp
    if tcp.flags & (SYN | ACK) != SYN:
        return XDP_PASS
    if tcp.dport not in services:
        return XDP_DROP
    services[tcp.dport] += 1
    return XDP_PASS
